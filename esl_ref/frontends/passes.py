# SPDX-License-Identifier: Apache-2.0
"""Passes that every front end runs on a fresh graph. Each is pure; the list is what happens, in order."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from esl_ref.frontends.lift import lift_sequences
from esl_ref.ir import Add, Graph, Maximum, Minimum, Mul, Op, Reshape, ResizeNearest, Table, Tensor
from esl_ref.ops import check_accumulators, lookup

__all__ = [
    "PASSES", "constant_operand_to_table", "join_moves", "prove_accumulators", "remove_unused", "run_passes",
]  # fmt: skip

_BYTES = np.arange(-128, 128, dtype=np.int16).astype(np.int8)


def _as_table(op: Op, graph: Graph) -> Op:
    """Add, Sub, Mul, Maximum or Minimum of one int8 activation and one constant byte, as a table of its 256 results.

    The table is the operator's own golden form applied to every byte, so both agree by construction.
    """
    if not isinstance(op, Add | Mul | Maximum | Minimum):
        return op
    inputs, (out,) = graph.io(op)
    scalars = [t for t in inputs if t.data is not None and t.elements == 1]
    others = [t for t in inputs if t.data is None]
    if len(scalars) != 1 or len(others) != 1 or others[0].dtype != np.int8 or others[0].shape != out.shape:
        return op
    operands = [_BYTES if t.data is None else t.data.reshape(1) for t in inputs]
    table = lookup(op).fast(op, operands, dataclasses.replace(out, shape=(256,)))
    return Table(op.name, (others[0].name,), op.outputs, table, f"{op.kind.lower()} with a constant")


def constant_operand_to_table(graph: Graph) -> Graph:
    """Elementwise operators with one constant byte are unary functions of a byte: tables."""
    return graph.replace(ops=tuple(_as_table(op, graph) for op in graph.ops))


def _source(name: str, made: dict[str, Op]) -> str:
    """The tensor whose bytes `name` holds under another shape."""
    while isinstance(op := made.get(name), Reshape):
        name = op.inputs[0]
    return name


def _joined(op: Op, made: dict[str, Op], graph: Graph) -> Op:
    """A reshape of a reshape, or a resize of what holds the bytes of another resize, in one step."""
    if isinstance(op, Reshape):
        return Reshape(op.name, (_source(op.inputs[0], made),), op.outputs)
    if not isinstance(op, ResizeNearest):
        return op
    source = _source(op.inputs[0], made)
    first = made.get(source)
    if not isinstance(first, ResizeNearest) or graph.tensors[source].shape != graph.tensors[op.inputs[0]].shape:
        return op
    rows, columns = (first.rows[y] for y in op.rows), (first.columns[x] for x in op.columns)
    return ResizeNearest(op.name, first.inputs, op.outputs, tuple(rows), tuple(columns))


def join_moves(graph: Graph) -> Graph:
    """Reshapes one after the other are one, and so are nearest resizes with nothing but reshapes between them:
    converters write an upsampling as two, of rows and of columns. What reads a reshape to the same shape reads its
    input."""
    made: dict[str, Op] = {}
    same: dict[str, str] = {}
    for op in graph.ops:
        op = dataclasses.replace(op, inputs=tuple(same.get(name, name) for name in op.inputs))
        made[op.outputs[0]] = new = _joined(op, made, graph)
        if isinstance(new, Reshape) and graph.tensors[new.inputs[0]].shape == graph.tensors[new.outputs[0]].shape:
            same[new.outputs[0]] = new.inputs[0]
    return graph.replace(ops=tuple(made.values()))


def remove_unused(graph: Graph) -> Graph:
    """Drop operators whose results nothing reads, and tensors that no operator mentions."""
    needed = set(graph.outputs)
    kept: list[Op] = []
    for op in reversed(graph.ops):
        if needed & set(op.outputs):
            kept.append(op)
            needed |= set(op.inputs)
    mentioned = needed | set(graph.inputs) | {name for op in kept for name in op.outputs}
    tensors: dict[str, Tensor] = {name: t for name, t in graph.tensors.items() if name in mentioned}
    return graph.replace(ops=tuple(reversed(kept)), tensors=tensors)


def prove_accumulators(graph: Graph) -> Graph:
    """NumericError if some input could drive an accumulator out of int32."""
    check_accumulators(graph)
    return graph


PASSES: tuple[Callable[[Graph], Graph], ...] = (
    constant_operand_to_table, lift_sequences, join_moves, remove_unused, prove_accumulators,
)  # fmt: skip


def run_passes(graph: Graph) -> Graph:
    """All passes in order; `Graph` verifies itself after each."""
    for step in PASSES:
        graph = step(graph)
    return graph
