# SPDX-License-Identifier: Apache-2.0
"""Sequences as maps: padding, means and dense layers of tensors without rows get them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from esl_ref.ir import FullyConnected, Graph, Mean, Op, Pad, Reshape, Tensor

__all__ = ["lift_sequences"]

_RANK = 4


Shape = tuple[int, ...]


def _raised(shape: Shape) -> Shape:
    """Rows, and columns where they are missing, behind the batch."""
    return (*shape[:1], *(1,) * (_RANK - len(shape)), *shape[1:])


def _pad(op: Pad, ifm: Shape, out: Shape) -> tuple[Op, Shape, Shape] | None:
    rank = len(ifm)
    if not 1 < rank < _RANK or ifm[0] != 1 or op.pads[0] != (0, 0):
        return None
    pads = (*op.pads[:1], *((0, 0),) * (_RANK - rank), *op.pads[1:])
    return dataclasses.replace(op, pads=pads), _raised(ifm), _raised(out)


def _mean(op: Mean, ifm: Shape, out: Shape) -> tuple[Op, Shape, Shape] | None:
    rank = len(ifm)
    axes = tuple(axis + _RANK - rank for axis in op.axes)
    if not 1 < rank < _RANK or ifm[0] != 1 or 0 in op.axes or not set(axes) <= {1, 2}:
        return None
    kept = tuple(1 if axis in axes else d for axis, d in enumerate(_raised(ifm)))
    return dataclasses.replace(op, axes=axes, keep_dims=True), _raised(ifm), kept


def _dense(op: FullyConnected, ifm: Shape, out: Shape) -> tuple[Op, Shape, Shape] | None:
    return (op, (1, *ifm), (1, *out)) if len(ifm) == len(out) == 2 and ifm[0] > 1 else None


_LIFTS: dict[type[Op], Callable[[Any, Shape, Shape], tuple[Op, Shape, Shape] | None]] = {
    Pad: _pad, Mean: _mean, FullyConnected: _dense,
}  # fmt: skip
"""Operator and shapes of its input and output -> the same on a map, or None to leave it."""


def _steps(op: Op, graph: Graph, tensors: dict[str, Tensor]) -> Iterator[Op]:
    """Reshape to a map, the operator, and reshape to what the file says."""
    lift = _LIFTS.get(type(op))
    lifted = lift(op, graph.tensors[op.inputs[0]].shape, graph.tensors[op.outputs[0]].shape) if lift else None
    if lifted is None:
        yield op
        return
    (ifm, *_), (out,) = graph.io(op)
    new, before, behind = lifted
    source, result = f"{out.name}:from", f"{out.name}:map"
    tensors[source] = dataclasses.replace(ifm, name=source, shape=before, data=None)
    tensors[result] = dataclasses.replace(out, name=result, shape=behind)
    yield Reshape(source, (ifm.name,), (source,))
    yield dataclasses.replace(new, inputs=(source,), outputs=(result,))
    yield Reshape(f"{op.name}:flat", (result,), (out.name,))


def lift_sequences(graph: Graph) -> Graph:
    """Pad and Mean of ranks 2 and 3, as 1-D networks have them, and dense layers of matrices, whose rows are no batch,
    between reshapes to maps, which cost nothing."""
    tensors = dict(graph.tensors)
    ops = tuple(step for op in graph.ops for step in _steps(op, graph, tensors))
    return graph.replace(ops=ops, tensors=tensors)
