# SPDX-License-Identifier: Apache-2.0
"""Rescaled sum and difference of two tensors.

s_k = requantise((q_k - zero_k) << left_shift, input_k);  out = clamp(requantise(s_1 +- s_2) + zero_point).
Both inputs are brought to twice the larger input scale with `left_shift` bits of headroom, so that the two
roundings before the sum cost far less than the one after it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from esl_ref.ir import Add, Sub, Tensor
from esl_ref.numerics import requantise
from esl_ref.ops.finish import finish
from esl_ref.ops.registry import Array, register

__all__ = ["fast", "naive"]


def naive(op: Add, inputs: Sequence[Array], out: Tensor) -> Array:
    """Element by element, as in the module's equation."""
    a, b = np.broadcast_arrays(inputs[0], inputs[1])
    result = np.empty(a.shape, out.dtype)
    for index in np.ndindex(*a.shape):
        s1 = requantise(np.array([(int(a[index]) - op.zero[0]) << op.left_shift]), op.requant_in[0])
        s2 = requantise(np.array([(int(b[index]) - op.zero[1]) << op.left_shift]), op.requant_in[1])
        result[index] = finish(s1 + op.sign * s2, op.requant, op.act, out.dtype)[0]
    return result


def _scaled(op: Add, k: int, values: Array) -> Array:
    """s_k of every value, through a table where a byte indexes it: 256 roundings instead of one per element."""
    if values.dtype == np.int8 and values.size > 256:
        table = _scaled(op, k, np.arange(-128, 128, dtype=np.int16))
        return table[values.astype(np.int16) + 128]
    return requantise((values.astype(np.int64) - op.zero[k]) << op.left_shift, op.requant_in[k])


def fast(op: Add, inputs: Sequence[Array], out: Tensor) -> Array:
    """The same on whole tensors, which broadcast as in numpy."""
    total = _scaled(op, 0, inputs[0]) + op.sign * _scaled(op, 1, inputs[1])
    return finish(total, op.requant, op.act, out.dtype)


register(Add, naive, fast)
register(Sub, naive, fast)
