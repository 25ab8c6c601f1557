# SPDX-License-Identifier: Apache-2.0
"""Offsets for buffers: heuristics first, then exact search at the liveness bound, then anytime minimisation.

Without a capacity the search ends at a proved optimum or when the time is used up; with one it ends at the first
layout that fits. The best layout so far is returned with its bound either way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import count

from esl_ref.errors import BudgetError, InputError
from esl_ref.planner.layout import heuristics
from esl_ref.planner.layout.heuristics import Offsets
from esl_ref.planner.layout.problem import Layout, Problem
from esl_ref.planner.layout.sections import Sections, sections

__all__ = ["solve"]

# Orders that differ most in what they find; tried in turn with growing patience, as restarts are cheap.
_PORTFOLIO = ("span", "pressure", "cover", "area")
_FIRST_CONFLICTS = 150

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
        for found in heuristics.constructions(self.reduced):
            self.accept("heuristics", found)
            if self.done():
                return
        self.decide()
        if not self.done():
            self.minimise()

    def decide(self) -> None:
        """Exact search for the target with the portfolio; half of the time stays for `minimise`, if that has a say."""
        from esl_ref.planner.layout import exact  # CP-SAT takes a second to load, and most problems never need it

        self.progress("exact search", self.height)
        share = self.left if self.problem.capacity is not None else self.left / 2
        until = time.monotonic() + share
        for order, conflicts in _slices():
            seconds = min(self.left, until - time.monotonic())
            if seconds <= 0:
                return
            answer = exact.decide(self.reduced, self.target // self.grain, order, conflicts, seconds, self.seed)
            if answer.verdict is exact.Verdict.FOUND and answer.offsets is not None:
                self.accept("exact search", answer.offsets)
                return
            if answer.verdict is exact.Verdict.IMPOSSIBLE:
                self.low = max(self.low, (self.target // self.grain + 1) * self.grain)
                return

    def minimise(self) -> None:
        """Anytime search between the proven bound and the best height."""
        from esl_ref.planner.layout import exact

        self.progress("minimisation", self.height)
        start = {b.id: self.offsets[b.id] // self.grain for b in self.reduced.blocks}
        low, high = -(-self.low // self.grain), self.height // self.grain
        answer = exact.minimise(self.reduced, low, start, high, self.left, self.seed)
        if answer.offsets is not None:
            self.accept("minimisation", answer.offsets)
        self.low = max(self.low, answer.bound * self.grain)


def _slices() -> Iterator[tuple[str, int]]:
    for turn in count():
        for order in _PORTFOLIO:
            yield order, _FIRST_CONFLICTS << turn
