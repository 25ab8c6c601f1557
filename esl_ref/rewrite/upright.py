# SPDX-License-Identifier: Apache-2.0
"""Maps one row high as maps one pixel wide: the same bytes, in rows that can stream.

Converters put sequences into maps of one row. Everything that works on such maps alone is turned with them: kernels,
strides and padding change their axes. At the ends of what is turned, reshapes go from one form to the other; they move
nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from esl_ref.errors import PlanError
from esl_ref.ir import (
    Add,
    AveragePool,
    Concat,
    Conv2D,
    DepthwiseConv2D,
    Graph,
    MaxPool,
    Mean,
    Mul,
    Op,
    Padding,
    Reshape,
    Sub,
    Table,
    Tensor,
)

__all__ = ["lying", "upright"]

_WINDOWS = (Conv2D, DepthwiseConv2D, MaxPool, AveragePool)
_BYTEWISE = (Add, Sub, Mul, Table, Concat, Reshape)


def lying(graph: Graph) -> tuple[str, ...]:
    """Operators on maps of one row and several pixels, or on sequences of vectors, that `upright` can turn; none where
    there is no window to stream through."""
    found = [op for op in graph.ops if _turns(graph, op)]
    return tuple(op.name for op in found) if any(isinstance(op, _WINDOWS) for op in found) else ()


def _sequence(tensor: Tensor) -> tuple[int, int] | None:
    """(pixels, channels) of a map of one row, 1 x 1 x W x C, or of a sequence, 1 x W x C."""
    shape = tensor.shape
    if tensor.is_const or len(shape) not in (3, 4) or (len(shape) == 4 and shape[1] != 1):
        return None
    return shape[-2], shape[-1]


def _turns(graph: Graph, op: Op) -> bool:
    sizes = [_sequence(graph.tensors[name]) for name in (*op.inputs, *op.outputs)]
    if any(size is None for size in sizes):
        return False
    pixels = {size[0] for size in sizes if size}
    if isinstance(op, _WINDOWS):
        return pixels != {1} and _rows(op) == 1 and (op.padding.top, op.padding.bottom) == (0, 0)
    if isinstance(op, Mean):
        return sizes[1] is not None and sizes[1][0] == 1 != sizes[0][0]  # type: ignore[index]
    if isinstance(op, Reshape) and sizes[0] != sizes[1]:
        return False
    return isinstance(op, _BYTEWISE) and len(pixels) == 1 and pixels != {1}  # no broadcast, not joined along the row


def _rows(op: Op) -> int:
    """Rows of an operator's window."""
    if isinstance(op, Conv2D):
        return int(op.weight.shape[1])
    return int(op.weight.shape[0]) if isinstance(op, DepthwiseConv2D) else int(op.window[0])  # type: ignore[attr-defined]


def upright(graph: Graph, names: Iterable[str]) -> Graph:
    """`graph` with the operators `names` on maps one pixel wide. Tensors between them keep their names.

    PlanError for an operator that `lying` does not name.
    """
    wanted = frozenset(names)
    if missing := wanted - {op.name for op in graph.ops if _turns(graph, op)}:
        raise PlanError("cannot be turned upright", where=f"operator '{min(missing)}'")
    turning = _Turning(graph, wanted)
    for op in graph.ops:
        turning.add(op)
    return graph.replace(ops=tuple(turning.ops), tensors=turning.tensors)


class _Turning:
    """The graph in the making; `turned` says what stands for a tensor among the operators turned."""

    def __init__(self, graph: Graph, wanted: frozenset[str]) -> None:
        self.graph, self.wanted = graph, wanted
        self.needed = {n for op in graph.ops if op.name not in wanted for n in op.inputs} | set(graph.outputs)
        self.tensors: dict[str, Tensor] = dict(graph.tensors)
        self.ops: list[Op] = []
        self.turned: dict[str, str] = {}

    def add(self, op: Op) -> None:
        """The operator as it is, or turned, with reshapes where its operands and its result are not."""
        if op.name not in self.wanted:
            self.ops.append(op)
            return
        for name in dict.fromkeys(n for n in op.inputs if n not in self.turned):
            self.ops.append(_reshape(name, self._turn(name, f"{name}:upright")))
        (out,) = op.outputs
        sources = tuple(self.turned[name] for name in op.inputs)
        if isinstance(op, Reshape):  # between two forms of a sequence, which are one here
            result = self.turned[out] = sources[0]
            self.tensors.pop(out) if out not in self.needed else None
        else:
            result = self._turn(out, f"{out}:upright" if out in self.needed else out)
            self.ops.append(dataclasses.replace(_swapped(op), inputs=sources, outputs=(result,)))
        if out in self.needed:
            self.ops.append(_reshape(result, out))

    def _turn(self, name: str, to: str) -> str:
        """`to` stands for tensor `name` from now on."""
        pixels, channels = self.graph.tensors[name].shape[-2:]
        self.tensors[to] = dataclasses.replace(
            self.graph.tensors[name], name=to, shape=(1, pixels, 1, channels), file_axes=()
        )
        self.turned[name] = to
        return to


def _reshape(source: str, target: str) -> Reshape:
    return Reshape(f"reshape {source} to {target}", (source,), (target,))


def _swapped(op: Op) -> Op:
    """An operator with the axes of its rows and columns changed for each other."""
    if isinstance(op, Concat):
        return dataclasses.replace(op, axis=3)  # of channels, whatever the rank was
    if isinstance(op, Mean):
        return dataclasses.replace(op, axes=(1, 2), keep_dims=True)
    if not isinstance(op, _WINDOWS):
        return op
    p = op.padding
    changes: dict[str, object] = {
        "stride": op.stride[::-1], "padding": Padding(p.left, p.right, p.top, p.bottom),
    }  # fmt: skip
    if isinstance(op, Conv2D | DepthwiseConv2D):
        axes = (1, 2) if isinstance(op, Conv2D) else (0, 1)
        changes |= {"weight": op.weight.swapaxes(*axes), "dilation": op.dilation[::-1]}
    else:
        changes["window"] = op.window[::-1]
    return dataclasses.replace(op, **changes)  # type: ignore[arg-type]
