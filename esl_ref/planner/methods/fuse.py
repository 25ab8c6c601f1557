# SPDX-License-Identifier: Apache-2.0
"""Fused groups: where to cut a network so that row streaming keeps the fewest bytes alive.

Between groups tensors are whole, inside a group they are rolling row buffers. The largest group decides the arena, so
the cuts are a shortest path whose length is the maximum of its edges: exact for the given order of nodes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from esl_ref.planner import layout
from esl_ref.planner.methods.rows import Stream, stream
from esl_ref.planner.methods.storage import layerwise, readers, roots
from esl_ref.workloads.graph import Node, ShapeGraph

__all__ = ["Fusion", "Group", "fuse", "group_bytes"]


@dataclass(frozen=True)
class Group:
    """Nodes [first, last) executed row by row; `through` are storages alive meanwhile that it does not touch."""

    first: int
    last: int
    stream: Stream
    through: tuple[str, ...]
    nbytes: int


@dataclass(frozen=True)
class Fusion:
    """Consecutive groups that cover the graph."""

    graph: ShapeGraph
    groups: tuple[Group, ...]

    @property
    def peak(self) -> int:
        """Bytes of the fullest group: a lower bound of the arena."""
        return max(group.nbytes for group in self.groups)

    @cached_property
    def problem(self) -> layout.Problem:
        """One time step per group; storages that live on keep their place."""
        lives: dict[str, tuple[int, int, int]] = {}
        for k, group in enumerate(self.groups):
            made = [(s, rows * self.graph[s].row_bytes) for s, rows in group.stream.rows.items()]
            held = [(s, self.graph[s].nbytes) for s in (*sorted(group.stream.outside), *group.through)]
            for name, size in made + held:
                first, _, most = lives.get(name, (k, k, size))
                lives[name] = (first, k, max(size, most))
        return layout.Problem(tuple(layout.Buffer(n, f, l + 1, size) for n, (f, l, size) in lives.items()))


class _Cuts:
    """Lives of storages over positions between nodes, and bounds on groups that are cheap to have."""

    def __init__(self, graph: ShapeGraph, strip: int) -> None:
        self.graph, self.strip = graph, strip
        self.nodes = graph.nodes
        self.root = roots(graph)
        self.first: dict[str, int] = {}
        self.last: dict[str, int] = {}
        for k, node in enumerate(self.nodes):
            self.first.setdefault(self.root[node.name], k)
            for name in (node.name, *node.inputs):
                self.last[self.root[name]] = k
        self.least = self._least_rows()

    def _least_rows(self) -> list[int]:
        """Per position, bytes that storages first made there need inside any group: what one reader's row reads."""
        need = dict.fromkeys(self.first, 1)
        for storage, users in readers(self.graph, self.root).items():
            for reader, name in users:
                source = self.graph[name]
                first, last = reader.rows(source.shape, reader.shape[0] // 2)
                need[storage] = max(need[storage], min(last - first, source.shape[0]))
        least = [0] * len(self.nodes)
        for storage, position in self.first.items():
            least[position] = need[storage] * self.graph[storage].row_bytes
        return least

    def crossing(self, position: int) -> list[str]:
        """Storages alive between nodes `position - 1` and `position`."""
        return [s for s, first in self.first.items() if first < position <= self.last[s]]

    def group(self, first: int, last: int) -> Group:
        nodes = self.nodes[first:last]
        inside = {node.name for node in nodes}
        leaving = [n.name for n in nodes if any(c.name not in inside for c in self.graph.consumers[n.name])]
        made = stream(self.graph, nodes, leaving, self.strip)
        touched = made.rows.keys() | made.outside
        through = tuple(s for s in self.crossing(first) if self.last[s] >= last and s not in touched)
        return Group(first, last, made, through, made.nbytes + sum(self.graph[s].nbytes for s in through))


def group_bytes(graph: ShapeGraph, first: int, last: int, strip: int = 1) -> int:
    """Bytes alive while nodes [first, last) run as one fused group of the graph."""
    return _Cuts(graph, strip).group(first, last).nbytes


def fuse(graph: ShapeGraph, strip: int = 1) -> Fusion:
    """Groups of least peak; among equal peaks, fewest groups."""
    cuts = _Cuts(graph, strip)
    count = len(graph.nodes)
    ceiling = min(cuts.group(0, count).nbytes, layerwise(graph).bound)
    edge = [sum(graph[s].nbytes for s in cuts.crossing(k)) if 0 < k < count else 0 for k in range(count + 1)]
    best: list[tuple[int, int, tuple[Group, ...]] | None] = [(0, 0, ())] + [None] * count
    for last in range(1, count + 1):
        if edge[last] > ceiling:
            continue
        for first in _starts(cuts, last, ceiling):
            before = best[first]
            if before is None or edge[first] > ceiling:
                continue
            group = cuts.group(first, last)
            candidate = (max(before[0], group.nbytes), before[1] + 1, (*before[2], group))
            now = best[last]
            if candidate[0] <= ceiling and (now is None or candidate[:2] < now[:2]):
                best[last] = candidate
    found = best[count]
    assert found is not None, "a single group is always within the ceiling, or layer-by-layer is"
    return Fusion(graph, found[2])


def _starts(cuts: _Cuts, last: int, ceiling: int) -> Iterator[int]:
    """First nodes of groups that end before `last` and whose row buffers alone do not exceed `ceiling`."""
    total = 0
    for first in range(last - 1, -1, -1):
        total += cuts.least[first]
        if total > ceiling:
            return
        yield first


def order_of(groups: Sequence[Group], nodes: Sequence[Node]) -> list[Node]:
    """Nodes in group order."""
    return [node for group in groups for node in nodes[group.first : group.last]]
