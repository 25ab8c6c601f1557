# SPDX-License-Identifier: Apache-2.0
"""Layout of storages whose live bytes move: pairs need a distance between their starts, not disjoint rectangles.

`apart[a, b]` is how far above b's start a has to start if it is the upper one. Pairs without an entry never meet.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

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


def solve(problem: Staircase, time_limit: float, seed: int = 0, tries: int = 400) -> tuple[dict[str, int], int]:
    """Offsets and height: first fit by several orders, then hill climbing on the order; stops at the bound."""
    conflicts = problem.conflicts()
    names = list(problem.sizes)
    orders = [
        sorted(names, key=lambda n: -problem.sizes[n]),
        names,
        names[::-1],
        sorted(names, key=lambda n: -problem.sizes[n] * len(conflicts[n])),
    ]
    best, height, order = _best(problem, orders, conflicts)
    chance, until = random.Random(seed), time.monotonic() + time_limit
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


def _best(
    problem: Staircase, orders: Iterable[list[str]], conflicts: Mapping[str, list[str]]
) -> tuple[dict[str, int], int, list[str]]:
    found = [(first_fit(problem, order, conflicts), order) for order in orders]
    offsets, order = min(found, key=lambda pair: problem.height(pair[0]))
    return offsets, problem.height(offsets), order
