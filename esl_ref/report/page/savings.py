# SPDX-License-Identifier: Apache-2.0
"""What each decision of a plan saved: the plan worked out again without it, bytes and cycles beside each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from esl_ref.compiler.lower import Lowered
from esl_ref.compiler.model import Choice
from esl_ref.compiler.schedule import WHOLE, Group
from esl_ref.compiler.sizing import Sizing
from esl_ref.errors import PlanError
from esl_ref.ir import Graph
from esl_ref.planner.joint import Rated, Rater, whole_layers
from esl_ref.report.names import short_name

__all__ = ["Saving", "savings"]

LARGEST = 8
"""Streamed groups that are looked at one by one: the longest."""


@dataclass(frozen=True)
class Saving:
    """A decision, what there would be instead, and the costs with and without it."""

    decision: str
    instead: str
    chosen: Rated
    other: Rated

    @property
    def same(self) -> bool:
        """Whether the decision changes nothing."""
        a, b = self.chosen, self.other
        return (a.height, a.on_chip, a.cycles, a.traffic) == (b.height, b.on_chip, b.cycles, b.traffic)


def savings(graph: Graph, lowered: Lowered, sizing: Sizing, choice: Choice) -> list[Saving]:
    """Fusion as a whole and group by group, strip heights, weight residency, line buffers, partial sums, parking."""
    rater = Rater(graph, lowered, sizing)
    chosen = rater.rate(choice)
    found: list[Saving] = []

    def add(decision: str, instead: str, other: Choice, how: Rater = rater) -> None:
        try:
            found.append(Saving(decision, instead, chosen, how.rate(other)))
        except PlanError:  # what cannot be built was no alternative
            return

    if any(g.last - g.first > 1 for g in choice.groups):
        add("fusion", "every layer whole", replace(choice, groups=next(iter(whole_layers(lowered))).groups))
    for decision, instead, other in (*_groups(lowered, choice), *_strips(lowered, choice)):
        add(decision, instead, other)
    if choice.parked:
        add("parking in memory", "all maps stay on chip", replace(choice, parked=frozenset()))
    least, most = sizing.weight_span(chosen.height)
    if choice.weight_words is None and least < most:
        add(f"{most} words of weight SRAM", f"{least}, the fewest possible", replace(choice, weight_words=least))
    if choice.weight_words is None and sizing.sized is None:
        twice = replace(sizing, scratch=sizing.scratch + most * sizing.arch.word_bytes)
        add(f"no more than {most} words of weight SRAM", "up to twice as many", choice, Rater(graph, lowered, twice))
    for decision, instead, poor in _poorer(sizing):
        add(decision, instead, choice, Rater(graph, lowered, poor))
    return [s for s in found if not s.same]


def _named(lowered: Lowered, group: Group) -> str:
    ends = (lowered.tasks[group.first].op, lowered.tasks[group.last - 1].op)
    return " … ".join(dict.fromkeys(short_name(e) for e in ends))


def _streamed(choice: Choice) -> list[Group]:
    several = [g for g in choice.groups if g.last - g.first > 1]
    longest = sorted(several, key=lambda g: g.first - g.last)[:LARGEST]
    return [g for g in several if g in longest]


def _swapped(choice: Choice, old: Group, new: list[Group]) -> Choice:
    groups = [g for group in choice.groups for g in (new if group == old else [group])]
    return replace(choice, groups=tuple(groups))


def _groups(lowered: Lowered, choice: Choice) -> Iterator[tuple[str, str, Choice]]:
    streamed = _streamed(choice)
    for group in streamed if len(streamed) > 1 else []:
        alone = [Group(i, i + 1) for i in range(group.first, group.last)]
        name = f"{_named(lowered, group)}: {group.last - group.first} layers together"
        yield name, "each whole", _swapped(choice, group, alone)


def _strips(lowered: Lowered, choice: Choice) -> Iterator[tuple[str, str, Choice]]:
    for group in _streamed(choice):
        for strip in {1, 2 * group.strip} - {group.strip, 0}:
            if strip < WHOLE:
                other = _swapped(choice, group, [replace(group, strip=strip)])
                yield f"{_named(lowered, group)}: strips of {group.strip} row(s)", f"{strip} row(s)", other


def _poorer(sizing: Sizing) -> Iterator[tuple[str, str, Sizing]]:
    """Machines without one of the means that plans are made of."""
    if sizing.sized is None:
        arch = sizing.arch
        yield (
            "partial sums kept in accumulators",
            "long sums need all their rows at once",
            replace(sizing, arch=arch.with_depths(acc_words=2)),
        )
