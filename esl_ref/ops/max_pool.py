# SPDX-License-Identifier: Apache-2.0
"""Maximum pooling over the window's elements inside the map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from esl_ref.ir import MaxPool, Tensor
from esl_ref.numerics import saturate
from esl_ref.ops.pool_windows import out_shape, window
from esl_ref.ops.registry import Array, register
from esl_ref.ops.windows import pad_map, tap_view

__all__ = ["fast", "naive"]


def naive(op: MaxPool, inputs: Sequence[Array], out: Tensor) -> Array:
    """out = largest element of the window inside the map, clamped."""
    ifm = inputs[0]
    ofm = np.empty(out_shape(op, ifm.shape), out.dtype)
    for n, y, x, c in np.ndindex(*ofm.shape):
        largest = window(op, ifm[n, :, :, c], y, x).max()
        ofm[n, y, x, c] = min(max(int(largest), op.act.low), op.act.high)
    return ofm


def fast(op: MaxPool, inputs: Sequence[Array], out: Tensor) -> Array:
    """Running maximum over the taps; the border holds the smallest value, which no element is below.

    Two passes, rows then columns: a maximum over a rectangle separates.
    """
    ifm = inputs[0]
    _, oh, ow, _ = out_shape(op, ifm.shape)
    padded = pad_map(ifm, op.padding, int(np.iinfo(ifm.dtype).min), ifm.dtype.type)
    tall = (oh, padded.shape[2])
    rows = tap_view(padded, (0, 0), tall, (op.stride[0], 1), (1, 1)).copy()
    for ky in range(1, op.window[0]):
        np.maximum(rows, tap_view(padded, (ky, 0), tall, (op.stride[0], 1), (1, 1)), out=rows)
    result = tap_view(rows, (0, 0), (oh, ow), (1, op.stride[1]), (1, 1)).copy()
    for kx in range(1, op.window[1]):
        np.maximum(result, tap_view(rows, (0, kx), (oh, ow), (1, op.stride[1]), (1, 1)), out=result)
    return saturate(result, op.act.low, op.act.high, out.dtype)


register(MaxPool, naive, fast)
