# SPDX-License-Identifier: Apache-2.0
"""Passes that every front end runs on a fresh graph. Each is pure; the list is what happens, in order."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from esl_ref.ir import Add, Graph, Mul, Op, Table, Tensor
from esl_ref.ops import check_accumulators, lookup

__all__ = ["PASSES", "constant_operand_to_table", "prove_accumulators", "remove_unused", "run_passes"]

_BYTES = np.arange(-128, 128, dtype=np.int16).astype(np.int8)


def _as_table(op: Op, graph: Graph) -> Op:
    """Add, Sub or Mul of one int8 activation and one constant byte, as a table of its 256 results.

    The table is the operator's own golden form applied to every byte, so both agree by construction.
    """
    if not isinstance(op, Add | Mul):
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


PASSES: tuple[Callable[[Graph], Graph], ...] = (constant_operand_to_table, remove_unused, prove_accumulators)


def run_passes(graph: Graph) -> Graph:
    """All passes in order; `Graph` verifies itself after each."""
    for step in PASSES:
        graph = step(graph)
    return graph
