# SPDX-License-Identifier: Apache-2.0
"""Layout problems: buffers with half-open lifetimes and sizes that want offsets in one arena."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from esl_ref.errors import BudgetError, InputError

__all__ = ["Buffer", "Layout", "Problem"]


@dataclass(frozen=True, slots=True)
class Buffer:
    """`size` bytes needed at every time t with lower <= t < upper, at an offset that is a multiple of `align`."""

    id: str
    lower: int
    upper: int
    size: int
    align: int = 1

    def checked(self) -> Buffer:
        """Itself; InputError if its numbers contradict each other."""
        where = f"buffer '{self.id}'"
        if self.size < 0:
            raise InputError(f"size {self.size} is negative", where=where)
        if self.upper <= self.lower:
            raise InputError(
                f"lifetime [{self.lower}, {self.upper}) is empty",
                where=where,
                hint="lifetimes are half-open, lower < upper",
            )
        if self.align < 1:
            raise InputError(f"alignment {self.align} is not positive", where=where)
        return self


@dataclass(frozen=True)
class Problem:
    """Buffers and, if the arena is limited, its capacity in bytes. InputError/BudgetError when contradictory."""

    buffers: tuple[Buffer, ...]
    capacity: int | None = None

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for buffer in self.buffers:
            buffer.checked()
            if buffer.id in seen:
                raise InputError("appears twice", where=f"buffer '{buffer.id}'", hint="ids must be unique")
            seen.add(buffer.id)
        if self.capacity is not None and self.capacity < 0:
            raise InputError(f"capacity {self.capacity} is negative", hint="give the arena's bytes")
        if self.capacity is not None and self.capacity < self.bound:
            raise BudgetError(
                f"capacity {self.capacity} is {self.bound - self.capacity} below the liveness bound {self.bound}",
                where=f"time {self.peak()[0]}",
                hint=f"no layout can be smaller; alive there are {self._largest()}",
            )

    @property
    def bound(self) -> int:
        """Largest sum of sizes alive at one time: no layout is smaller."""
        return self.peak()[1]

    def peak(self) -> tuple[int, int]:
        """(time, bytes) of the first moment at which most bytes are alive; (0, 0) without buffers."""
        events = sorted(event for b in self.buffers for event in ((b.lower, b.size), (b.upper, -b.size)))
        # At equal times the negative deltas sort first, as half-open lifetimes want it.
        alive, best = 0, (0, 0)
        for time, delta in events:
            alive += delta
            if alive > best[1]:
                best = (time, alive)
        return best

    def alive_at(self, time: int) -> tuple[Buffer, ...]:
        """Buffers alive at `time`, largest first."""
        alive = (b for b in self.buffers if b.lower <= time < b.upper)
        return tuple(sorted(alive, key=lambda b: (-b.size, b.id)))

    def _largest(self, count: int = 4) -> str:
        alive = self.alive_at(self.peak()[0])
        names = ", ".join(f"'{b.id}' ({b.size})" for b in alive[:count])
        return names + (f" and {len(alive) - count} more" if len(alive) > count else "")


@dataclass(frozen=True)
class Layout:
    """Offsets in bytes by buffer id, the arena's height, the liveness bound, and whether height is proved least."""

    offsets: Mapping[str, int]
    height: int
    bound: int
    proved_optimal: bool

    @property
    def gap(self) -> float:
        """(height - bound) / bound: how far from the liveness bound at most."""
        return (self.height - self.bound) / self.bound if self.bound else 0.0
