# SPDX-License-Identifier: Apache-2.0
"""Layout as constraint programming: rectangles of fixed time whose offsets are to be found (CP-SAT).

`decide` asks whether a height is enough, branching as MiniMalloc does (lowest possible offset first, ties by a static
order) but learning from every conflict; limits are counted in conflicts, so that the answer does not depend on the
machine's speed. `minimise` is the anytime search for problems whose bound cannot be met.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from ortools.sat.python import cp_model

from esl_ref.layout.heuristics import ORDERS, Offsets
from esl_ref.layout.interruptible import solved
from esl_ref.layout.sections import Sections

__all__ = ["Answer", "Verdict", "decide", "minimise"]


class Verdict(enum.Enum):
    """Outcome of a search."""

    FOUND = "a layout was found"
    IMPOSSIBLE = "proved that there is none"
    UNDECIDED = "the limit was reached"


@dataclass(frozen=True)
class Answer:
    """Verdict, the layout found if any, and the least height still possible, in grains."""

    verdict: Verdict
    offsets: Offsets | None = None
    bound: int = 0


class _Model:
    """CP-SAT variables for one problem and one ceiling."""

    def __init__(self, problem: Sections, ceiling: int) -> None:
        self.problem = problem
        self.model = cp_model.CpModel()
        steps = {b.id: self.model.new_int_var(0, (ceiling - b.size) // b.align, b.id) for b in problem.blocks}
        self.steps = steps
        time = [self.model.new_fixed_size_interval_var(b.first, b.last - b.first, "") for b in problem.blocks]
        self.space = [self.model.new_fixed_size_interval_var(steps[b.id] * b.align, b.size, "") for b in problem.blocks]
        self.model.add_no_overlap_2d(time, self.space)

    def offsets(self, solver: cp_model.CpSolver) -> Offsets:
        return {b.id: solver.value(self.steps[b.id]) * b.align for b in self.problem.blocks}


def _solver(seconds: float, seed: int) -> cp_model.CpSolver:
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = max(seconds, 0.0)
    solver.parameters.random_seed = seed
    solver.parameters.num_workers = 1
    return solver


def decide(problem: Sections, ceiling: int, order: str, conflicts: int, seconds: float, seed: int) -> Answer:
    """Is there a layout no higher than `ceiling` grains? One thread, at most `conflicts` conflicts."""
    if any(b.size > ceiling for b in problem.blocks):
        return Answer(Verdict.IMPOSSIBLE)
    built = _Model(problem, ceiling)
    ordered = sorted(problem.blocks, key=ORDERS[order])
    built.model.add_decision_strategy(
        [built.steps[b.id] for b in ordered], cp_model.CHOOSE_LOWEST_MIN, cp_model.SELECT_MIN_VALUE
    )
    solver = _solver(seconds, seed)
    solver.parameters.search_branching = cp_model.FIXED_SEARCH
    solver.parameters.max_number_of_conflicts = conflicts
    status = solved(solver, built.model)
    if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Answer(Verdict.FOUND, built.offsets(solver))
    return Answer(Verdict.IMPOSSIBLE if status == cp_model.INFEASIBLE else Verdict.UNDECIDED)


def minimise(problem: Sections, low: int, start: Offsets, high: int, seconds: float, seed: int) -> Answer:
    """Least height in [low, high] grains, from the layout `start` of height `high`; two interleaved workers."""
    built = _Model(problem, high)
    top = built.model.new_int_var(low, high, "height")
    for b, interval in zip(problem.blocks, built.space, strict=True):
        built.model.add(interval.end_expr() <= top)
        built.model.add_hint(built.steps[b.id], start[b.id] // b.align)
    built.model.minimize(top)
    solver = _solver(seconds, seed)
    solver.parameters.num_workers = 2
    # Interleaved workers exchange what they learn at fixed points: the same seed gives the same layout.
    solver.parameters.interleave_search = True
    status = solved(solver, built.model)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Answer(Verdict.UNDECIDED, None, low)
    verdict = Verdict.FOUND if status == cp_model.OPTIMAL else Verdict.UNDECIDED
    return Answer(verdict, built.offsets(solver), int(solver.best_objective_bound))
