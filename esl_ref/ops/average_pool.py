# SPDX-License-Identifier: Apache-2.0
"""Average pooling over the window's elements inside the map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from esl_ref.ir import AveragePool, Tensor
from esl_ref.numerics import divide_half_away, saturate
from esl_ref.ops.pool_windows import out_shape, sums_and_counts, window
from esl_ref.ops.registry import Array, register

__all__ = ["fast", "naive"]


def naive(op: AveragePool, inputs: Sequence[Array], out: Tensor) -> Array:
    """out = sum(q - zero_in) / count + zero_point, rounded to nearest, ties away from zero; padding is not counted."""
    ifm = inputs[0].astype(np.int64)
    ofm = np.empty(out_shape(op, ifm.shape), out.dtype)
    for n, y, x, c in np.ndindex(*ofm.shape):
        inside = window(op, ifm[n, :, :, c], y, x)
        mean = divide_half_away(np.array([(inside - op.zero_in).sum()]), inside.size)
        ofm[n, y, x, c] = saturate(mean + op.act.zero_point, op.act.low, op.act.high, out.dtype)[0]
    return ofm


def fast(op: AveragePool, inputs: Sequence[Array], out: Tensor) -> Array:
    """Window sums, exact in int64, from a summed-area table."""
    total, count = sums_and_counts(op, inputs[0])
    mean = divide_half_away(total - op.zero_in * count, count)
    return saturate(mean + op.act.zero_point, op.act.low, op.act.high, out.dtype)


register(AveragePool, naive, fast)
