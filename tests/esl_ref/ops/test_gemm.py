# SPDX-License-Identifier: Apache-2.0
"""The bounds under which floating-point products are exact, at and around them."""

from __future__ import annotations

import numpy as np
import pytest

from esl_ref.errors import NumericError
from esl_ref.ir import Act, Conv2D, Tensor
from esl_ref.numerics import Requant
from esl_ref.ops import conv2d, gemm


def test_bound_is_the_largest_sum_of_magnitudes() -> None:
    weight = np.array([[1, -2, 3], [-4, -5, 6]])
    assert gemm.dot_bound(weight, 128, 1) == 128 * 15
    assert gemm.dot_bound(weight[:0], 128, 1) == 0


def test_the_type_changes_at_the_bound() -> None:
    assert gemm.exact_dtype(gemm.FLOAT32_EXACT - 1) is np.float32
    assert gemm.exact_dtype(gemm.FLOAT32_EXACT) is np.float64
    assert gemm.exact_dtype(gemm.FLOAT64_EXACT - 1) is np.float64
    with pytest.raises(NumericError, match="not exact in float64"):
        gemm.exact_dtype(gemm.FLOAT64_EXACT)


@pytest.mark.parametrize("depth", [1031, 1032, 1033, 4096])
def test_accumulators_beyond_float32_stay_exact(depth: int) -> None:
    """All weights 127 and inputs -128 and 127: the sum passes 2**24 from 1033 channels on, and float32 would round.

    The scale of one makes the low byte of the accumulator visible through the clamp.
    """
    weight = np.full((1, 1, 1, depth), 127, np.int8)
    ifm = np.full((1, 1, 2, depth), -128, np.int8)
    ifm[..., 0] = 127  # odd products make every partial sum need its last bit
    true = int((ifm[0, 0, 0].astype(np.int64) * 127).sum())
    op = Conv2D("deep", ("in",), ("out",), weight, np.array([-true + 5], np.int64),
                Requant(np.array([1 << 30]), np.array([1])), Act())  # fmt: skip
    assert (gemm.dot_bound(weight.astype(np.int64), 128, (1, 2, 3)) < gemm.FLOAT32_EXACT) == (depth <= 1032)
    result = conv2d.fast(op, [ifm], Tensor("out", (1, 1, 2, 1), np.dtype(np.int8)))
    assert result.reshape(-1).tolist() == [5, 5]
