# SPDX-License-Identifier: Apache-2.0
"""Offsets for buffers: heuristics first, then exact search at the liveness bound, then anytime minimisation.

Without a capacity the search ends at a proved optimum or when the time is used up; with one it ends at the first
layout that fits. The best layout so far is returned with its bound either way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count

from esl_ref.errors import BudgetError, InputError
from esl_ref.layout import bands, heuristics
from esl_ref.layout.heuristics import Offsets
from esl_ref.layout.problem import Layout, Problem
from esl_ref.layout.sections import Sections, sections

__all__ = ["solve"]

# Orders that differ most in what they find; tried in turn with growing patience, as restarts are cheap.
_PORTFOLIO = ("span", "pressure", "cover", "area")
_FIRST_CONFLICTS = 150
_MANY, _TURNS = 1000, 2
_LARGEST = 1 << 62
"""Areas beyond this are not for CP-SAT, which reckons with 64 bits."""

Progress = Callable[[str, int], None]


def solve(problem: Problem, time_limit: float = 60.0, seed: int = 0, progress: Progress | None = None) -> Layout:
    """The lowest layout found within `time_limit` seconds; the same seed and enough time give the same offsets.

    `progress(stage, height)` is called whenever the best height or the stage changes. BudgetError if the problem has a
    capacity and no layout within it was found.
    """
    if time_limit <= 0:
        raise InputError(f"time limit {time_limit} s", hint="give a positive number of seconds")
    search = _Search(problem, time.monotonic() + time_limit, seed, progress or (lambda stage, height: None))
    search.run()
    if problem.capacity is not None and search.height > problem.capacity:
        known = "proved impossible" if search.low > problem.capacity else f"none found in {time_limit:g} s"
        raise BudgetError(
            f"no layout within {problem.capacity} bytes ({known}); the best needs {search.height}",
            hint=f"liveness bound {problem.bound}; allow more bytes or more time",
        )
    return Layout(search.offsets, search.height, problem.bound, search.low >= search.height)


class _Search:
    """Best offsets so far and the proven bound, both in bytes; stages improve them."""

    def __init__(self, problem: Problem, deadline: float, seed: int, progress: Progress) -> None:
        self.problem, self.deadline, self.seed, self.progress = problem, deadline, seed, progress
        self.reduced: Sections = sections(problem)
        self.low = problem.bound
        self.target = problem.bound if problem.capacity is None else problem.capacity
        self.bands = bands.joined(self.reduced, self.target // self.reduced.grain)
        # Bands of blocks that only look as if they belonged together make a problem harder: there must be a gain.
        fewer = 3 * len(self.bands.problem.blocks) <= 2 * len(self.reduced.blocks)
        self.banded = self.bands.problem if fewer else None
        self.offsets: Offsets = {b.id: 0 for b in problem.buffers}
        self.height = sum(b.size + b.align for b in problem.buffers) + 1

    @property
    def grain(self) -> int:
        return self.reduced.grain

    @property
    def left(self) -> float:
        return self.deadline - time.monotonic()

    def done(self) -> bool:
        return self.height <= max(self.target, self.low) or self.left <= 0

    def accept(self, stage: str, found: Offsets) -> None:
        height = heuristics.height(self.reduced, found) * self.grain
        if height < self.height:
            self.height = height
            self.offsets.update({name: offset * self.grain for name, offset in found.items()})
            self.progress(stage, height)

    def run(self) -> None:
        for stage in self.stages():
            if self.done():
                return
            stage()

    def stages(self) -> Iterator[Callable[[], None]]:
        """What to try, the cheapest first. Constructions take the square of the number of blocks: of very many, bands
        are also searched before."""
        given, banded = (self.reduced,), () if self.banded is None else (self.banded,)
        many = len(self.reduced.blocks) > _MANY
        if not many:
            yield lambda: self.construct(given)
        yield lambda: self.construct(banded)
        if many:
            yield lambda: self.decide(banded, _TURNS)
            yield lambda: self.construct(given)
        if self.height // self.grain < _LARGEST // max(self.reduced.count, 1):
            yield lambda: self.decide((*banded, *given))
            yield self.minimise

    def construct(self, problems: Sequence[Sections]) -> None:
        for problem in problems:
            for found in heuristics.constructions(problem):
                self.accept("heuristics", self.as_given(problem, found))
                if self.done():
                    return

    def decide(self, problems: Sequence[Sections], turns: int | None = None) -> None:
        """Exact search for the target with the portfolio; half of the time stays for `minimise`, if that has a say."""
        from esl_ref.layout import exact  # CP-SAT takes a second to load, and most problems never need it

        self.progress("exact search", self.height)
        share = self.left if self.problem.capacity is not None else self.left / 2
        until = time.monotonic() + share
        open_ones = list(problems)
        for order, conflicts in _slices(turns):
            for problem in tuple(open_ones):
                seconds = min(self.left, until - time.monotonic())
                if seconds <= 0:
                    return
                answer = exact.decide(problem, self.target // self.grain, order, conflicts, seconds, self.seed)
                if answer.verdict is exact.Verdict.FOUND and answer.offsets is not None:
                    self.accept("exact search", self.as_given(problem, answer.offsets))
                    return
                if answer.verdict is exact.Verdict.IMPOSSIBLE:
                    open_ones.remove(problem)  # of bands that proves nothing
                    if problem is self.reduced:
                        self.low = max(self.low, (self.target // self.grain + 1) * self.grain)
                        return

    def as_given(self, problem: Sections, found: Offsets) -> Offsets:
        """Offsets of the given blocks, if those of bands were found."""
        return self.bands.expanded(found) if problem is self.banded else found

    def minimise(self) -> None:
        """Anytime search between the proven bound and the best height."""
        from esl_ref.layout import exact

        self.progress("minimisation", self.height)
        start = {b.id: self.offsets[b.id] // self.grain for b in self.reduced.blocks}
        low, high = -(-self.low // self.grain), self.height // self.grain
        answer = exact.minimise(self.reduced, low, start, high, self.left, self.seed)
        if answer.offsets is not None:
            self.accept("minimisation", answer.offsets)
        self.low = max(self.low, answer.bound * self.grain)


def _slices(turns: int | None) -> Iterator[tuple[str, int]]:
    for turn in count() if turns is None else range(turns):
        for order in _PORTFOLIO:
            yield order, _FIRST_CONFLICTS << turn
