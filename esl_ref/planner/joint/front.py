# SPDX-License-Identifier: Apache-2.0
"""Front over group boundaries and strip heights, by dynamic programming on the order of tasks.

A plan's peak is the largest of its groups' peaks and its cycles are their sum, so the best plans for a prefix of
the tasks extend the best plans for shorter prefixes: the non-dominated pairs per prefix are all that needs keeping.
Where maps may be parked, prefixes are kept apart by whether what crosses their end is parked: all of it or nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

from esl_ref.compiler.schedule import Group
from esl_ref.planner.joint.price import GroupPrice, Pricer

__all__ = ["Candidate", "cheapest", "front", "modes"]

STRIPS = ((1, 0), (1, 1), (2, 0), (4, 0))
"""Strip heights and look-ahead that are tried for a group."""
PARKED = ((1, 0), (4, 0))
"""The same for groups beside which maps are parked: to hold few bytes is what those are for."""
HIGH = ((8, 0), (16, 0))
"""The same for every group where the external memory is slow: weights that do not stay are read once per strip."""
LONGEST = 16
"""Tasks of a group above which only single rows stream: higher strips through many layers hold more than they save."""
SMALL = 24
"""Segments of up to so many tasks may be cut before any task; longer ones where few bytes are alive."""
SHORT = 3
"""Groups of so many tasks may lie anywhere."""

NEAR = 1.002
"""Cycles within this factor are the same: what differs less is not looked for."""


@dataclass(frozen=True)
class Candidate:
    """A grouping of the tasks up to some task, with its price.

    cost is what is minimised: cycles and, weighed, traffic. lead: cycles that the bus is ahead of the engine at its
    end. parked: maps that are in external memory between groups.
    """

    peak: int
    cost: float
    cycles: int
    words: int
    lead: int
    group: Group | None = None
    before: Candidate | None = None
    parked: frozenset[str] = frozenset()

    @property
    def groups(self) -> tuple[Group, ...]:
        """All groups, in order."""
        found: list[Group] = []
        at: Candidate | None = self
        while at is not None and at.group is not None:
            found.append(at.group)
            at = at.before
        return tuple(reversed(found))

    def extended(
        self, price: GroupPrice, reach: int, word_cost: float, parked: frozenset[str] = frozenset()
    ) -> Candidate:
        """With one more group, around which maps are `parked`; `word_cost` in cycles per bus word of weights."""
        cycles = price.cycles(self.lead)
        lead = max(0, min(reach, self.lead + cycles - price.bus))
        return Candidate(
            max(self.peak, price.peak), self.cost + cycles + word_cost * price.words, self.cycles + cycles,
            self.words + price.words, lead, price.group, self, self.parked | parked,
        )  # fmt: skip


def modes(first: int, last: int, height: int, parks: bool = False, slow: bool = False) -> Iterator[Group]:
    """Ways to run tasks [first, last), whose highest map has `height` rows, as one group: by rows, if it `parks`; also
    in high strips, if the memory is `slow`."""
    if last - first == 1 and not parks:
        yield Group(first, last)
        if first == 0 and height > 1:  # the first task starts while the network input arrives
            yield Group(first, last, max(1, -(-height // 8)), 1)
    for strip, ahead in (PARKED if parks else STRIPS) + (HIGH if slow else ()):
        if strip < height and (last - first > 1 or first == 0 or parks) and (strip == 1 or last - first <= LONGEST):
            yield Group(first, last, strip, ahead)


def _worth(first: int, last: int, narrow: set[int], short: int) -> bool:
    return last - first <= short or (first in narrow and last in narrow)


def _prices(
    pricer: Pricer, first: int, last: int, fast: bool, parked: frozenset[str] = frozenset()
) -> Iterator[GroupPrice]:
    """Prices of the ways to run tasks [first, last) that are worth pricing: higher strips and look-ahead only hold
    more, unless single rows take longer than whole maps. `fast`: no such ways at all."""
    height = max(t.ofm.height for t in pricer.lowered.tasks[first:last])
    whole = sum(pricer.price(Group(i, i + 1)).warm for i in range(first, last))
    quick = fast
    for group in modes(first, last, height, bool(parked), pricer.slow):
        plain = (group.strip, group.ahead) == STRIPS[0]
        if quick and group.strip < height and not plain:
            continue
        price = pricer.price(group, parked)
        quick = quick or (plain and price.warm <= whole * NEAR)
        yield price


def _narrow(pricer: Pricer) -> set[int]:
    """Boundaries at which no fewer bytes are alive next to them: where long groups may begin and end."""
    count = len(pricer.lowered.tasks)
    if count <= SMALL:
        return set(range(count + 1))
    alive = [pricer.alive(b) for b in range(count + 1)]
    inner = {b for b in range(1, count) if alive[b] <= alive[b - 1] and alive[b] <= alive[b + 1]}
    return inner | {0, 1, count - 1, count}


def _prune(candidates: list[Candidate]) -> list[Candidate]:
    """Those that no other beats in both peak and cost, by rising peak."""
    kept: list[Candidate] = []
    for c in sorted(candidates, key=lambda c: (c.peak, c.cost, -c.lead)):
        if not kept or c.cost < kept[-1].cost:
            kept.append(c)
    return kept


@dataclass(frozen=True)
class _Ends:
    """How a group may begin and end: nothing is parked there, or all that crosses its first or last boundary is."""

    pricer: Pricer
    parking: bool

    def at(self, boundary: int) -> tuple[bool, ...]:
        """Whether what crosses a boundary is parked: the ways there are."""
        crossed = 0 < boundary < len(self.pricer.lowered.tasks)
        return (False, True) if self.parking and crossed and self.pricer.parkable(boundary) else (False,)

    def parked(self, first: int, into: bool, last: int, out: bool) -> frozenset[str] | None:
        """Maps parked around a group; None if one that crosses it would have to be on chip and parked."""
        before, after = self.pricer.crossing(first), self.pricer.crossing(last)
        if into != out and before & after:
            return None
        return (before if into else frozenset()) | (after if out else frozenset())


def front(
    pricer: Pricer, progress: Callable[[int, int], None] | None = None, byte_cost: float = 0.0,
    limit: int | None = None, hurried: Callable[[], bool] = lambda: False, parking: bool = False,
) -> list[Candidate]:  # fmt: skip
    """Plans that no other tried beats in both peak and cost, by rising peak.

    byte_cost: cycles that a byte of weights, or of parked maps, counts as besides those it takes. limit: highest peak.
    hurried: from when on only whole layers and single rows between narrow boundaries are tried. parking: maps between
    groups may be parked. Empty if nothing keeps the limit.
    """
    tasks, narrow, reach = pricer.lowered.tasks, _narrow(pricer), pricer.reach
    word_cost, ends = byte_cost * pricer.arch.axi_bytes, _Ends(pricer, parking)
    best: list[dict[bool, list[Candidate]]] = [{False: [Candidate(0, 0.0, 0, 0, 0)]}]
    for last in range(1, len(tasks) + 1):
        fast = hurried()
        found: dict[bool, list[Candidate]] = {out: [] for out in ends.at(last)}
        for first in (f for f in range(last) if _worth(f, last, narrow, 1 if fast else SHORT)):
            for (into, before), out in product(best[first].items(), found):
                parked = ends.parked(first, into, last, out)
                if not before or parked is None:
                    continue
                for price in _prices(pricer, first, last, fast, parked):
                    if limit is None or price.peak <= limit:
                        found[out] += [c.extended(price, reach, word_cost, parked) for c in before]
        best.append({out: _prune(candidates) for out, candidates in found.items()})
        if progress:
            progress(last, len(tasks))
    return _thinned(best[-1][False])


def cheapest(*fronts: list[Candidate]) -> list[Candidate]:
    """What is left of several fronts together."""
    return _thinned(_prune([candidate for found in fronts for candidate in found]))


def _thinned(candidates: list[Candidate]) -> list[Candidate]:
    """By rising peak, those that save cycles worth the name; the last one stays."""
    kept: list[Candidate] = []
    for c in candidates:
        if not kept or c.cost * NEAR < kept[-1].cost or c is candidates[-1]:
            kept.append(c)
    return kept
