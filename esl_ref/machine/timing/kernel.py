# SPDX-License-Identifier: Apache-2.0
"""Discrete events on whole cycles: registers change, then the units that act in that cycle look at them."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from typing import Protocol

__all__ = ["NEVER", "Kernel", "Unit"]

NEVER = 1 << 62
"""Later than any cycle."""

Change = Callable[[], None]


class Unit(Protocol):
    """Something that may act in a cycle, seeing what is visible in it."""

    def step(self, now: int) -> None: ...


class Kernel:
    """Runs until nothing is due any more. Cycles in which nothing changes cost nothing."""

    def __init__(self) -> None:
        self._due: list[tuple[int, int, Change | None]] = []
        self._order = 0

    def at(self, cycle: int, change: Change | None = None) -> None:
        """Apply `change` so that it is visible in `cycle`, and let all units look then."""
        self._order += 1
        heapq.heappush(self._due, (cycle, self._order, change))

    @property
    def next(self) -> int:
        """The cycle in which the next change is due, or NEVER."""
        return self._due[0][0] if self._due else NEVER

    def run(self, units: Sequence[Unit], ahead: Change = lambda: None) -> None:
        """`ahead` is called when a cycle is over, and may do what nobody else could notice before `next`."""
        due, pop, steps = self._due, heapq.heappop, [unit.step for unit in units]
        while due:
            now = due[0][0]
            while due and due[0][0] == now:
                change = pop(due)[2]
                if change is not None:
                    change()
            for step in steps:
                step(now)
            ahead()
