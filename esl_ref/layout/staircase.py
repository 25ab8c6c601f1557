# SPDX-License-Identifier: Apache-2.0
"""Layout of storages whose live bytes move: pairs need a distance between their starts, not disjoint rectangles.

`apart[a, b]` is how far above b's start a has to start if it is the upper one. Pairs without an entry never meet.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from esl_ref.layout.interruptible import solved

__all__ = ["Staircase", "first_fit", "solve"]


@dataclass(frozen=True)
class Staircase:
    """Sizes in bytes by name and least distances by ordered pair; `bound` bytes are alive at some moment."""

    sizes: Mapping[str, int]
    apart: Mapping[tuple[str, str], int]
    bound: int

    def height(self, offsets: Mapping[str, int]) -> int:
        return max((offsets[name] + size for name, size in self.sizes.items()), default=0)

    def conflicts(self) -> dict[str, list[str]]:
        """Name -> names it ever meets."""
        found: dict[str, list[str]] = {name: [] for name in self.sizes}
        for a, b in self.apart:
            found[a].append(b)
        return found


def first_fit(problem: Staircase, order: Iterable[str], conflicts: Mapping[str, list[str]]) -> dict[str, int]:
    """Storages in `order`, each at its lowest legal start."""
    offsets: dict[str, int] = {}
    for name in order:
        # Starts strictly between these limits would make the two collide, whichever is on top.
        taken = sorted(
            (offsets[b] - problem.apart[b, name], offsets[b] + problem.apart[name, b])
            for b in conflicts[name]
            if b in offsets
        )
        start = 0
        for low, high in taken:
            if low < start < high:
                start = high
        offsets[name] = start
    return offsets


def solve(
    problem: Staircase, time_limit: float, seed: int = 0, tries: int = 400, *, effort: float = 0.0
) -> tuple[dict[str, int], int]:
    """Offsets and height: first fit by several orders, `tries` of hill climbing, then exact search of that `effort`.

    Effort is CP-SAT's deterministic time: unless `time_limit` seconds are over first, the same seed gives the same
    offsets on every machine. Stops at the bound and at a proved optimum.
    """
    until = time.monotonic() + time_limit
    best, height = _climb(problem, until, seed, tries)
    left = until - time.monotonic()
    if effort and height > problem.bound and left > 0:
        best = _minimise(problem, best, left, seed, effort)
    return best, problem.height(best)


def _climb(problem: Staircase, until: float, seed: int, tries: int) -> tuple[dict[str, int], int]:
    conflicts = problem.conflicts()
    names = list(problem.sizes)
    orders = [
        sorted(names, key=lambda n: -problem.sizes[n]),
        names,
        names[::-1],
        sorted(names, key=lambda n: -problem.sizes[n] * len(conflicts[n])),
    ]
    best, height, order = _best(problem, orders, conflicts)
    chance = random.Random(seed)
    for _ in range(tries):
        if height <= problem.bound or time.monotonic() > until:
            break
        trial = list(order)
        # Something at the top must come earlier, or swap with anything.
        tops = [n for n in names if best[n] + problem.sizes[n] == height]
        source, target = trial.index(chance.choice(tops)), chance.randrange(len(trial))
        if chance.random() < 0.5:
            trial[source], trial[target] = trial[target], trial[source]
        else:
            trial.insert(min(source, target), trial.pop(source))
        offsets = first_fit(problem, trial, conflicts)
        if (top := problem.height(offsets)) <= height:
            best, height, order = offsets, top, trial
    return best, height


def _minimise(problem: Staircase, start: dict[str, int], seconds: float, seed: int, effort: float) -> dict[str, int]:
    """CP-SAT on which of each pair is the upper one; never worse than `start`."""
    from ortools.sat.python import cp_model  # takes a second to load, and first fit is often enough

    model, high = cp_model.CpModel(), problem.height(start)
    at = {name: model.new_int_var(0, high - size, name) for name, size in problem.sizes.items()}
    top = model.new_int_var(min(problem.bound, high), high, "height")
    for name, size in problem.sizes.items():
        model.add(at[name] + size <= top)
        model.add_hint(at[name], start[name])
    for (a, b), distance in problem.apart.items():
        if a < b:
            above = model.new_bool_var(f"{a}>{b}")
            model.add(at[a] >= at[b] + distance).only_enforce_if(above)
            model.add(at[b] >= at[a] + problem.apart[b, a]).only_enforce_if(~above)
            model.add_hint(above, start[a] >= start[b] + distance)
    model.minimize(top)
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.max_deterministic_time = effort
    solver.parameters.random_seed = seed
    solver.parameters.num_workers = 2
    # Interleaved workers exchange what they learn at fixed points: the same seed gives the same layout.
    solver.parameters.interleave_search = True
    status = solved(solver, model)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return start
    return {name: solver.value(variable) for name, variable in at.items()}


def _best(
    problem: Staircase, orders: Iterable[list[str]], conflicts: Mapping[str, list[str]]
) -> tuple[dict[str, int], int, list[str]]:
    found = [(first_fit(problem, order, conflicts), order) for order in orders]
    offsets, order = min(found, key=lambda pair: problem.height(pair[0]))
    return offsets, problem.height(offsets), order
