# SPDX-License-Identifier: Apache-2.0
"""The joint search for one segment: whole layers, then the front of groups by price, then neighbours of the best.

The first two take as long as they take; neighbours are tried for the seconds that are left of the effort. What is tried
in what order depends on the seed alone, so that the same seed gives the same plan wherever time does not run out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from random import Random

from esl_ref.compiler.lower import Lowered
from esl_ref.compiler.model import Choice
from esl_ref.compiler.overlap import issue_cycles
from esl_ref.compiler.schedule import Compute, layerwise_groups
from esl_ref.compiler.sizing import Sizing
from esl_ref.errors import LimitError
from esl_ref.ir import Graph
from esl_ref.planner.joint.front import NEAR, Candidate, cheapest, front
from esl_ref.planner.joint.improve import FINENESSES, neighbour, roomier
from esl_ref.planner.joint.price import Pricer
from esl_ref.planner.joint.rate import Rated, Rater, undominated

__all__ = ["Effort", "Search", "whole_layers"]

STRIPS = (1, 4, 8, 16)
"""Into how many strips the first layer is cut, so that it may start before all of the network input is there."""
AHEAD = 2
"""Strips of the first layer whose rows may be on chip besides those it needs, so that their loads need not wait."""
TRUST = 1.12
"""Prices are within this factor of what the ESL machine predicts: what costs more than that cannot be the best."""
ROOM = 1.25
"""Layouts may be this much smaller than the peak that their price names."""
POLISH = 500
"""Plans that polishing may rate, divided by the number of tasks: each has about as many neighbours."""
TIMED = 30_000
"""Commands that may be timed for plans that are hardly better than the best so far, unless the effort has a time of its
own: networks of many rows have so many in one plan that few can be tried."""
BYTE_COSTS = (0.0, 0.125, 2.0)
"""Cycles that a byte of weights may count as besides those it takes: from nothing to hardly any weight twice."""


@dataclass(frozen=True)
class Effort:
    """How long to search and from which seed; `progress(what, done, of)` is called now and then. `slowest`: cycles
    beyond which nobody wants a plan, since a faster one is known."""

    seconds: float | None = None
    seed: int = 0
    progress: Callable[[str, int, int], None] = lambda what, done, of: None
    slowest: float | None = None


def whole_layers(lowered: Lowered) -> list[Choice]:
    """Whole layers one after the other, in the ways to cut the first layer, without and with room for more of its
    input."""
    cuts = [Choice(layerwise_groups(lowered, strips)) for strips in STRIPS]
    if not lowered.tasks:
        return cuts[:1]
    first = lowered.tasks[0]
    rows = [AHEAD * cut.groups[0].strip * first.stride[0] for cut in cuts[1:]]
    roomy = [replace(c, room=((first.ifm.storage.name, n),)) for c, n in zip(cuts[1:], rows, strict=True)]
    return [*cuts, *roomy]


class Search:
    """Rated plans of one segment, found within an effort."""

    def __init__(self, graph: Graph, lowered: Lowered, sizing: Sizing, effort: Effort) -> None:
        self.lowered, self.sizing, self.effort = lowered, sizing, effort
        self.rater = Rater(graph, lowered, sizing)
        self._pricers: dict[bool, Pricer] = {}
        self._begun = time.process_time()
        self._beyond: LimitError | None = None

    @property
    def rated(self) -> list[Rated]:
        """Everything rated so far."""
        return list(self.rater.known.values())

    def refuse(self) -> None:
        """Unless something was rated, LimitError says why nothing could be: what the last plan tried is beyond."""
        if self._beyond is not None and not self.rater.known:
            raise self._beyond

    def _rate(self, choice: Choice) -> Rated | None:
        """A choice rated; None if it is beyond what commands can hold."""
        try:
            return self.rater.rate(choice)
        except LimitError as error:
            self._beyond = error
            return None

    def _fits(self, choice: Choice, limit: int | None) -> bool:
        """Whether a choice keeps within `limit` bytes, or there is no other."""
        try:
            return limit is None or not self.lowered.tasks or self.rater.realised(choice).height <= limit
        except LimitError as error:
            self._beyond = error
            return False

    @property
    def seconds(self) -> float:
        """Of processor time since the search began: what is found must not depend on what else a machine does."""
        return time.process_time() - self._begun

    @cached_property
    def floor(self) -> int:
        """Issue slots of all tasks, each whole: no plan of these tasks takes fewer cycles. 0 if one cannot be whole."""
        whole = (Compute(task, 0, task.ofm.height, i) for i, task in enumerate(self.lowered.tasks))
        try:
            return sum(issue_cycles(step, self.sizing.planning()) for step in whole)
        except LimitError:
            return 0

    def settled(self, limit: int) -> bool:
        """Whether a plan within `limit` bytes is as fast as any can be."""
        return any(r.height <= limit and r.cycles <= NEAR * self.floor for r in self.rater.known.values())

    def late(self, share: float = 1.0) -> bool:
        """Whether this share of the effort's time is over; never without a limit."""
        return self.effort.seconds is not None and self.seconds > share * self.effort.seconds

    def whole(self, limit: int | None = None) -> list[Rated]:
        """Plans of whole layers, those that fit `limit` bytes: to time the others would take long and say nothing. A
        segment that computes nothing has no others.

        How finely weights are cut and how the first layer is have little to do with each other: one after the other.
        """
        found: list[Rated] = []
        for cut in whole_layers(self.lowered):
            if self._fits(cut, limit):
                ways = [min(found, key=lambda r: r.cycles).choice.fineness] if found else FINENESSES
                found += filter(None, [self._rate(replace(cut, fineness=fineness)) for fineness in ways])
        return found

    def stream(self, limit: int | None = None, byte_cost: float = 0.0, slowest: float | None = None) -> None:
        """Rate the front of groups, of those plans only that may fit `limit` bytes and be the fastest to do so, or take
        no more than `slowest` cycles."""
        if not self.lowered.tasks:
            return
        found = cheapest(*(self._front(parking, limit, byte_cost) for parking in (False, True)))
        found = [c for c in found if slowest is None or c.cost <= TRUST * slowest]
        best, left = None, len(found)
        for done, candidate in enumerate(sorted(found, key=lambda c: c.cost) if limit is not None else found):
            answered = done > 0 if limit is None else best is not None
            if (best is not None and candidate.cost > TRUST * best) or (answered and (left == 0 or self.late())):
                break
            rated = self._rate(Choice(candidate.groups, parked=candidate.parked))
            self.effort.progress("timing plans on the ESL machine", done + 1, len(found))
            if rated is None:
                continue
            if limit is not None and rated.height <= limit:
                left = left - 1 if best else min(left, self._few(rated))
                best = min(best or rated.cycles, rated.cycles)
                if self.settled(limit):
                    break

    def _few(self, plan: Rated) -> int:
        """How many more plans like this one are worth timing; as many as there is time for, if that is limited."""
        return max(4, TIMED // plan.commands) if self.effort.seconds is None else POLISH

    def _front(self, parking: bool, limit: int | None, byte_cost: float) -> list[Candidate]:
        """The front by price, with all maps on chip or with those parked for which it pays."""
        spread = parking and self._in_place
        if spread not in self._pricers:
            lowered = self.lowered.spread if spread else self.lowered
            self._pricers[spread] = Pricer(lowered, self.sizing.planning(), self.sizing.memory)
        room = None if limit is None else int(limit * ROOM)
        label = f"pricing groups of {len(self.lowered.tasks)} tasks" + (", maps parked" if parking else "")
        return front(self._pricers[spread], lambda done, of: self.effort.progress(label, done, of), byte_cost, room,
                     self._hurried, parking)  # fmt: skip

    @cached_property
    def _in_place(self) -> bool:
        """Whether any result is written over an operand, so that to park maps means to lower the network otherwise."""
        here, spread = ([task.views for task in low.tasks] for low in (self.lowered, self.lowered.spread))
        return here != spread

    def _hurried(self) -> bool:
        return self.late(0.5)

    def thrifty(self) -> None:
        """The plans of the front again with less weight SRAM: fewer bytes on chip for more traffic."""
        for plan in undominated(self.rated):
            least, most = self.sizing.weight_span(plan.height)
            for words in {least, (least + most) // 2} - {most}:
                if not self.late():
                    self._rate(replace(plan.choice, weight_words=words))

    def polish(self, plan: Rated, cost: Callable[[Rated], tuple[float, ...]]) -> Rated:
        """`plan` with the weights cut otherwise and a row more in some buffers, as long as `cost` falls and the engine
        waits: that is all that these moves can shorten."""
        left = min(max(8, POLISH // len(self.lowered.tasks)), self._few(plan))
        moves = [*self._moves()]
        while left > 0 and plan.cycles > NEAR * plan.busy and not self.late():
            found = plan
            for move in moves:
                other = move(plan.choice)
                if left <= 0 or other is None:
                    continue
                left -= other not in self.rater.known
                self.effort.progress("polishing the plan", POLISH // len(self.lowered.tasks) - left, left)
                rated = self._rate(other)
                found = found if rated is None else min(found, rated, key=cost)
            if found is plan:
                break
            plan = found
        return plan

    def _moves(self) -> Iterator[Callable[[Choice], Choice | None]]:
        """Small changes: how finely weights are cut; a row more for a buffer, those of early tasks first."""
        for fineness in (16, 4):
            yield lambda choice, f=fineness: None if choice.fineness == f else replace(choice, fineness=f)  # type: ignore[misc]
        for name in dict.fromkeys(task.ofm.storage.name for task in self.lowered.tasks):
            yield lambda choice, name=name: roomier(choice, self.lowered, name)  # type: ignore[misc]

    def improve(self, better: Callable[[Rated], tuple[float, ...]] | None) -> None:
        """Try neighbours of the best plans by `better` (of any on the front, if None) until the time is over."""
        random, pool = Random(self.effort.seed), undominated(self.rated)
        if self.effort.seconds is None or not self.lowered.tasks:
            return
        while not self.late():
            ranked = sorted(pool, key=better)[:3] if better else pool
            tried = neighbour(random.choice(ranked).choice, self.lowered, random)
            self.effort.progress("trying neighbours", int(self.seconds), int(self.effort.seconds))
            if tried not in self.rater.known and (rated := self._rate(tried)):
                pool = undominated([*pool, rated])
