# SPDX-License-Identifier: Apache-2.0
"""Exact front over group boundaries and strip heights, by dynamic programming on the order of tasks.

A plan's peak is the largest of its groups' peaks and its cycles are their sum, so the best plans for a prefix of
the tasks extend the best plans for shorter prefixes: the non-dominated pairs per prefix are all that needs keeping.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from esl_ref.compiler.schedule import Group
from esl_ref.planner.joint.price import Pricer

__all__ = ["Candidate", "front"]

STRIPS = ((1, 0), (1, 1), (2, 0), (4, 0))
"""Strip heights and look-ahead that are tried for a group."""
LONGEST = 16
"""Tasks of a group above which only single rows stream: higher strips through many layers hold more than they save."""


@dataclass(frozen=True)
class Candidate:
    """A grouping of all tasks with its price: peak bytes, cycles, weight words read."""

    groups: tuple[Group, ...]
    peak: int
    cycles: int
    words: int


def _modes(first: int, last: int, height: int) -> Iterator[Group]:
    if last - first == 1:
        yield Group(first, last)
        if first == 0 and height > 1:  # the first task starts while the network input arrives
            yield Group(first, last, max(1, -(-height // 8)), 1)
    for strip, ahead in STRIPS:
        if strip < height and (last - first > 1 or first == 0) and (strip == 1 or last - first <= LONGEST):
            yield Group(first, last, strip, ahead)


def _prune(candidates: list[Candidate]) -> list[Candidate]:
    """Those that no other beats in both peak and cycles, by rising peak."""
    kept: list[Candidate] = []
    for c in sorted(candidates, key=lambda c: (c.peak, c.cycles, c.words, len(c.groups))):
        if not kept or c.cycles < kept[-1].cycles:
            kept.append(c)
    return kept


def front(pricer: Pricer, progress: Callable[[int, int], None] | None = None) -> list[Candidate]:
    """Non-dominated plans over (peak, cycles), by rising peak."""
    tasks = pricer.lowered.tasks
    best: list[list[Candidate]] = [[Candidate((), 0, 0, 0)]]
    for last in range(1, len(tasks) + 1):
        found: list[Candidate] = []
        for first in range(last):
            height = max(t.ofm.height for t in tasks[first:last])
            for group in _modes(first, last, height):
                price = pricer.price(group)
                found += [
                    Candidate(
                        (*c.groups, group), max(c.peak, price.peak), c.cycles + price.cycles, c.words + price.words
                    )
                    for c in best[first]
                ]
        best.append(_prune(found))
        if progress:
            progress(last, len(tasks))
    return best[-1]
