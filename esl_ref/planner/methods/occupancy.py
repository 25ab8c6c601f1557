# SPDX-License-Identifier: Apache-2.0
"""Which bytes of every storage are alive while a group's row schedule runs, and what that allows to overlap.

A storage made and used up in its group is a ring of as many rows as are ever alive together; others have all their
rows. Until a ring wraps it fills like a whole tensor, and a tensor being read empties from its first row: so two
storages may share addresses if the rows of one are always written where those of the other have died. `apart` says how
far apart their starts must be in either order; for two rectangles that would be their sizes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from esl_ref.planner.methods.rows import Schedule
from esl_ref.planner.methods.storage import readers, roots
from esl_ref.workloads.graph import ALIASES, Kind, Node, ShapeGraph

__all__ = ["Context", "Occupancy", "occupancy"]

Ints = npt.NDArray[np.int64]
NEVER = -(1 << 60)
"""Distance of two storages that are never alive together."""


class Context:
    """What stays the same for all groups of one graph: storages, members, readers, lives over positions.

    With `ends`, network inputs are on chip as a whole from the start, and outputs until the end.
    """

    def __init__(self, graph: ShapeGraph, in_place: bool = True, ends: bool = False) -> None:
        self.graph = graph
        self.root = roots(graph, in_place)
        self.number = {node.name: k for k, node in enumerate(graph.nodes)}
        self.members: dict[str, list[Node]] = {}
        for node in graph.nodes:
            if node.kind not in ALIASES:
                self.members.setdefault(self.root[node.name], []).append(node)
        self.readers = readers(graph, self.root)
        self.first = {s: min(self.number[n.name] for n in nodes) for s, nodes in self.members.items()}
        self.last = {s: max(self.number[n.name] for n in nodes) for s, nodes in self.members.items()}
        for storage, users in self.readers.items():
            self.last[storage] = max([self.last[storage], *(self.number[n.name] for n, _ in users)])
        if ends:
            self.first |= {n.name: -1 for n in graph.nodes if n.kind is Kind.INPUT}
            self.last |= {self.root[name]: len(graph.nodes) for name in graph.outputs}
        self._tables: dict[tuple[str, str], Ints] = {}

    def crossing(self, position: int) -> list[str]:
        """Storages alive between nodes `position - 1` and `position`."""
        return [s for s, first in self.first.items() if first < position <= self.last[s]]

    def oldest(self, reader: Node, name: str) -> Ints:
        """By rows that `reader` has made: first row of input `name` it has not finished with."""
        if (reader.name, name) not in self._tables:
            source = self.graph[name]
            table = [reader.rows(source.shape, done)[0] for done in range(reader.shape[0])]
            if source.kind in ALIASES:  # rows of another shape: everything stays until the reader is done
                source, table = self.graph[self.root[name]], [0] * len(table)
            self._tables[reader.name, name] = np.array([*table, source.shape[0]], np.int64)
        return self._tables[reader.name, name]


@dataclass(frozen=True)
class Occupancy:
    """Live byte ranges [low, high) per storage (rows of the arrays) and event (columns), relative to its start."""

    names: tuple[str, ...]
    rows: tuple[int, ...]
    sizes: tuple[int, ...]
    low: Ints
    high: Ints

    @property
    def bound(self) -> int:
        """Most bytes alive at one event."""
        return int((self.high - self.low).sum(axis=0).max(initial=0))

    def at_peak(self) -> tuple[tuple[str, int], ...]:
        """(storage, bytes) alive when most are."""
        alive = self.high - self.low
        if not alive.size:
            return ()
        event = int(alive.sum(axis=0).argmax())
        return tuple((name, int(held[event])) for name, held in zip(self.names, alive, strict=True) if held[event])

    @cached_property
    def apart(self) -> Mapping[tuple[str, str], int]:
        """(a, b) -> least distance of a's start above b's start if a is put above b, for pairs ever alive together."""
        found: dict[tuple[str, str], int] = {}
        alive = self.high > self.low
        floor = np.where(alive, self.low, -NEVER)
        top = np.where(alive, self.high, NEVER)
        for k, a in enumerate(self.names):
            distance = (top - floor[k]).max(axis=1, initial=NEVER)
            for j, b in enumerate(self.names):
                if j != k and distance[j] > NEVER // 2:
                    found[a, b] = int(distance[j])
        return found


def occupancy(context: Context, plan: Schedule, first: int, last: int) -> Occupancy:
    """Storages alive while nodes [first, last) run by `plan`, whose events are exactly theirs."""
    made = _progress(context, plan, first, last)
    names, rows, lows, highs = [], [], [], []
    for storage in context.first:
        if context.first[storage] >= last or context.last[storage] < first:
            continue
        newest, oldest = _alive(context, storage, made, first, last, len(plan.nodes))
        count = int((newest - oldest).max(initial=0))
        wrapped = newest > count
        live = newest > oldest
        names.append(storage)
        rows.append(count)
        lows.append(np.where(wrapped | ~live, 0, oldest) * context.graph[storage].row_bytes)
        highs.append(np.where(live, np.where(wrapped, count, newest), 0) * context.graph[storage].row_bytes)
    sizes = tuple(c * context.graph[s].row_bytes for s, c in zip(names, rows, strict=True))
    return Occupancy(tuple(names), tuple(rows), sizes, np.array(lows), np.array(highs))


def _progress(context: Context, plan: Schedule, first: int, last: int) -> dict[str, Ints]:
    """Rows made per node of the group, before each event and, one column further, after it."""
    made = {}
    for k in range(first, last):
        steps = np.zeros(len(plan.nodes) + 1, np.int64)
        events = np.flatnonzero(plan.nodes == k)
        steps[events + 1] = plan.targets[events]
        made[context.graph.nodes[k].name] = np.maximum.accumulate(steps)
    return made


def _alive(context: Context, storage: str, made: Mapping[str, Ints], first: int, last: int,
           events: int) -> tuple[Ints, Ints]:  # fmt: skip
    """Rows [oldest, newest) of a storage alive during each event, what is read and written by it included."""
    total = context.graph[storage].shape[0]
    members = [made[n.name] for n in context.members[storage] if n.name in made]
    if context.first[storage] < first:
        newest = np.full(events, total, np.int64)
    else:
        newest = np.max([m[1:] for m in members], axis=0)
    if context.last[storage] >= last:
        return newest, np.zeros(events, np.int64)
    needs = [context.oldest(n, i)[made[n.name][:-1]] for n, i in context.readers[storage] if n.name in made]
    # What is written in place (a concatenation's parts) stays until the node that owns the bytes has made that row;
    # without readers it leaves the chip then.
    needs.append(made[storage][:-1] if storage in made else newest)
    return newest, np.minimum(np.min(needs, axis=0), newest)
