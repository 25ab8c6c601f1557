# SPDX-License-Identifier: Apache-2.0
"""Lifetimes reduced to what a layout can feel: the maximal sets of buffers alive together.

Two buffers conflict exactly if some maximal clique of their interval graph holds both, so time shrinks to the index of
those cliques, usually far fewer than events (Moffitt's sections, ASPLOS 2023, less the dominated ones).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from esl_ref.layout.problem import Buffer, Problem

__all__ = ["Block", "Sections", "sections"]


@dataclass(frozen=True, slots=True)
class Block:
    """A buffer over sections [first, last), sizes in grains; `pressure` is the load of the fullest of its sections."""

    id: str
    first: int
    last: int
    size: int
    align: int
    span: int
    pressure: int

    @property
    def area(self) -> int:
        return self.size * self.span


@dataclass(frozen=True)
class Sections:
    """`blocks` over `count` sections; `grain` bytes per unit, to which every canonical offset is a multiple."""

    blocks: tuple[Block, ...]
    count: int
    grain: int


def sections(problem: Problem) -> Sections:
    """Non-empty buffers of `problem` on compressed time and size axes."""
    buffers = [b for b in problem.buffers if b.size]
    grain = math.gcd(*(b.size for b in buffers), *(b.align for b in buffers if b.align > 1)) or 1
    times = _maximal(buffers)
    spans = [(bisect_left(times, b.lower), bisect_left(times, b.upper)) for b in buffers]
    loads = [0] * len(times)
    for b, (first, last) in zip(buffers, spans, strict=True):
        for k in range(first, last):
            loads[k] += b.size // grain
    blocks = tuple(
        Block(b.id, first, last, b.size // grain, max(b.align // grain, 1), b.upper - b.lower, max(loads[first:last]))
        for b, (first, last) in zip(buffers, spans, strict=True)
    )
    return Sections(blocks, len(times), grain)


def _maximal(buffers: Sequence[Buffer]) -> list[int]:
    """Times at which the set alive is contained in no other: after a birth and before the next death."""
    births = {b.lower for b in buffers}
    deaths = {b.upper for b in buffers}
    events = sorted(births | deaths)
    return [now for now, following in pairwise(events) if now in births and following in deaths]
