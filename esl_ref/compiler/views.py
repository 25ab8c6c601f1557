# SPDX-License-Identifier: Apache-2.0
"""Where a feature map's bytes are: views of storages.

A *storage* is a range of activation SRAM with an address of its own, found by the planner. A *view* says how a map of
height x width x channels lies in it. Concat, split, reshape and padding by addressing are nothing but views.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

__all__ = ["Storage", "View", "map_shape"]


@dataclass(frozen=True)
class Storage:
    """`wrap` bytes of SRAM. Row offsets in it are taken modulo `wrap`: a storage smaller than its map rolls."""

    name: str
    wrap: int


@dataclass(frozen=True)
class View:
    """A map in a storage. Byte (y, x, c) is at (offset + y * row_stride) mod wrap + x * pixel_stride + channel + c.

    A stride of 0 repeats a row, or a pixel, along that axis (broadcasting operands).
    """

    storage: Storage
    height: int
    width: int
    channels: int
    pixel_stride: int
    row_stride: int
    offset: int = 0
    channel: int = 0

    @classmethod
    def dense(cls, storage: Storage, shape: tuple[int, int, int]) -> View:
        """A packed map: no gaps between pixels or rows."""
        height, width, channels = shape
        return cls(storage, height, width, channels, channels, width * channels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return self.height, self.width, self.channels

    @property
    def nbytes(self) -> int:
        """Bytes of the map itself, without gaps."""
        return self.height * self.width * self.channels

    @property
    def is_dense(self) -> bool:
        """Packed from the start of a storage that holds all of it, so that any reshape keeps its bytes in place."""
        return (
            self.pixel_stride == self.channels
            and self.row_stride == self.width * self.channels
            and self.channel == 0
            and self.offset + self.nbytes <= self.storage.wrap
        )

    @property
    def row_bytes(self) -> int:
        """Bytes from a row's origin that belong to its pixels: what is not padding to a kernel. One pixel that is read
        again and again (stride 0) ends with its last channel."""
        return self.width * self.pixel_stride if self.pixel_stride else self.channel + self.channels

    def reshaped(self, shape: tuple[int, int, int]) -> View:
        """The same bytes of a dense view as another shape."""
        height, width, channels = shape
        return dataclasses.replace(
            self, height=height, width=width, channels=channels, pixel_stride=channels, row_stride=width * channels
        )

    def window(self, y: int, x: int, c: int, shape: tuple[int, int, int]) -> View:
        """The sub-map of `shape` that starts at (y, x, c)."""
        height, width, channels = shape
        return dataclasses.replace(
            self,
            height=height,
            width=width,
            channels=channels,
            offset=self.offset + y * self.row_stride + x * self.pixel_stride,
            channel=self.channel + c,
        )

    def strided(self, sy: int, sx: int) -> View:
        """Every sy-th row and sx-th pixel, from the first."""
        return dataclasses.replace(
            self,
            height=-(-self.height // sy),
            width=-(-self.width // sx),
            pixel_stride=self.pixel_stride * sx,
            row_stride=self.row_stride * sy,
        )

    def transposed(self) -> View:
        """A one-pixel-wide map as one row: (H, 1, C) -> (1, H, C)."""
        return dataclasses.replace(
            self,
            height=1,
            width=self.height,
            pixel_stride=self.row_stride,
            row_stride=self.height * self.row_stride,
        )

    def row_offset(self, y: int) -> int:
        """Offset of row `y` in the storage (any y: padding rows count on)."""
        return (self.offset + y * self.row_stride) % self.storage.wrap

    def step(self, rows: int) -> int:
        """What to add, modulo wrap, to get from row y to row y + rows."""
        return (rows * self.row_stride) % self.storage.wrap

    def spans(self, first: int, last: int) -> list[tuple[int, int]]:
        """Byte ranges [low, high) of the storage that rows first..last - 1 touch (gaps between pixels included)."""
        first, last = max(first, 0), min(last, self.height)
        if first >= last:
            return []
        reach = self.channel + (self.width - 1) * self.pixel_stride + self.channels
        rows = range(first, last) if self.row_stride else range(1)
        merged: list[tuple[int, int]] = []
        for y in rows:
            low = self.row_offset(y) + self.channel
            high = self.row_offset(y) + reach
            if merged and merged[-1][1] >= low >= merged[-1][0]:
                merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
            else:
                merged.append((low, high))
        return merged


def map_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Tensor shape -> (height, width, channels): the batch of 1 dropped, missing axes 1, surplus ones merged into the
    height. Constants may lack the batch: their axes are counted from the last one, as in broadcasting."""
    dims = tuple(shape[1:]) if len(shape) > 1 and shape[0] == 1 else tuple(shape)
    if not dims:
        return 1, 1, 1
    while len(dims) < 3:
        dims = (1, *dims)
    height = 1
    for size in dims[:-2]:
        height *= size
    return height, dims[-2], dims[-1]
