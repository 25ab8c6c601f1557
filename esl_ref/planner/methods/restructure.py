# SPDX-License-Identifier: Apache-2.0
"""Dataflow restructuring (Ji et al., DATE 2021): rewrite the network around its memory peaks into slices of rows.

A region between two places where a single tensor is alive is executed slice by slice: each slice computes, through all
layers of the region, the rows that its share of the result needs, halos again and again. The regions and their numbers
of slices are chosen together: the least work for every peak, hence the exact front for the given candidates.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from esl_ref.errors import PlanError
from esl_ref.planner.methods.occupancy import Context
from esl_ref.planner.methods.storage import layerwise
from esl_ref.planner.methods.tiles import layer_rows
from esl_ref.workloads.graph import WINDOWED, Kind, Node, ShapeGraph

__all__ = ["Region", "Restructured", "Restructuring", "sliced"]

_COUNTS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 28)
_WHOLE = frozenset({Kind.DENSE, Kind.MEAN, Kind.SOFTMAX, Kind.RESHAPE, Kind.EMBED})
_LONGEST = 60


@dataclass(frozen=True)
class Region:
    """Nodes [first, last) in `count` slices: bytes alive at most, and work with halos."""

    first: int
    last: int
    count: int
    nbytes: int
    macs: int


@dataclass(frozen=True)
class Restructured:
    """Regions that cover the network."""

    regions: tuple[Region, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of the neediest region."""
        return max(region.nbytes for region in self.regions)

    @property
    def macs(self) -> int:
        """Work, halos that are computed again included."""
        return sum(region.macs for region in self.regions)


def sliced(graph: ShapeGraph, first: int, last: int, count: int) -> tuple[Node, ...]:
    """Nodes [first, last) rewritten into `count` slices of the last one's rows; its name stays that of the whole."""
    group = graph.nodes[first:last]
    end = group[-1]
    if count == 1:
        return group
    if count > end.shape[0]:
        raise PlanError(f"{end.shape[0]} rows cannot be cut into {count}", where=f"node '{end.name}'")
    made: list[Node] = []
    for k in range(count):
        low, high = k * end.shape[0] // count, (k + 1) * end.shape[0] // count
        made += _slice(graph, group, low, high, k)
    parts = tuple(f"{end.name}#{k}" for k in range(count))
    return (*made, Node(end.name, Kind.STACK, parts, end.shape, itemsize=end.itemsize))


def _slice(graph: ShapeGraph, group: Sequence[Node], low: int, high: int, number: int) -> list[Node]:
    """The rows of every node of `group` that rows [low, high) of its last node need."""
    inside = {node.name for node in group}
    rows: dict[str, tuple[int, int]] = {group[-1].name: (low, high)}
    for node in reversed(group):
        if node.name not in rows:
            continue
        for name in node.inputs:
            if name in inside:
                top, bottom = layer_rows(node, graph[name].shape[0], 0, *rows[node.name])
                before = rows.get(name, (top, bottom))
                rows[name] = (min(top, before[0]), max(bottom, before[1]))
    made: list[Node] = []
    for node in group:
        if node.name in rows:
            spans = [rows[name] if name in inside else (0, graph[name].shape[0]) for name in node.inputs]
            inputs = [f"{name}#{number}" if name in inside else name for name in node.inputs]
            made += _part(graph, node, inputs, spans, rows[node.name], number)
    return made


def _part(graph: ShapeGraph, node: Node, inputs: Sequence[str], spans: Sequence[tuple[int, int]],
          rows: tuple[int, int], number: int) -> list[Node]:  # fmt: skip
    """Rows `rows` of `node` from tensors of rows `spans`, with the views that an elementwise node needs."""
    top, bottom = rows
    name, size = f"{node.name}#{number}", bottom - top
    part = dataclasses.replace(
        node, name=name, inputs=tuple(inputs), shape=(size, *node.shape[1:]), macs=node.macs * size // node.shape[0],
        weights=0 if number else node.weights, biases=0 if number else node.biases,
    )  # fmt: skip
    if node.kind in WINDOWED:
        above = node.pad[0] + spans[0][0] - top * node.stride[0]
        return [dataclasses.replace(part, pad=(above, *node.pad[1:]))]
    views: list[Node] = []
    for k, span in enumerate(spans):
        source = graph[node.inputs[k]]
        low, high = layer_rows(node, source.shape[0], 0, top, bottom)
        if span != (low, high):
            shape = (high - low, *source.shape[1:])
            views.append(Node(f"{name}@{k}", Kind.VIEW, (inputs[k],), shape, pad=(span[0] - low, 0, 0, 0),
                              itemsize=source.itemsize))  # fmt: skip
    named = [f"{name}@{k}" if any(v.name == f"{name}@{k}" for v in views) else i for k, i in enumerate(inputs)]
    return [*views, dataclasses.replace(part, inputs=tuple(named))]


