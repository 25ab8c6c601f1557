# SPDX-License-Identifier: Apache-2.0
"""Elementwise maximum and minimum of two tensors of equal quantisation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from esl_ref.ir import Maximum, Minimum, Tensor
from esl_ref.ops.registry import Array, register

__all__ = ["fast", "naive"]


def naive(op: Maximum | Minimum, inputs: Sequence[Array], out: Tensor) -> Array:
    """Element by element; shapes broadcast as in numpy."""
    a, b = np.broadcast_arrays(inputs[0], inputs[1])
    choose = max if isinstance(op, Maximum) else min
    result = np.empty(a.shape, out.dtype)
    for index in np.ndindex(*a.shape):
        result[index] = choose(int(a[index]), int(b[index]))
    return result


def fast(op: Maximum | Minimum, inputs: Sequence[Array], out: Tensor) -> Array:
    """The same on whole tensors."""
    choose = np.maximum if isinstance(op, Maximum) else np.minimum
    return np.asarray(choose(inputs[0], inputs[1]))


register(Maximum, naive, fast)
register(Minimum, naive, fast)
