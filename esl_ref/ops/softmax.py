# SPDX-License-Identifier: Apache-2.0
"""Softmax over the last axis, int8 to int8, in the reference's fixed point (host).

With d = q - max(q): differences under `diff_min` give the smallest output; the others are rescaled to Q5, put
through exp, summed in Q12, and multiplied by the reciprocal of the sum. Output scale 1/256, zero point -128.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from esl_ref.ir import Softmax, Tensor
from esl_ref.numerics import rounding_shift_right, saturate, srdhm
from esl_ref.ops.fixedpoint import exp_on_negative_values, reciprocal, rescale
from esl_ref.ops.registry import Array, register

__all__ = ["fast", "naive"]

_DIFF_BITS, _SUM_BITS = 5, 12


def _exp(op: Softmax, diff: Array) -> Array:
    """exp of a rescaled difference, in Q0."""
    return exp_on_negative_values(srdhm(diff << op.shift, np.array(op.multiplier, np.int64)), _DIFF_BITS)


def naive(op: Softmax, inputs: Sequence[Array], out: Tensor) -> Array:
    """Row by row, element by element."""
    rows = inputs[0].reshape(-1, inputs[0].shape[-1])
    result = np.full(rows.shape, -128, out.dtype)
    for r, row in enumerate(rows):
        diffs = [int(q) - int(row.max()) for q in row]
        total = sum(int(rescale(_exp(op, np.array([d])), -_SUM_BITS)[0]) for d in diffs if d >= op.diff_min)
        scale, bits = reciprocal(np.array([total]), _SUM_BITS)
        for c, d in enumerate(diffs):
            if d >= op.diff_min:
                value = rounding_shift_right(srdhm(scale, _exp(op, np.array([d]))), bits + 31 - 8) - 128
                result[r, c] = saturate(value, -128, 127)[0]
    return result.reshape(inputs[0].shape)


def fast(op: Softmax, inputs: Sequence[Array], out: Tensor) -> Array:
    """The same on whole tensors."""
    q = inputs[0].astype(np.int64)
    diff = q - q.max(axis=-1, keepdims=True)
    kept = diff >= op.diff_min
    exps = _exp(op, np.where(kept, diff, 0))
    total = np.where(kept, rescale(exps, -_SUM_BITS), 0).sum(axis=-1, keepdims=True)
    scale, bits = reciprocal(total, _SUM_BITS)
    value = rounding_shift_right(srdhm(scale, exps), bits + 31 - 8) - 128
    return saturate(np.where(kept, value, -128), -128, 127, out.dtype)


register(Softmax, naive, fast)
