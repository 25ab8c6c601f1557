# SPDX-License-Identifier: Apache-2.0
"""The judge of layouts: every pair of buffers, no cleverness, nothing shared with the solver."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from itertools import combinations

from esl_ref.layout.problem import Layout, Problem

__all__ = ["Reason", "Violation", "validate"]


class Reason(enum.Enum):
    """Why a layout is illegal."""

    MISSING = "a buffer has no offset"
    UNKNOWN = "an offset names no buffer of the problem"
    NEGATIVE = "a buffer starts below zero"
    MISALIGNED = "an offset is not a multiple of the alignment asked for"
    ABOVE_HEIGHT = "a buffer ends above the height the layout claims"
    ABOVE_CAPACITY = "the layout is higher than the capacity"
    OVERLAP = "two buffers alive at the same time share bytes"
    WRONG_BOUND = "the layout claims a bound above its own height"


@dataclass(frozen=True)
class Violation:
    """One broken rule and the buffers it concerns."""

    reason: Reason
    buffers: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.reason.value}: {', '.join(self.buffers)}" if self.buffers else self.reason.value


def validate(problem: Problem, layout: Layout) -> list[Violation]:
    """All rules that `layout` breaks; empty if it is legal. O(n**2)."""
    offsets = layout.offsets
    found = [Violation(Reason.UNKNOWN, (name,)) for name in offsets.keys() - {b.id for b in problem.buffers}]
    found += [Violation(Reason.MISSING, (b.id,)) for b in problem.buffers if b.id not in offsets]
    placed = [(b, offsets[b.id]) for b in problem.buffers if b.id in offsets]
    for b, offset in placed:
        if offset < 0:
            found.append(Violation(Reason.NEGATIVE, (b.id,)))
        if offset % b.align:
            found.append(Violation(Reason.MISALIGNED, (b.id,)))
        if offset + b.size > layout.height:
            found.append(Violation(Reason.ABOVE_HEIGHT, (b.id,)))
    solid = [(b, offset) for b, offset in placed if b.size]
    for (a, at), (b, bt) in combinations(solid, 2):
        if a.lower < b.upper and b.lower < a.upper and at < bt + b.size and bt < at + a.size:
            found.append(Violation(Reason.OVERLAP, (a.id, b.id)))
    if problem.capacity is not None and layout.height > problem.capacity:
        found.append(Violation(Reason.ABOVE_CAPACITY))
    if layout.bound > layout.height:
        found.append(Violation(Reason.WRONG_BOUND))
    return found
