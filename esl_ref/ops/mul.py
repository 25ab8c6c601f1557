# SPDX-License-Identifier: Apache-2.0
"""Product of two tensors: out = clamp(requantise((q_1 - zero_1) * (q_2 - zero_2)) + zero_point)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from esl_ref.ir import Mul, Tensor
from esl_ref.ops.finish import finish
from esl_ref.ops.registry import Array, register

__all__ = ["fast", "naive"]


def naive(op: Mul, inputs: Sequence[Array], out: Tensor) -> Array:
    """Element by element."""
    a, b = np.broadcast_arrays(inputs[0], inputs[1])
    result = np.empty(a.shape, out.dtype)
    for index in np.ndindex(*a.shape):
        product = (int(a[index]) - op.zero[0]) * (int(b[index]) - op.zero[1])
        result[index] = finish(np.array([product]), op.requant, op.act, out.dtype)[0]
    return result


def fast(op: Mul, inputs: Sequence[Array], out: Tensor) -> Array:
    """The same on whole tensors, which broadcast as in numpy; |product| <= 255 * 255 in int8."""
    product = (inputs[0].astype(np.int64) - op.zero[0]) * (inputs[1].astype(np.int64) - op.zero[1])
    return finish(product, op.requant, op.act, out.dtype)


register(Mul, naive, fast)
