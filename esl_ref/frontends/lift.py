# SPDX-License-Identifier: Apache-2.0
"""Sequences as maps: padding and means of tensors without rows get them, so that they are operators of a map."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from esl_ref.ir import Graph, Mean, Op, Pad, Reshape, Tensor

__all__ = ["lift_sequences"]

_RANK = 4


def _raised(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Rows, and columns where they are missing, behind the batch."""
    return (*shape[:1], *(1,) * (_RANK - len(shape)), *shape[1:])


def _lifted(op: Op, graph: Graph) -> Op | None:
    """The operator on a map of one row; None for one that is no Pad or Mean of a sequence of batch 1."""
    if not isinstance(op, Pad | Mean):
        return None
    (ifm,), _ = graph.io(op)
    rank = len(ifm.shape)
    if not 1 < rank < _RANK or ifm.shape[0] != 1:
        return None
    if isinstance(op, Pad):
        pads = (*op.pads[:1], *((0, 0),) * (_RANK - rank), *op.pads[1:])
        return dataclasses.replace(op, pads=pads) if op.pads[0] == (0, 0) else None
    axes = tuple(axis + _RANK - rank for axis in op.axes)
    return dataclasses.replace(op, axes=axes, keep_dims=True) if set(axes) <= {1, 2} and 0 not in op.axes else None


def _steps(op: Op, graph: Graph, tensors: dict[str, Tensor]) -> Iterator[Op]:
    """Reshape to a map, the operator, and reshape to what the file says."""
    new = _lifted(op, graph)
    if new is None:
        yield op
        return
    (ifm,), (out,) = graph.io(op)
    source, result = f"{out.name}:from", f"{out.name}:map"
    shape = list(_raised(ifm.shape))
    for axis in range(_RANK):
        if isinstance(new, Pad):
            shape[axis] += sum(new.pads[axis])
        elif isinstance(new, Mean) and axis in new.axes:
            shape[axis] = 1
    tensors[source] = dataclasses.replace(ifm, name=source, shape=_raised(ifm.shape), data=None)
    tensors[result] = dataclasses.replace(out, name=result, shape=tuple(shape))
    yield Reshape(source, (ifm.name,), (source,))
    yield dataclasses.replace(new, inputs=(source,), outputs=(result,))
    yield Reshape(f"{op.name}:flat", (result,), (out.name,))


def lift_sequences(graph: Graph) -> Graph:
    """Pad and Mean of ranks 2 and 3, as 1-D networks have them, between reshapes to maps, which cost nothing."""
    tensors = dict(graph.tensors)
    ops = tuple(step for op in graph.ops for step in _steps(op, graph, tensors))
    return graph.replace(ops=ops, tensors=tensors)
