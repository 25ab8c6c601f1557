# SPDX-License-Identifier: Apache-2.0
"""Constructive layouts: milliseconds each, and on most real problems already as low as the liveness bound."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from heapq import heappop, heapreplace
from typing import TypeAlias

from esl_ref.layout.sections import Block, Sections

__all__ = ["ORDERS", "Offsets", "constructions", "first_fit", "height", "skyline"]

Offsets: TypeAlias = dict[str, int]
Order: TypeAlias = Callable[[Block], tuple[int, ...]]

# Which of several equally placeable blocks goes first. `pressure` first means: the most contested memory first.
ORDERS: dict[str, Order] = {
    "area": lambda b: (-b.area, -b.size),
    "cover": lambda b: (-b.size * (b.last - b.first), -b.size),
    "birth": lambda b: (b.first, -b.last),
    "pressure": lambda b: (-b.pressure, -b.span, -b.area),
    "span": lambda b: (-b.span, -b.size),
    "size": lambda b: (-b.size, -b.span),
}


def constructions(problem: Sections) -> Iterator[Offsets]:
    """Every heuristic with every order, cheapest first."""
    for order in ORDERS.values():
        yield first_fit(problem, order)
    for order in ORDERS.values():
        yield skyline(problem, order)


def height(problem: Sections, offsets: Offsets) -> int:
    """Top of the highest block, in grains."""
    return max((offsets[b.id] + b.size for b in problem.blocks), default=0)


def first_fit(problem: Sections, order: Order) -> Offsets:
    """Blocks in `order`, each at the lowest offset that is free over its whole life."""
    placed: list[tuple[Block, int]] = []
    for block in sorted(problem.blocks, key=order):
        busy = sorted((at, at + b.size) for b, at in placed if b.first < block.last and block.first < b.last)
        offset = 0
        for start, end in busy:
            if start - offset >= block.size:
                break
            offset = max(offset, _aligned(end, block.align))
        placed.append((block, offset))
    return {block.id: offset for block, offset in placed}


def skyline(problem: Sections, order: Order) -> Offsets:
    """Always the block that can go lowest, on top of everything placed; `order` breaks ties."""
    rank = {b.id: k for k, b in enumerate(sorted(problem.blocks, key=order))}
    lowest = {b: 0 for b in problem.blocks}
    # Offsets only rise: what the heap holds is a lower bound, and right as soon as it is what `lowest` says.
    heap = [(0, rank[b.id], b) for b in sorted(problem.blocks, key=lambda b: rank[b.id])]
    offsets: Offsets = {}
    while heap:
        at, number, block = heap[0]
        if at < lowest[block]:
            heapreplace(heap, (lowest[block], number, block))
            continue
        heappop(heap)
        offsets[block.id] = lowest.pop(block)
        top = offsets[block.id] + block.size
        for b, at in lowest.items():
            if at < top and b.first < block.last and block.first < b.last:
                lowest[b] = _aligned(top, b.align)
    return offsets


def _aligned(offset: int, align: int) -> int:
    return -(-offset // align) * align
