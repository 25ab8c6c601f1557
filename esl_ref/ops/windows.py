# SPDX-License-Identifier: Apache-2.0
"""Geometry of sliding windows, and the gathers that turn windows into matrices."""

from __future__ import annotations

import numpy as np

from esl_ref.errors import ModelError
from esl_ref.ir import Padding
from esl_ref.ops.registry import Array

__all__ = ["out_size", "pad_map", "tap_view"]


def out_size(size: int, before: int, after: int, kernel: int, stride: int, dilation: int = 1, where: str = "") -> int:
    """Number of window positions along one axis: floor((before + size + after - extent) / stride) + 1."""
    extent = (kernel - 1) * dilation + 1
    room = before + size + after - extent
    if room < 0 or stride < 1 or dilation < 1 or kernel < 1:
        raise ModelError(
            f"a window of {kernel} taps (stride {stride}, dilation {dilation}) does not fit {size} elements "
            f"padded by {before} and {after}",
            where=where,
        )
    return room // stride + 1


def pad_map(ifm: Array, padding: Padding, value: int, dtype: type[np.generic]) -> Array:
    """The map [N, H, W, C] as `dtype`, with a border of `value`.

    Padding a map with its zero point is padding with real zeros, because every use subtracts the zero point.
    """
    n, h, w, c = ifm.shape
    if not any((padding.top, padding.bottom, padding.left, padding.right)):
        return ifm.astype(dtype)
    shape = (n, h + padding.top + padding.bottom, w + padding.left + padding.right, c)
    padded = np.full(shape, value, dtype)
    padded[:, padding.top : padding.top + h, padding.left : padding.left + w] = ifm
    return padded


def tap_view(
    padded: Array, tap: tuple[int, int], out: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int]
) -> Array:
    """The element that tap (ky, kx) of every window sees: a view [N, OH, OW, C] of the padded map."""
    y0, x0 = tap[0] * dilation[0], tap[1] * dilation[1]
    y1, x1 = y0 + (out[0] - 1) * stride[0] + 1, x0 + (out[1] - 1) * stride[1] + 1
    return padded[:, y0 : y1 : stride[0], x0 : x1 : stride[1]]
