# SPDX-License-Identifier: Apache-2.0
"""What the sliding-window kernels share: geometry, slabs of input rows, and rows of columns for matrix products."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from esl_ref.errors import ModelError
from esl_ref.floating.activation import Activation, Function
from esl_ref.ir import Padding
from esl_ref.ops.windows import out_size, tap_view

__all__ = ["WORKSPACE", "FloatArray", "activated", "as_map", "columns", "in_map", "map_size", "rows_per_block", "slab"]

FloatArray = npt.NDArray[np.floating[Any]]
"""float32, or float64 where results must not depend on the order in which a BLAS sums."""

WORKSPACE = 1 << 18
"""Elements (1 MiB) of the matrix of columns that one block of output rows is computed from: the most a convolution
needs beside its input, output and weights, as long as one row of output fits."""


def map_size(
    shape: tuple[int, ...], kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int],
    padding: Padding, where: str,
) -> tuple[int, int]:  # fmt: skip
    """Height and width of the output map; ModelError if the window does not fit."""
    return (
        out_size(shape[1], padding.top, padding.bottom, kernel[0], stride[0], dilation[0], where),
        out_size(shape[2], padding.left, padding.right, kernel[1], stride[1], dilation[1], where),
    )


def rows_per_block(out_width: int, elements_per_pixel: int) -> int:
    """Output rows whose workspace stays within bounds; at least one."""
    return max(1, WORKSPACE // max(1, out_width * elements_per_pixel))


def slab(ifm: FloatArray, first: int, count: int, padding: Padding) -> FloatArray:
    """Rows `first` .. `first + count` of the zero-padded map [1, H, W, C], as [1, count, padded W, C].

    A view where nothing is padded, so that only the rows at work are ever copied.
    """
    _, h, w, c = ifm.shape
    top = first - padding.top
    if top >= 0 and top + count <= h and not padding.left and not padding.right:
        return ifm[:, top : top + count]
    result = np.zeros((1, count, w + padding.left + padding.right, c), ifm.dtype)
    low, high = max(0, top), min(h, top + count)
    if high > low:
        result[:, low - top : high - top, padding.left : padding.left + w] = ifm[:, low:high]
    return result


def columns(
    rows: FloatArray, kernel: tuple[int, int], out: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int]
) -> FloatArray:
    """All taps of every window side by side: [out pixels, KH * KW * C]; a view for a 1 x 1 kernel of stride 1."""
    kh, kw = kernel
    if kernel == (1, 1):
        return tap_view(rows, (0, 0), out, stride, dilation).reshape(out[0] * out[1], -1)
    result = np.empty((1, *out, kh, kw, rows.shape[3]), rows.dtype)
    for ky in range(kh):
        for kx in range(kw):
            result[..., ky, kx, :] = tap_view(rows, (ky, kx), out, stride, dilation)
    return result.reshape(out[0] * out[1], -1)


def in_map(tap: int, before: int, size: int, out: int, stride: int) -> tuple[slice, slice] | None:
    """(output positions whose tap lies inside the map, the input positions it meets); None if there are none."""
    low = max(0, -(-(before - tap) // stride))
    high = min(out, (size - 1 + before - tap) // stride + 1)
    if high <= low:
        return None
    start = low * stride + tap - before
    return slice(low, high), slice(start, start + (high - low - 1) * stride + 1, stride)


def activated(function: Activation, values: FloatArray) -> FloatArray:
    """The function of every element, in place and in blocks: its steps would each take a map of their own."""
    if function.function is Function.LINEAR:
        return values
    if not values.flags.c_contiguous:  # its elements in a row would be a copy
        values[...] = function(values)
        return values
    flat = values.reshape(-1)
    for first in range(0, flat.size, WORKSPACE):
        part = flat[first : first + WORKSPACE]
        part[...] = function(part)
    return values


def as_map(value: FloatArray, where: str) -> FloatArray:
    """The value itself if it is a map [1, H, W, C]."""
    if value.ndim != 4 or value.shape[0] != 1:
        raise ModelError(f"reads a tensor of shape {list(value.shape)}", where=where, hint="[1, H, W, C] is needed")
    return value
