# SPDX-License-Identifier: Apache-2.0
"""Float graphs brought to operators that each become one integer operator. The function computed stays the same.

An activation that is a clamp which the file format can name is done while hardware narrows, so it is fused into the
operator before it; any other one is a table behind the operator, with a quantisation of its own between the two.
"""

from __future__ import annotations

import dataclasses
from collections import Counter

from esl_ref.floating.activation import LINEAR, Activation, Function
from esl_ref.floating.graph import (
    Activate,
    Add,
    AveragePool,
    Conv,
    Dense,
    FloatGraph,
    FloatOp,
    Local,
    Mul,
    Pad,
    Sub,
)  # fmt: skip
from esl_ref.ir import Padding

__all__ = ["fresh", "prepare", "readers"]

Activated = Conv | Dense | Local | Add | Sub | Mul


def readers(graph: FloatGraph) -> Counter[str]:
    """How many operators read each tensor; being an output of the graph counts as one more."""
    return Counter([name for op in graph.ops for name in op.inputs] + list(graph.outputs))


def fresh(name: str, taken: dict[str, tuple[int, ...]]) -> str:
    """`name`, or `name` with primes if that is taken."""
    while name in taken:
        name += "'"
    return name


def _rebuilt(graph: FloatGraph, ops: list[FloatOp], shapes: dict[str, tuple[int, ...]]) -> FloatGraph:
    """The graph with other operators, and only the tensors that they mention."""
    used = {*graph.inputs, *graph.outputs, *(name for op in ops for name in (*op.inputs, op.output))}
    constants = {name: value for name, value in graph.constants.items() if name in used}
    kept = {name: shape for name, shape in shapes.items() if name in used}
    return dataclasses.replace(graph, ops=tuple(ops), shapes=kept, constants=constants)


def _without_dead_ends(graph: FloatGraph) -> FloatGraph:
    needed = set(graph.outputs)
    kept: list[FloatOp] = []
    for op in reversed(graph.ops):
        if op.output in needed:
            kept.append(op)
            needed |= set(op.inputs)
    return _rebuilt(graph, kept[::-1], dict(graph.shapes))


def _fits(activation: Activation) -> bool:
    """Whether it is a clamp that operators of a `.tflite` can have."""
    return activation.clamp is not None and activation.function is not Function.CLIP


def _fused_clamps(graph: FloatGraph) -> FloatGraph:
    """A clamp of its own behind an operator that nothing else reads becomes that operator's activation."""
    count, makers = readers(graph), {op.output: op for op in graph.ops}
    fused: dict[str, FloatOp] = {}
    gone = set()
    for op in graph.ops:
        before = makers.get(op.inputs[0]) if isinstance(op, Activate) and _fits(op.activation) else None
        if isinstance(op, Activate) and isinstance(before, Activated) and count[before.output] == 1:
            if before.activation.function is Function.LINEAR and not isinstance(before, Local):
                fused[before.name] = dataclasses.replace(before, output=op.output, activation=op.activation)
                gone.add(op.name)
    ops = [fused.get(op.name, op) for op in graph.ops if op.name not in gone]
    return _rebuilt(graph, ops, dict(graph.shapes))


_SLOPES = {Function.RELIE: 0.01}


def _canonical(activation: Activation) -> Activation:
    """Leaky under its own name, whatever the slope."""
    slope = _SLOPES.get(activation.function)
    return activation if slope is None else Activation(Function.LEAKY, slope)


def _split_activations(graph: FloatGraph) -> FloatGraph:
    """Activations that need a table become operators, after a tensor of their own."""
    shapes: dict[str, tuple[int, ...]] = dict(graph.shapes)
    ops: list[FloatOp] = []
    for op in graph.ops:
        if isinstance(op, Activate):
            ops.append(dataclasses.replace(op, activation=_canonical(op.activation)))
        elif isinstance(op, Activated) and not _fits(op.activation):
            activation = _canonical(op.activation)
            linear = fresh(f"{op.output}/linear", shapes)
            shapes[linear] = shapes[op.output]
            ops.append(dataclasses.replace(op, output=linear, activation=LINEAR))
            ops.append(Activate(f"{op.name}/{activation.function.value}", (linear,), op.output, activation))
        else:
            ops.append(op)
    return _rebuilt(graph, ops, shapes)


def _counted_padding(graph: FloatGraph) -> FloatGraph:
    """Average pools that count padding get it as an operator before them."""
    shapes: dict[str, tuple[int, ...]] = dict(graph.shapes)
    ops: list[FloatOp] = []
    for op in graph.ops:
        if isinstance(op, AveragePool) and op.count_padding and op.padding != Padding():
            p, (n, h, w, c) = op.padding, shapes[op.inputs[0]]
            padded = fresh(f"{op.output}/padded", shapes)
            shapes[padded] = (n, h + p.top + p.bottom, w + p.left + p.right, c)
            pads = ((0, 0), (p.top, p.bottom), (p.left, p.right), (0, 0))
            ops.append(Pad(f"{op.name}/pad", op.inputs, padded, pads))
            op = dataclasses.replace(op, inputs=(padded,), padding=Padding(), count_padding=False)
        ops.append(op)
    return _rebuilt(graph, ops, shapes)


def prepare(graph: FloatGraph) -> FloatGraph:
    """The same function in operators that the integer graph has."""
    for step in (_without_dead_ends, _fused_clamps, _split_activations, _counted_padding):
        graph = step(graph)
    return graph
