# SPDX-License-Identifier: Apache-2.0
"""Storages as rows: which rows of a storage a view's rows are, and how few rows a storage can roll over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from esl_ref.compiler.views import View

__all__ = ["RowGrid", "grid_of"]


@dataclass(frozen=True)
class RowGrid:
    """A storage cut into rows of `pitch` bytes. Every view's row is one of them."""

    pitch: int
    rows: int

    def holds(self, view: View) -> bool:
        """Whether every row of `view` is one of these."""
        extent = view.offset % self.pitch + view.channel + (view.width - 1) * view.pixel_stride + view.channels
        return view.row_stride % self.pitch == 0 and extent <= self.pitch

    def span(self, view: View, first: int, last: int) -> tuple[int, int]:
        """Rows [low, high) of the storage that hold rows [first, last) of `view`."""
        if first >= last:
            return 0, 0
        if view.row_stride == 0:
            first, last = 0, 1
        base, factor = view.offset // self.pitch, view.row_stride // self.pitch
        return base + first * factor, base + (last - 1) * factor + 1

    def view_rows(self, view: View, high: int) -> int:
        """How many rows of `view` lie below storage row `high`."""
        base, factor = view.offset // self.pitch, max(1, view.row_stride // self.pitch)
        return max(0, min(view.height, -(-(high - base) // factor)))


def grid_of(views: Iterable[View], wrap: int) -> RowGrid | None:
    """The common row grid of all views of a storage of `wrap` bytes, or None if some view disregards rows."""
    views = list(views)
    strides = [v.row_stride for v in views if v.row_stride]
    if not strides:
        return None
    grid = RowGrid(min(strides), -(-wrap // min(strides)))
    return grid if all(grid.holds(view) for view in views) else None