class Restructuring:
    """All regions of one network, and what they cost."""

    def __init__(self, graph: ShapeGraph) -> None:
        self.graph = graph
        self.context = Context(graph, in_place=False)
        self.cuts = [k for k in range(1, len(graph.nodes)) if self._single(k)] + [len(graph.nodes)]

    def _single(self, position: int) -> bool:
        """One tensor alive there, finished by the node just before: a region may start or end."""
        return self.context.crossing(position) == [self.graph.nodes[position - 1].name]

    @cached_property
    def regions(self) -> dict[int, list[Region]]:
        """By end: every region worth considering."""
        found: dict[int, list[Region]] = {cut: [] for cut in self.cuts}
        for k, first in enumerate(self.cuts):
            for last in self.cuts[k + 1 :]:
                if last - first > _LONGEST:
                    break
                found[last] += self._counts(first, last)
        return found

    def _counts(self, first: int, last: int) -> list[Region]:
        """Regions [first, last) of more and more slices, as long as they lower the peak."""
        group = self.graph.nodes[first:last]
        sliceable = not any(node.kind in _WHOLE for node in group)
        found: list[Region] = []
        for count in _COUNTS if sliceable and len(group) > 1 else (1,):
            if count > group[-1].shape[0]:
                break
            region = self._region(first, last, count)
            if not found or region.nbytes < found[-1].nbytes:
                found.append(region)
        return found

    def _region(self, first: int, last: int, count: int) -> Region:
        made = sliced(self.graph, first, last, count)
        inside = {node.name for node in made}
        outside = dict.fromkeys(name for node in made for name in node.inputs if name not in inside)
        sources = tuple(Node(n, Kind.INPUT, (), self.graph[n].shape, itemsize=self.graph[n].itemsize) for n in outside)
        outputs = tuple(n for n in self.graph.outputs if n in inside) or (made[-1].name,)
        alone = ShapeGraph(self.graph.name, (*sources, *made), outputs)
        return Region(first, last, count, layerwise(alone).bound, alone.macs)

    def least_work(self, limit: int) -> Restructured | None:
        """The restructuring of least work whose regions keep within `limit` bytes, or None."""
        best: dict[int, tuple[int, int, tuple[Region, ...]]] = {self.cuts[0]: (0, 0, ())}
        for last in self.cuts[1:]:
            for region in self.regions[last]:
                before = best.get(region.first)
                if before is None or region.nbytes > limit:
                    continue
                trial = (before[0] + region.macs, before[1] + region.count, (*before[2], region))
                if last not in best or trial[:2] < best[last][:2]:
                    best[last] = trial
        found = best.get(self.cuts[-1])
        return Restructured(found[2]) if found else None

    def front(self) -> list[Restructured]:
        """Peak against work, largest peak first: every point that is least in one for its value of the other.

        PlanError for a network without regions.
        """
        if len(self.cuts) < 2:
            raise PlanError("several tensors are alive between any two operators", where=self.graph.name)
        found: list[Restructured] = []
        limit = layerwise(self.graph).bound
        while (point := self.least_work(limit)) is not None:
            if found and found[-1].macs == point.macs:
                found.pop()
            found.append(point)
            limit = point.nbytes - 1
        return found

    def within(self, factor: float) -> Restructured:
        """The least peak at no more than `factor` times the network's work."""
        return [point for point in self.front() if point.macs <= factor * self.graph.macs][-1]
