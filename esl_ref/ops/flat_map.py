# SPDX-License-Identifier: Apache-2.0
"""Padded maps as pixels one behind the other, in which matrix products find their windows without copies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from esl_ref.ir import Padding
from esl_ref.ops.registry import Array

__all__ = ["FlatMap", "flatten"]


@dataclass(frozen=True)
class FlatMap:
    """A map [N, H, W, C], padded, as `pixels` [SH, N * rows * width + spare, C] for strides SH and SW.

    Row y lies in phase y mod SH, so that kernel row ky of one output row after the other, from that of one image to
    that of the next, lies in rows that follow each other. `width` is a multiple of SW: the window of output i starts
    SW * i pixels on, over ends of rows and images. Outputs between them mean nothing; they are computed and dropped.
    """

    pixels: Array
    rows: int
    width: int
    stride: tuple[int, int]

    def windows(self, tap: tuple[int, int], taps: int, first: int, count: int, every: int) -> Array:
        """What `taps` kernel columns from tap (dy, dx) on see at outputs first, first + every, ...: [count, taps * C].

        A view. Rows of it must not overlap, for BLAS' sake: taps <= every * SW.
        """
        down, phase = divmod(tap[0], self.stride[0])
        start, step = first * self.stride[1] + down * self.width + tap[1], every * self.stride[1]
        return self.pixels[phase, start : start + count * step].reshape(count, -1)[:, : taps * self.pixels.shape[2]]


def flatten(
    ifm: Array, padding: Padding, value: int, stride: tuple[int, int], spare: int, dtype: type[np.generic]
) -> FlatMap:
    """`ifm` with a border of `value`, and `spare` more pixels, that windows at the end may reach into.

    Padding a map with its zero point is padding with real zeros, because every use subtracts the zero point.
    """
    (n, h, w, depth), (sh, sw), (top, left) = ifm.shape, stride, (padding.top, padding.left)
    rows, width = -(-(top + h + padding.bottom) // sh), -(-(left + w + padding.right) // sw) * sw
    pixels = np.full((sh, n * rows * width + spare, depth), value, dtype)
    phases = pixels[:, : n * rows * width].reshape(sh, n, rows, width, depth)
    for phase in range(sh):
        first = (phase - top) % sh
        part = ifm[:, first::sh]
        above = (first + top) // sh
        phases[phase, :, above : above + part.shape[1], left : left + w] = part
    return FlatMap(pixels, rows, width, stride)
