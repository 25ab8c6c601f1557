# SPDX-License-Identifier: Apache-2.0
"""Pooling on float32 maps [1, H, W, C]: first along rows, then along columns, which is KH + KW steps for KH * KW taps.

Nothing is padded: a tap is applied to those outputs for which it lies inside the map.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from esl_ref.floating.graph import AveragePool, MaxPool
from esl_ref.floating.kernels_window import FloatArray, as_map, in_map, map_size, rows_per_block

__all__ = ["average_pool", "max_pool"]

_Along = tuple[int, int, int, int]
"""Window, stride, padding before, and output size along one axis."""


def _reduce(ifm: FloatArray, axis: int, along: _Along, start: float, combine: Callable[..., Any]) -> FloatArray:
    """Combine the taps of one axis into an output that starts as `start`."""
    window, stride, before, out = along
    result = np.full((*ifm.shape[:axis], out, *ifm.shape[axis + 1 :]), start, ifm.dtype)
    for tap in range(window):
        places = in_map(tap, before, ifm.shape[axis], out, stride)
        if places is not None:
            lead = (slice(None),) * axis
            part = result[(*lead, places[0])]
            combine(part, ifm[(*lead, places[1])], out=part)
    return result


def _axes(op: MaxPool | AveragePool, ifm: FloatArray) -> tuple[_Along, _Along]:
    out = map_size(ifm.shape, op.window, op.stride, (1, 1), op.padding, f"layer '{op.name}'")
    return (
        (op.window[0], op.stride[0], op.padding.top, out[0]),
        (op.window[1], op.stride[1], op.padding.left, out[1]),
    )


def _pooled(op: MaxPool | AveragePool, ifm: FloatArray, start: float, combine: Callable[..., Any]) -> FloatArray:
    """Both axes, in blocks of output rows, so that the map between the two is never whole."""
    (window, stride, before, out), across = _axes(op, ifm)
    result = np.empty((1, out, across[3], ifm.shape[3]), ifm.dtype)
    step = rows_per_block(ifm.shape[2], stride * ifm.shape[3])
    for y in range(0, out, step):
        count, first = min(step, out - y), y * stride - before
        low = max(0, first)
        part = _reduce(ifm[:, low : max(low, first + (count - 1) * stride + window)], 2, across, start, combine)
        result[:, y : y + count] = _reduce(part, 1, (window, stride, low - first, count), start, combine)
    return result


def max_pool(op: MaxPool, inputs: Sequence[FloatArray]) -> FloatArray:
    """Largest element of each window inside the map."""
    ifm = as_map(inputs[0], f"layer '{op.name}'")
    return _pooled(op, ifm, -np.inf, np.maximum)


def _counts(along: _Along, size: int) -> FloatArray:
    """How many taps of one axis lie inside the map, per output position."""
    ones = np.ones((size,), np.float32)
    return _reduce(ones, 0, along, 0.0, np.add)


def average_pool(op: AveragePool, inputs: Sequence[FloatArray]) -> FloatArray:
    """Sum of each window over the elements inside the map, divided by their number or by the window's."""
    ifm = as_map(inputs[0], f"layer '{op.name}'")
    down, across = _axes(op, ifm)
    sums = _pooled(op, ifm, 0.0, np.add)
    if op.count_padding:
        return np.asarray(sums / ifm.dtype.type(op.window[0] * op.window[1]))
    counts: FloatArray = np.outer(_counts(down, ifm.shape[1]), _counts(across, ifm.shape[2])).astype(ifm.dtype)
    sums /= np.maximum(counts, 1)[None, :, :, None]
    return sums
