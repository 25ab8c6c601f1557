# SPDX-License-Identifier: Apache-2.0
"""Boxes of feature maps, and the box of an input that a box of an output needs, with the padding that is left of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Box", "Reach", "grid", "reach"]


@dataclass(frozen=True, slots=True)
class Box:
    """Rows [top, bottom) and columns [left, right) of a map."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def area(self) -> int:
        """Elements of a channel in it."""
        return (self.bottom - self.top) * (self.right - self.left)

    @property
    def size(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.bottom - self.top, self.right - self.left

    def union(self, other: Box) -> Box:
        """The smallest box around both."""
        return Box(
            min(self.top, other.top), max(self.bottom, other.bottom),
            min(self.left, other.left), max(self.right, other.right),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reach:
    """Positions [first, last) of an input along one axis, and the padding before and after them that is read, too."""

    first: int
    last: int
    before: int
    after: int


def reach(out: tuple[int, int], kernel: int, stride: int, dilation: int, pad: int, size: int) -> Reach:
    """What outputs [out) of a window read along one axis of an input of `size` with `pad` positions in front."""
    low = out[0] * stride - pad
    high = (out[1] - 1) * stride - pad + (kernel - 1) * dilation + 1
    first, last = min(max(low, 0), size), max(min(high, size), 0)
    return Reach(first, last, max(0, -low), max(0, high - size))


def grid(height: int, width: int, high: int, wide: int) -> Iterator[Box]:
    """A map of `height` x `width` in `high` x `wide` tiles as equal as integers allow, row by row."""
    for i in range(high):
        for j in range(wide):
            yield Box(i * height // high, (i + 1) * height // high, j * width // wide, (j + 1) * width // wide)
