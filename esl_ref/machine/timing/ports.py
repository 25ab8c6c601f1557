# SPDX-License-Identifier: Apache-2.0
"""Sets of cycles in which an SRAM port is in use."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

__all__ = ["Cycles", "Run", "runs"]

_Block = tuple[int, int, int, int, int, int, int]
Run = tuple[int, int, int]
"""(first, count, pitch)"""


class Cycles:
    """Cycles, added in blocks as arithmetic progressions: `rows` x `columns` of them from `first`."""

    def __init__(self) -> None:
        self._blocks: list[_Block] = []
        self._ends: list[int] = []

    def add(self, first: int, rows: int, columns: int, row_pitch: int, pitch: int, width: int = 1) -> None:
        """Cycles first + r * row_pitch + c * pitch + w. Blocks come in order of time."""
        if not rows or not columns:
            return
        last = first + (rows - 1) * row_pitch + (columns - 1) * pitch + width - 1
        self._blocks.append((first, last, rows, columns, row_pitch, pitch, width))
        self._ends.append(last)

    def add_ordered(self, cycles: Sequence[int], width: int = 1) -> None:
        """Any increasing cycles, kept as progressions, and the `width` - 1 that follow each."""
        for first, count, pitch in runs(cycles, width):
            self.add(first, 1, count, 0, pitch, width)

    def mark(self) -> int:
        """For `forget`."""
        return len(self._blocks)

    def forget(self, mark: int) -> None:
        """Take back what was added since `mark`."""
        del self._blocks[mark:], self._ends[mark:]

    def _blocks_in(self, low: int, high: int) -> Iterator[_Block]:
        for place in range(bisect_left(self._ends, low), len(self._blocks)):
            if self._blocks[place][0] > high:
                return
            yield self._blocks[place]

    def any_in(self, low: int, high: int) -> bool:
        """Might any be in [low, high]?"""
        return bool(self._ends) and self._ends[-1] >= low and any(True for _ in self._blocks_in(low, high))

    def within(self, low: int, high: int | None = None) -> set[int]:
        """All cycles from `low` to `high`, or from `low` on."""
        if not self._ends or self._ends[-1] < low:
            return set()
        high = self._ends[-1] if high is None else high
        return {cycle for block in self._blocks_in(low, high) for cycle in _listed(block, low, high)}


def runs(cycles: Sequence[int], width: int = 1) -> Iterator[Run]:
    """Increasing cycles as arithmetic progressions; `width`: the pitch of a single one."""
    start = 0
    while start < len(cycles):
        pitch = cycles[start + 1] - cycles[start] if start + 1 < len(cycles) else width
        end = start + 1
        while end < len(cycles) and cycles[end] - cycles[end - 1] == pitch:
            end += 1
        yield cycles[start], end - start, pitch
        start = end


def _listed(block: _Block, low: int, high: int) -> Iterator[int]:
    first, _, rows, columns, row_pitch, pitch, width = block
    for row in _indices(rows, row_pitch, low - first - (columns - 1) * pitch - width + 1, high - first):
        start = first + row * row_pitch
        for column in _indices(columns, pitch, low - start - width + 1, high - start):
            begin = start + column * pitch
            yield from range(max(begin, low), min(begin + width, high + 1))


def _indices(count: int, pitch: int, low: int, high: int) -> range:
    """Those k below `count` for which low <= k * pitch <= high."""
    if count == 1:
        return range(low <= 0 <= high)
    return range(max(0, -(-low // pitch)), min(count, high // pitch + 1))
