# SPDX-License-Identifier: Apache-2.0
"""Row streaming of a fused group: the schedule of rows, found by playing it.

Rows are made on demand, a strip at a time and each exactly once: a row of a sink asks for the rows it reads, these ask
for theirs, and so on. No row is made twice, so there is no recomputation, whatever the skew of the readers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from esl_ref.workloads.graph import Node, ShapeGraph

__all__ = ["Schedule", "schedule"]

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Schedule:
    """Event k: node number `nodes[k]` of the graph has now made its rows below `targets[k]`."""

    nodes: Ints
    targets: Ints

    def since(self, first: int) -> Schedule:
        """The events of nodes numbered `first` and up: still in an order that respects every dependency."""
        keep = self.nodes >= first
        return Schedule(self.nodes[keep], self.targets[keep])


class _Play:
    """State of the row schedule of one group: rows made per node."""

    def __init__(self, graph: ShapeGraph, first: int, last: int, strip: int) -> None:
        self.strip = strip
        number = {node.name: k for k, node in enumerate(graph.nodes)}
        self.group = graph.nodes[first:last]
        self.index = {node.name: number[node.name] for node in self.group}
        depth = _depths(self.group)
        # Per node: (source node, its rows needed for each target) of inputs made in the group. Short branches go first:
        # they let go of the rows they share before a deep branch asks for more of them.
        self.needs: dict[str, list[tuple[Node, list[int]]]] = {
            node.name: [
                (graph[name], [0] + [node.rows(graph[name].shape, y)[1] for y in range(node.shape[0])])
                for name in sorted(dict.fromkeys(node.inputs), key=lambda name: depth.get(name, 0))
                if name in self.index
            ]
            for node in self.group
        }
        self.made = dict.fromkeys(self.index, 0)
        self.events: list[tuple[int, int]] = []

    def make(self, node: Node, until: int) -> None:
        """Make rows of `node` up to `until` (exclusive), in strips, with everything they read."""
        name, rows = node.name, node.shape[0]
        while self.made[name] < until:
            target = min(rows, (self.made[name] // self.strip + 1) * self.strip)
            for source, needed in self.needs[name]:
                if self.made[source.name] < needed[target]:
                    self.make(source, needed[target])
            self.made[name] = target
            self.events.append((self.index[name], target))


def schedule(graph: ShapeGraph, first: int, last: int, strip: int = 1) -> Schedule:
    """Order of rows of nodes [first, last) of `graph`, `strip` rows at a time."""
    play = _Play(graph, first, last, strip)
    sinks = _sinks(graph, play.group)
    while pending := [n for n in sinks if play.made[n.name] < n.shape[0]]:
        # The sink that lags most, in its own rows, goes next: rows shared by sinks then need not wait long.
        sink = min(pending, key=lambda n: play.made[n.name] / n.shape[0])
        play.make(sink, play.made[sink.name] + 1)
    events = np.array(play.events, np.int64).reshape(-1, 2)
    return Schedule(events[:, 0], events[:, 1])


def _depths(group: Sequence[Node]) -> dict[str, int]:
    """Most layers with a window of several rows on any way into a node."""
    depth: dict[str, int] = {}
    for node in group:
        depth[node.name] = max((depth.get(name, 0) for name in node.inputs), default=0) + (node.kernel[0] > 1)
    return depth


def _sinks(graph: ShapeGraph, group: Sequence[Node]) -> list[Node]:
    """Nodes of the group that something outside reads, or nobody."""
    inside = {node.name for node in group}
    return [
        n for n in group if not all(c.name in inside for c in graph.consumers[n.name]) or not graph.consumers[n.name]
    ]
