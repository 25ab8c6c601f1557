# SPDX-License-Identifier: Apache-2.0
"""The product through floating point is the integer product, at the edge of both float types."""

from __future__ import annotations

import numpy as np
import pytest

from esl_ref.machine.gemm import exact_product


@pytest.mark.parametrize("depth", [1, 1023, 1024, 1025, 70000])
def test_largest_operands(depth):
    # 1024 * 128 * 128 = 2**24: from there on float32 would not do.
    x = np.full((2, depth), -128, np.int8)
    w = np.full((depth, 3), -128, np.int8)
    x[1, ::2], w[::3, 2] = 127, 127
    expected = x.astype(object) @ w.astype(object)
    assert (exact_product(x, w) == expected).all()


def test_random_operands():
    rng = np.random.default_rng(1)
    x, w = rng.integers(-128, 128, (17, 3000), np.int8), rng.integers(-128, 128, (3000, 5), np.int8)
    assert (exact_product(x, w) == x.astype(np.int64) @ w.astype(np.int64)).all()
