# SPDX-License-Identifier: Apache-2.0
"""A strided box of a tensor; split and strided slice become this."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from esl_ref.ir import Slice, Tensor
from esl_ref.ops.registry import Array, register

__all__ = ["fast", "naive"]


def naive(op: Slice, inputs: Sequence[Array], out: Tensor) -> Array:
    """out[i] = ifm[begin + i * stride]."""
    ranges = [range(b, e, s) for b, e, s in zip(op.begin, op.end, op.stride, strict=True)]
    result = np.empty([len(r) for r in ranges], out.dtype)
    for index in np.ndindex(*result.shape):
        result[index] = inputs[0][tuple(r[i] for i, r in zip(index, ranges, strict=True))]
    return result


def fast(op: Slice, inputs: Sequence[Array], out: Tensor) -> Array:
    """The same with one copy."""
    box = tuple(slice(b, e, s) for b, e, s in zip(op.begin, op.end, op.stride, strict=True))
    return np.ascontiguousarray(inputs[0][box])


register(Slice, naive, fast)
