# SPDX-License-Identifier: Apache-2.0
"""Row streaming of a fused group: how many rows each tensor must keep, found by playing the row schedule.

Rows are made on demand, one at a time and each exactly once: a row of a sink asks for the rows it reads, these ask for
theirs, and so on. A tensor's rolling buffer must hold everything between the oldest row that some reader still needs
and the newest row made. No row is made twice, so there is no recomputation, whatever the skew of the readers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from esl_ref.planner.methods.storage import readers, roots
from esl_ref.workloads.graph import Kind, Node, ShapeGraph

__all__ = ["Stream", "stream"]


@dataclass(frozen=True)
class Stream:
    """Rolling rows per storage of a group, and bytes of all its storages together.

    `rows` covers storages made in the group; those that leave it have all their rows. `outside` are the storages made
    before the group that it reads.
    """

    rows: Mapping[str, int]
    outside: frozenset[str]
    nbytes: int


class _Play:
    """State of the row schedule of one group: rows made per node, rows still needed per storage."""

    def __init__(self, graph: ShapeGraph, group: Sequence[Node], strip: int) -> None:
        self.graph, self.strip = graph, strip
        self.root = roots(graph)
        self.inside = {node.name for node in group}
        self.members: dict[str, list[Node]] = {}
        for node in group:
            self.members.setdefault(self.root[node.name], []).append(node)
        everyone = readers(graph, self.root)
        self.readers = {s: [(n, i) for n, i in everyone[s] if n.name in self.inside] for s in self.members}
        self.made = dict.fromkeys(self.inside, 0)
        self.height = dict.fromkeys(self.members, 0)

    def make(self, node: Node, until: int) -> None:
        """Make rows of `node` up to `until` (exclusive), in strips, with everything they read."""
        rows = node.shape[0]
        while self.made[node.name] < until:
            target = min(rows, (self.made[node.name] // self.strip + 1) * self.strip)
            for name in node.inputs:
                if name in self.inside:
                    source = self.graph[name]
                    # Within a strip the last row reaches furthest down.
                    self.make(source, node.rows(source.shape, target - 1)[1])
            self.made[node.name] = target
            self._measure(self.root[node.name], target)

    def _measure(self, storage: str, newest: int) -> None:
        """Rows alive right after rows up to `newest` were written, while everything they were made from is alive."""
        oldest = min((self._oldest(reader, name) for reader, name in self.readers[storage]), default=newest - self.strip)
        self.height[storage] = max(self.height[storage], newest - min(oldest, newest - 1))

    def _oldest(self, reader: Node, name: str) -> int:
        """First row of input `name` that `reader` has not finished with."""
        done = self.made[reader.name]
        source = self.graph[name]
        return source.shape[0] if done >= reader.shape[0] else reader.rows(source.shape, done)[0]


def stream(graph: ShapeGraph, group: Sequence[Node], leaving: Collection[str], strip: int = 1) -> Stream:
    """Rolling buffers of the nodes of `group` (consecutive in the graph), `strip` rows at a time.

    `leaving` are the nodes whose tensors are read after the group: kept whole. Network outputs that nobody reads leave
    the chip row by row.
    """
    play = _Play(graph, group, strip)
    sinks = [n for n in group if n.name in leaving or not any(c.name in play.inside for c in graph.consumers[n.name])]
    while pending := [n for n in sinks if play.made[n.name] < n.shape[0]]:
        # The sink that lags most, in its own rows, goes next: rows shared by sinks then need not wait long.
        sink = min(pending, key=lambda n: play.made[n.name] / n.shape[0])
        play.make(sink, play.made[sink.name] + 1)
    # A storage that other groups write or read has to be there as a whole.
    whole = {play.root[name] for name in leaving if name in play.inside}
    whole |= {s for node in graph.nodes if node.name not in play.inside and (s := play.root[node.name]) in play.members}
    rows = {s: graph[s].shape[0] if s in whole else play.height[s] for s in play.members}
    outside = {play.root[i] for node in group for i in node.inputs if i not in play.inside} - play.members.keys()
    nbytes = sum(count * graph[s].row_bytes for s, count in rows.items())
    return Stream(rows, frozenset(outside), nbytes + sum(graph[s].nbytes for s in outside))
