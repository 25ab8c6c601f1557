# SPDX-License-Identifier: Apache-2.0
"""Fronts of segments joined to a front of the whole model: arenas are shared, cycles and traffic add up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from esl_ref.compiler.model import Choice
from esl_ref.planner.joint import Rated
from esl_ref.planner.pareto import undominated

__all__ = ["Point", "joined"]

MOST = 200
"""Points kept while segments are joined: the product of many fronts would not end."""


@dataclass(frozen=True)
class Point:
    """Plans of all segments: bytes of the arena and of all on-chip memories, predicted cycles, bytes on the bus."""

    arena: int
    on_chip: int
    cycles: int
    traffic: int
    choices: tuple[Choice, ...] = ()

    def costs(self) -> tuple[int, int, int, int]:
        """What is to be small."""
        return self.arena, self.on_chip, self.cycles, self.traffic


def _with(point: Point, plan: Rated) -> Point:
    scratch = max(point.on_chip - point.arena, plan.on_chip - plan.height)
    arena = max(point.arena, plan.height)
    return Point(
        arena, arena + scratch, point.cycles + plan.cycles, point.traffic + plan.traffic, (*point.choices, plan.choice)
    )


def _extendable(point: Point) -> tuple[int, int, int, int]:
    """What decides how good a plan can become with more segments: arena and scratch are shared each by itself."""
    return point.arena, point.on_chip - point.arena, point.cycles, point.traffic


def joined(fronts: Sequence[Sequence[Rated]]) -> list[Point]:
    """Points of the model that no other is as good as, by rising arena. Of very many an even choice."""
    points = [Point(0, 0, 0, 0)]
    for front in fronts:
        points = undominated((_with(point, plan) for point in points for plan in front), _extendable)
        step = -(-len(points) // MOST)
        points = points[::step] if step > 1 else points
    return undominated(points, Point.costs)
