# SPDX-License-Identifier: Apache-2.0
"""Exact integer matrix products through floating-point BLAS.

A float of p significant bits holds every integer of magnitude up to 2**p. If the sum of the magnitudes of all
products of one dot product stays below 2**p, then every partial sum, in whatever order or blocking BLAS chooses and
with or without fused multiply-add, is such an integer, so no operation rounds and the result is the integer one.
p is 24 for float32 and 53 for float64 (IEEE 754-2019, table 3.5).
"""

from __future__ import annotations

import numpy as np

from esl_ref.errors import NumericError
from esl_ref.ops.registry import Array

__all__ = ["FLOAT32_EXACT", "FLOAT64_EXACT", "dot_bound", "exact_dtype"]

FLOAT32_EXACT = 1 << 24
FLOAT64_EXACT = 1 << 53


def dot_bound(weight: Array, largest_input: int, axis: int | tuple[int, ...]) -> int:
    """Largest possible sum |x| * |w| over `axis`, for |x| <= largest_input and weights in a wider type."""
    if not weight.size:
        return 0
    return largest_input * int(np.abs(weight).sum(axis=axis, dtype=np.int64).max())


def exact_dtype(bound: int) -> type[np.generic]:
    """The fastest float type in which a dot product under `bound` is exact."""
    if bound < FLOAT32_EXACT:
        return np.float32
    if bound < FLOAT64_EXACT:
        return np.float64
    raise NumericError(f"a dot product of up to {bound} is not exact in float64")
