# SPDX-License-Identifier: Apache-2.0
"""Sets of cycles in which an SRAM port is in use."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

__all__ = ["Cycles"]

_Block = tuple[int, int, int, int, int, int, int]


class Cycles:
    """Cycles, added in blocks as arithmetic progressions: `rows` x `columns` of them from `first`."""

    def __init__(self) -> None:
        self._blocks: list[_Block] = []
        self._ends: list[int] = []

    def add(self, first: int, rows: int, columns: int, row_pitch: int, pitch: int, width: int = 1) -> None:
        """Cycles first + r * row_pitch + c * pitch + w. Blocks come in order of time."""
        last = first + (rows - 1) * row_pitch + (columns - 1) * pitch + width - 1
        self._blocks.append((first, last, rows, columns, row_pitch, pitch, width))
        self._ends.append(last)

    def add_ordered(self, cycles: Sequence[int], width: int = 1) -> None:
        """Any increasing cycles, kept as progressions, and the `width` - 1 that follow each."""
        start = 0
        while start < len(cycles):
            pitch = cycles[start + 1] - cycles[start] if start + 1 < len(cycles) else width
            end = start + 1
            while end < len(cycles) and cycles[end] - cycles[end - 1] == pitch:
                end += 1
            self.add(cycles[start], 1, end - start, 0, pitch, width)
            start = end

    def mark(self) -> int:
        """For `forget`."""
        return len(self._blocks)

    def forget(self, mark: int) -> None:
        """Take back what was added since `mark`."""
        del self._blocks[mark:], self._ends[mark:]

    def _blocks_in(self, low: int, high: int) -> list[_Block]:
        start = bisect_left(self._ends, low)
        return [b for b in self._blocks[start:] if b[0] <= high]

    def any_in(self, low: int, high: int) -> bool:
        """Might any be in [low, high]?"""
        return bool(self._ends) and self._ends[-1] >= low and bool(self._blocks_in(low, high))

    def within(self, low: int) -> set[int]:
        """All cycles from `low` on."""
        cycles: set[int] = set()
        for block in self._blocks[bisect_left(self._ends, low) :]:
            cycles.update(c for c in _listed(block) if c >= low)
        return cycles

    def next_free(self, cycle: int) -> int:
        """The first cycle from `cycle` on that is not among them."""
        while self._taken(cycle):
            cycle += 1
        return cycle

    def _taken(self, cycle: int) -> bool:
        for first, _, rows, columns, row_pitch, pitch, width in self._blocks_in(cycle, cycle):
            row, rest = divmod(cycle - first, row_pitch) if rows > 1 else (0, cycle - first)
            column, place = divmod(rest, pitch) if columns > 1 else (0, rest)
            if row < rows and column < columns and place < width:
                return True
        return False


def _listed(block: _Block) -> Iterator[int]:
    first, _, rows, columns, row_pitch, pitch, width = block
    for row in range(rows):
        for column in range(columns):
            start = first + row * row_pitch + column * pitch
            yield from range(start, start + width)
