# SPDX-License-Identifier: Apache-2.0
"""Permutation of axes (host: hardware addresses NHWC only)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from esl_ref.ir import Tensor, Transpose
from esl_ref.ops.registry import Array, register

__all__ = ["fast", "naive"]


def naive(op: Transpose, inputs: Sequence[Array], out: Tensor) -> Array:
    """out[j] = ifm[i] with j[k] = i[perm[k]]."""
    result = np.empty(out.shape, out.dtype)
    for index in np.ndindex(*inputs[0].shape):
        result[tuple(index[p] for p in op.perm)] = inputs[0][index]
    return result


def fast(op: Transpose, inputs: Sequence[Array], out: Tensor) -> Array:
    """The same with one copy."""
    return np.ascontiguousarray(inputs[0].transpose(op.perm))


register(Transpose, naive, fast)
