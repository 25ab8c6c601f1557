# SPDX-License-Identifier: Apache-2.0
"""Layout problems with a known perfect layout: a rectangle of time and bytes cut into blocks."""

from __future__ import annotations

import random

from esl_ref.layout import Buffer

__all__ = ["guillotine"]


def guillotine(count: int, times: int, capacity: int, seed: int, grain: int = 1) -> tuple[Buffer, ...]:
    """At most `count` buffers that fill `times` x `capacity` bytes without a gap: a rectangle cut from edge to edge."""
    chance = random.Random(seed)
    cells = [(0, times, 0, capacity)]
    for _ in range(100 * count):
        if len(cells) == count:
            break
        # Large cells are cut rather than small ones, but not always.
        k = max(range(len(cells)), key=lambda i: _area(cells[i]) * chance.random())
        first, last, low, high = cells[k]
        if chance.random() < 0.5 and last - first > 1:
            cut = chance.randrange(first + 1, last)
            cells[k : k + 1] = (first, cut, low, high), (cut, last, low, high)
        elif high - low >= 2 * grain:
            cut = low + chance.randrange(1, (high - low) // grain) * grain
            cells[k : k + 1] = (first, last, low, cut), (first, last, cut, high)
    chance.shuffle(cells)
    return tuple(Buffer(f"b{n}", first, last, high - low) for n, (first, last, low, high) in enumerate(cells))


def _area(cell: tuple[int, int, int, int]) -> int:
    first, last, low, high = cell
    return (last - first) * (high - low)
