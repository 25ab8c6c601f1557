# SPDX-License-Identifier: Apache-2.0
"""Windows of the pooling operators: clipped to the map, never padded."""

from __future__ import annotations

import numpy as np

from esl_ref.ir import AveragePool, MaxPool
from esl_ref.ops.registry import Array
from esl_ref.ops.windows import out_size

__all__ = ["out_shape", "spans", "sums_and_counts", "window"]

Pool = AveragePool | MaxPool


def out_shape(op: Pool, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Output shape for an input of `shape` [N, H, W, C]."""
    p, where = op.padding, f"operator '{op.name}'"
    oh = out_size(shape[1], p.top, p.bottom, op.window[0], op.stride[0], where=where)
    ow = out_size(shape[2], p.left, p.right, op.window[1], op.stride[1], where=where)
    return shape[0], oh, ow, shape[3]


def spans(count: int, size: int, kernel: int, stride: int, before: int) -> tuple[Array, Array]:
    """First and past-the-last element inside the map, of each of `count` windows along one axis."""
    first = np.arange(count) * stride - before
    return np.maximum(first, 0), np.minimum(first + kernel, size)


def window(op: Pool, plane: Array, y: int, x: int) -> Array:
    """The elements of one window that lie inside the map [H, W]."""
    y0, x0 = y * op.stride[0] - op.padding.top, x * op.stride[1] - op.padding.left
    return plane[max(y0, 0) : y0 + op.window[0], max(x0, 0) : x0 + op.window[1]]


def sums_and_counts(op: Pool, ifm: Array) -> tuple[Array, Array]:
    """Sum [N, OH, OW, C] and number of elements [OH, OW, 1] of every window, from a summed-area table."""
    n, h, w, c = ifm.shape
    _, oh, ow, _ = out_shape(op, ifm.shape)
    y0, y1 = spans(oh, h, op.window[0], op.stride[0], op.padding.top)
    x0, x1 = spans(ow, w, op.window[1], op.stride[1], op.padding.left)
    rows = np.zeros((n, h + 1, w, c), np.int64)
    np.cumsum(ifm, axis=1, dtype=np.int64, out=rows[:, 1:])
    columns = np.zeros((n, oh, w + 1, c), np.int64)
    np.cumsum(rows[:, y1] - rows[:, y0], axis=2, out=columns[:, :, 1:])
    count = ((y1 - y0)[:, None] * (x1 - x0)[None, :])[..., None]
    return columns[:, :, x1] - columns[:, :, x0], count
