# SPDX-License-Identifier: Apache-2.0
"""Scales and zero points for all tensors of a prepared graph.

Operators that only move bytes keep their input's quantisation. The parts of a concatenation share its quantisation,
too, unless a part has other readers that would lose by it: such a part is rescaled on its way in. Outputs of
logistic, tanh and softmax have the quantisation that TensorFlow Lite fixes for them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from esl_ref.detection.heads import RegionHead, YoloHead
from esl_ref.errors import ModelError
from esl_ref.floating.activation import Function
from esl_ref.floating.graph import (
    Activate,
    AveragePool,
    Concat,
    FloatGraph,
    FloatOp,
    MaxPool,
    Pad,
    Reshape,
    ResizeNearest,
    Slice,
    Softmax,
    Transpose,
)  # fmt: skip
from esl_ref.quantiser.calibrate import Statistics
from esl_ref.quantiser.prepare import readers
from esl_ref.quantiser.ranges import Method, TensorScale, Through, choose_range, of_logits, scale_of

__all__ = ["MOVES", "Scales", "assign"]

MOVES = (AveragePool, MaxPool, Pad, Reshape, ResizeNearest, Slice, Transpose)
"""Operators whose output must have their input's quantisation."""

_FIXED = {Function.LOGISTIC: TensorScale(1 / 256, -128), Function.TANH: TensorScale(1 / 128, 0)}
_PROBABILITY = TensorScale(1 / 256, -128)

Range = tuple[float, float]


@dataclass(frozen=True)
class Scales:
    """Quantisation of every tensor; `notes` says what was assumed."""

    of: Mapping[str, TensorScale]
    notes: tuple[str, ...]


class _Groups:
    """Tensors that share a quantisation, as a forest; a root knows the range of its group and a fixed scale if any."""

    def __init__(self, ranges: Mapping[str, Range]) -> None:
        self._parent = {name: name for name in ranges}
        self.ranges = dict(ranges)
        self.fixed: dict[str, TensorScale] = {}

    def root(self, name: str) -> str:
        while self._parent[name] != name:
            self._parent[name] = self._parent[self._parent[name]]
            name = self._parent[name]
        return name

    def union(self, a: str, b: str) -> None:
        """One group with a range that covers both; a fixed scale stays."""
        a, b = self.root(a), self.root(b)
        if a == b:
            return
        self._parent[b] = a
        self.ranges[a] = _cover(self.ranges[a], self.ranges[b])
        if b in self.fixed:
            self.fixed[a] = self.fixed[b]

    def range(self, name: str) -> Range:
        root = self.root(name)
        fixed = self.fixed.get(root)
        return (fixed.low, fixed.high) if fixed else self.ranges[root]

    def is_fixed(self, name: str) -> bool:
        return self.root(name) in self.fixed


_EMPTY: Range = (0.0, 0.0)


def _cover(a: Range, b: Range) -> Range:
    return min(a[0], b[0]), max(a[1], b[1])


def _span(covered: Range) -> float:
    return max(covered[1], 0.0) - min(covered[0], 0.0)


def _loss(own: Range, shared: Range) -> float:
    """Decibels of signal to noise that a tensor loses when its codes are spread over the shared range."""
    if _span(own) == 0.0:
        return 0.0
    return 20 * math.log10(max(1.0, _span(shared) / _span(own)))


def _through(graph: FloatGraph) -> dict[str, Through]:
    """Tensor -> the function that is all that reads it: an activation, or a detection head's logistic."""
    count = readers(graph)
    alone: dict[str, Through] = {
        op.inputs[0]: op.activation for op in graph.ops if isinstance(op, Activate) and count[op.inputs[0]] == 1
    }  # fmt: skip
    logits = (head for head in graph.heads if isinstance(head, RegionHead | YoloHead))
    names = (head.tensor for head in logits if not getattr(head, "squared", False))
    return alone | {name: of_logits for name in names if count[name] == 1}


def _own_ranges(graph: FloatGraph, statistics: Statistics, method: Method, percent: float) -> dict[str, Range]:
    """The range of every tensor that is computed anew; empty for one that only repeats others' values."""
    functions = _through(graph)
    derived = {op.output for op in graph.ops if isinstance(op, (*MOVES, Concat))}
    ranges: dict[str, Range] = dict.fromkeys(derived, _EMPTY)
    for name, value in statistics.items():
        if name in ranges:
            continue
        # Inputs and constants are what they are: nothing of them is cut off.
        given = name in graph.inputs or name in graph.constants
        through = functions.get(name)
        own = Method.MINMAX if given else method
        ranges[name] = choose_range(value.histogram, own, percent=percent, **({"through": through} if through else {}))
    for op in graph.ops:
        if isinstance(op, Pad):
            ranges[op.output] = (op.value, op.value)
    return ranges


def _fixed(op: FloatOp) -> TensorScale | None:
    if isinstance(op, Softmax):
        return _PROBABILITY
    return _FIXED.get(op.activation.function) if isinstance(op, Activate) else None


def _merge_concats(graph: FloatGraph, groups: _Groups, tolerance: float) -> None:
    """Parts join their concatenation if they have no other reader, or lose no more than `tolerance` decibels."""
    count = readers(graph)
    for op in graph.ops:
        if not isinstance(op, Concat):
            continue
        shared = groups.range(op.output)
        for name in op.inputs:
            shared = _cover(shared, groups.range(name))
        groups.ranges[groups.root(op.output)] = shared
        for name in op.inputs:
            if groups.is_fixed(name) or groups.is_fixed(op.output):
                if groups.is_fixed(name) and _span(shared) <= _span(groups.range(name)):
                    groups.union(name, op.output)
                continue
            if count[name] == 1 or _loss(groups.range(name), shared) <= tolerance:
                groups.union(op.output, name)


def _finite(name: str, covered: Range, notes: list[str]) -> Range:
    """A range that is not empty. A tensor that was always 0 gets codes for [-1, 1], and a note."""
    if not all(map(math.isfinite, covered)):
        raise ModelError(f"has the range {covered}", where=f"tensor '{name}'")
    if _span(covered) > 0.0:
        return covered
    notes.append(f"tensor '{name}' was 0 on all calibration data; it is given the range -1..1")
    return -1.0, 1.0


def assign(
    graph: FloatGraph, statistics: Statistics, method: Method, *, percent: float = 99.99, tolerance: float = 3.0,
    inputs: Range | None = None,
) -> Scales:  # fmt: skip
    """Quantisation of every tensor of a prepared graph.

    `tolerance` is how many decibels a part of a concatenation may lose for its other readers before it is rescaled
    instead. `inputs` is the range of the graph's inputs where that is known, whatever the samples reached.
    """
    ranges = _own_ranges(graph, statistics, method, percent)
    if inputs is not None:
        ranges |= dict.fromkeys(graph.inputs, inputs)
    groups = _Groups(ranges)
    for op in graph.ops:
        fixed = _fixed(op)
        if fixed is not None:
            groups.fixed[groups.root(op.output)] = fixed
        if isinstance(op, MOVES):
            groups.union(op.inputs[0], op.output)
    _merge_concats(graph, groups, tolerance)
    notes: list[str] = []
    found: dict[str, TensorScale] = {}
    for root in {groups.root(name): None for name in graph.shapes}:
        if root not in groups.fixed:
            given = root in graph.inputs or root in graph.constants
            groups.fixed[root] = scale_of(*_finite(root, groups.ranges[root], notes), exact=given)
        found[root] = groups.fixed[root]
    return Scales({name: found[groups.root(name)] for name in graph.shapes}, tuple(notes))
