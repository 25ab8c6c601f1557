# SPDX-License-Identifier: Apache-2.0
"""Exact integer matrix product through floating-point BLAS.

If the sum of the magnitudes of all products of a dot product stays below 2**p, p the float's significant bits (24 or
53, IEEE 754-2019 table 3.5), every partial sum in whatever order is an integer the float holds exactly: nothing rounds.
Here |x| <= 128, so the bound is 128 times the largest column sum of |w|.
"""

from __future__ import annotations

import numpy as np

from esl_ref.machine.geometry import Bytes, Ints

__all__ = ["exact_product"]


def exact_product(x: Bytes, w: Bytes) -> Ints:
    """x [M, K] @ w [K, N], int8 -> int64 [M, N]. K < 2**38 always holds, so float64 is always exact."""
    bound = 128 * int(np.abs(w.astype(np.int64)).sum(axis=0).max(initial=0))
    dtype = np.float32 if bound < 1 << 24 else np.float64
    return np.asarray(x.astype(dtype) @ w.astype(dtype)).astype(np.int64)
