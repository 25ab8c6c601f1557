# SPDX-License-Identifier: Apache-2.0
"""Fused groups: where to cut a network so that row streaming keeps the fewest bytes on chip.

Between groups tensors are whole, inside a group they are rolling row buffers. The largest group decides the arena, so
the cuts are a shortest path whose length is the maximum of its edges, for the given order of nodes. Storages then get
addresses that hold over all groups they live in.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from esl_ref.layout import staircase
from esl_ref.layout.staircase import Staircase
from esl_ref.planner.methods.occupancy import Context, Occupancy, occupancy
from esl_ref.planner.methods.rows import Schedule, schedule
from esl_ref.workloads.graph import ShapeGraph

__all__ = ["Cuts", "Fusion", "Group", "fuse"]


# Searches are limited by counts, so that a plan does not depend on the machine's speed; the clock only ends excesses.
_TRIALS, _EXACT_TRIALS, _EFFORT = 300, 40, 12.0
_CLOSE = 1.01
"""Within this factor of the liveness bound the search ends."""


@dataclass(frozen=True)
class Group:
    """Nodes [first, last) executed row by row in the order of `plan`; `nbytes` if it had the arena for itself."""

    first: int
    last: int
    plan: Schedule
    state: Occupancy
    nbytes: int


@dataclass(frozen=True)
class Fusion:
    """Groups that cover the graph, and for every storage its address and its rows (all, or those of its ring)."""

    graph: ShapeGraph
    groups: tuple[Group, ...]
    address: Mapping[str, int]
    rows: Mapping[str, int]
    height: int

    @property
    def edges(self) -> tuple[int, ...]:
        """Node positions at which groups begin and end."""
        return (0, *(group.last for group in self.groups))

    @property
    def bound(self) -> int:
        """Most bytes alive at any event of this schedule."""
        return max(group.state.bound for group in self.groups)


class Cuts:
    """Groups of one graph, each evaluated once."""

    def __init__(self, graph: ShapeGraph, strip: int, most_weights: int | None = None, ends: bool = False) -> None:
        self.graph, self.strip, self.most_weights = graph, strip, most_weights
        self.context = Context(graph, ends=ends)
        self.least = self._least_rows()
        self._plans: dict[int, Schedule] = {}
        self._groups: dict[tuple[int, int], Group] = {}

    def _least_rows(self) -> list[int]:
        """Per position, bytes that storages first made there need in any group: what one row of a reader reads."""
        least = [0] * len(self.graph.nodes)
        for storage, users in self.context.readers.items():
            need = 1
            for reader, name in users:
                first, last = reader.rows(self.graph[name].shape, reader.shape[0] // 2)
                need = max(need, last - first)
            least[max(0, self.context.first[storage])] = need * self.graph[storage].row_bytes
        return least

    def allowed(self, first: int, last: int) -> bool:
        """Whether the weights of a group of several nodes keep within what may be resident."""
        if self.most_weights is None or last - first == 1:
            return True
        return sum(node.weight_bytes for node in self.graph.nodes[first:last]) <= self.most_weights

    def narrow(self) -> frozenset[int]:
        """Positions that a single storage crosses."""
        count = len(self.graph.nodes)
        return frozenset(k for k in range(1, count) if len(self.context.crossing(k)) == 1) | {count}

    def edge(self, position: int) -> int:
        """Bytes of whole tensors between two groups."""
        return sum(self.graph[s].nbytes for s in self.context.crossing(position))

    def state(self, first: int, last: int) -> tuple[Schedule, Occupancy]:
        """The row schedule of nodes [first, last) and the bytes that it keeps alive."""
        if last not in self._plans:
            self._plans[last] = schedule(self.graph, 0, last, self.strip)
        plan = self._plans[last].since(first)
        return plan, occupancy(self.context, plan, first, last)

    def group(self, first: int, last: int, ceiling: int | None = None) -> Group | None:
        """The group [first, last), or None if more than `ceiling` bytes are alive in it."""
        if (first, last) not in self._groups:
            plan, state = self.state(first, last)
            if ceiling is not None and state.bound > ceiling:
                return None
            problem = Staircase(dict(zip(state.names, state.sizes, strict=True)), state.apart, state.bound)
            _, height = staircase.solve(problem, 1.0, tries=0)
            self._groups[first, last] = Group(first, last, plan, state, height)
        return self._groups[first, last]

    def fusion(self, edges: tuple[int, ...], seconds: float, seed: int, tries: int, effort: float = 0.0) -> Fusion:
        """Groups between consecutive `edges` (0 and the number of nodes included), with addresses."""
        groups = tuple(g for a, b in pairwise(edges) if (g := self.group(a, b)))
        problem, rows = _joined(groups)
        offsets, height = staircase.solve(problem, seconds, seed, tries, effort=effort)
        return Fusion(self.graph, groups, offsets, rows, height)


@lru_cache(maxsize=4)
def fuse(graph: ShapeGraph, strip: int = 1, time_limit: float = 60.0, seed: int = 0,
         most_weights: int | None = None, ends: bool = False) -> Fusion:  # fmt: skip
    """Groups of least height found in `time_limit` seconds, beginning with the best cuts for groups by themselves.

    With `most_weights`, groups of several nodes have no more bytes of weights than that; with `ends`, the network's
    inputs and outputs are on chip as a whole instead of being streamed. The last few answers are kept: methods that are
    compared begin with the same groups, and must not differ by how much time a busy machine gave each.
    """
    cuts = Cuts(graph, strip, most_weights, ends)
    until = time.monotonic() + time_limit
    # Where several tensors cross a cut, addresses get hard to agree on: cuts that only one crosses are a second start.
    starts = [_least_groups(cuts, until, positions) for positions in (cuts.narrow(), None)]
    found = [cuts.fusion(edges, 5.0, seed, 200) for edges in dict.fromkeys(starts)]
    # Nothing beats the start whose largest group is least, and little is to be gained near the liveness bound.
    goal = min(max(max(group.nbytes for group in f.groups), _CLOSE * f.bound) for f in found)
    found.append(_climb(cuts, _lowest(found), goal, until, seed, _TRIALS))
    # Then addresses by exact search, for the best cuts and for the starts, which it may well prefer.
    for candidate in sorted(found, key=lambda f: f.height):
        if _lowest(found).height > goal and time.monotonic() < until:
            left = max(0.1, until - time.monotonic())
            found.append(cuts.fusion(candidate.edges, left, seed, 50, _EFFORT))
    return _climb(cuts, _lowest(found), goal, until, seed, _EXACT_TRIALS, _EFFORT / 10)


def _lowest(found: list[Fusion]) -> Fusion:
    return min(found, key=lambda fusion: fusion.height)


def _least_groups(cuts: Cuts, until: float, positions: frozenset[int] | None) -> tuple[int, ...]:
    """Edges at `positions` (None: anywhere) of groups whose largest is least; among equals, fewest groups.

    After `until`, any that are found.
    """
    count = len(cuts.graph.nodes)
    singles = max(g.nbytes for k in range(count) if (g := cuts.group(k, k + 1)))
    ceiling, every = singles, (singles, count, tuple(range(count + 1)))
    best: list[tuple[int, int, tuple[int, ...]] | None] = [(0, 0, (0,))] + [None] * count
    if cuts.allowed(0, count) and (whole := cuts.group(0, count, ceiling)) and whole.nbytes <= ceiling:
        ceiling, best[count] = whole.nbytes, (whole.nbytes, 1, (0, count))
    edge = [cuts.edge(k) if 0 < k < count else 0 for k in range(count + 1)]
    for last in range(1, count + 1):
        if edge[last] > ceiling or (positions is not None and last not in positions):
            continue
        for first in _starts(cuts, last, ceiling):
            before, now = best[first], best[last]
            if before is None or (now is not None and now[0] <= before[0]) or not cuts.allowed(first, last):
                continue
            if now is not None and time.monotonic() > until:
                break
            group = cuts.group(first, last, ceiling if now is None else min(now[0], ceiling))
            if group is None or group.nbytes > ceiling:
                continue
            candidate = (max(before[0], group.nbytes), before[1] + 1, (*before[2], last))
            if now is None or candidate[:2] < now[:2]:
                best[last] = candidate
    return (best[count] or every)[2]


def _climb(cuts: Cuts, best: Fusion, goal: float, until: float, seed: int, trials: int,
           effort: float = 0.0) -> Fusion:  # fmt: skip
    """Addresses must hold over all groups; where that costs bytes, other cuts may cost less. Up to `trials` layouts."""
    again = True
    while again:
        again = False
        for edges in _neighbours(best.edges, len(cuts.graph.nodes)):
            if trials == 0 or best.height <= goal or time.monotonic() > until:
                return best
            if not all(cuts.allowed(a, b) for a, b in pairwise(edges)):
                continue
            # Only the largest of a trial's groups can rule it out without laying it out.
            groups = [cuts.group(a, b, best.height) for a, b in pairwise(edges)]
            if any(group is None or group.nbytes >= best.height for group in groups):
                continue
            found, trials = cuts.fusion(edges, 5.0, seed, 60, effort), trials - 1
            if found.height < best.height:
                best, again = found, True
                break
    return best


def _neighbours(edges: tuple[int, ...], count: int) -> Iterator[tuple[int, ...]]:
    """Edge sets with one inner cut removed, moved or added."""
    inner = edges[1:-1]
    for k in range(len(inner)):
        yield (0, *inner[:k], *inner[k + 1 :], count)
    for k in range(len(inner)):
        for position in (inner[k] + d for d in (-1, 1, -2, 2, -3, 3)):
            if 0 < position < count and position not in inner:
                yield (0, *sorted({*inner[:k], *inner[k + 1 :], position}), count)
    for position in range(1, count):
        if position not in inner:
            yield (0, *sorted((*inner, position)), count)


def _starts(cuts: Cuts, last: int, ceiling: int) -> Iterator[int]:
    """First nodes of groups that end before `last` and whose row buffers alone do not exceed `ceiling`."""
    total = 0
    for first in range(last - 1, -1, -1):
        total += cuts.least[first]
        if total > 2 * ceiling:  # rings may share bytes, but never half of them
            return
        yield first


def _joined(groups: tuple[Group, ...]) -> tuple[Staircase, dict[str, int]]:
    """Addresses have to hold in all groups: distances and rings are the largest that any group asks for."""
    sizes: dict[str, int] = {}
    rows: dict[str, int] = {}
    apart: dict[tuple[str, str], int] = {}
    for group in groups:
        for name, size, count in zip(group.state.names, group.state.sizes, group.state.rows, strict=True):
            sizes[name] = max(size, sizes.get(name, 0))
            rows[name] = max(count, rows.get(name, 0))
        for pair, distance in group.state.apart.items():
            apart[pair] = max(distance, apart.get(pair, distance))
    return Staircase(sizes, apart, max(group.state.bound for group in groups)), rows
