# SPDX-License-Identifier: Apache-2.0
"""Fixed-point functions: gemmlowp's published constants, and nearness to the real functions over their ranges."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esl_ref.ops import fixedpoint as fp


def one(value: int) -> np.ndarray:
    return np.array([value], np.int64)


def test_published_constants() -> None:
    """The literals of gemmlowp's fixedpoint.h."""
    assert int(fp._constant(math.exp(-1 / 8))) == 1895147668
    assert int(fp._constant(1 / 3)) == 715827883
    assert int(fp._constant(48 / 17, 2)) == 1515870810
    assert int(fp._constant(-32 / 17, 2)) == -1010580540
    published = [1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242]
    assert [int(c) for _, c in fp._EXP_STEPS] == published


@given(st.integers(-(1 << 31), 0), st.integers(0, 5))
def test_exp(raw: int, bits: int) -> None:
    value = int(fp.exp_on_negative_values(one(raw), bits)[0]) / 2**31
    assert value == pytest.approx(math.exp(raw / 2 ** (31 - bits)), abs=3e-7)


@given(st.integers(-(1 << 31) + 1, (1 << 31) - 1))
def test_logistic_and_tanh(raw: int) -> None:
    x = raw / 2**27
    assert int(fp.logistic(one(raw), 4)[0]) / 2**31 == pytest.approx(1 / (1 + math.exp(-x)), abs=4e-7)
    assert int(fp.tanh(one(raw), 4)[0]) / 2**31 == pytest.approx(math.tanh(x), abs=4e-6)


@given(st.integers(0, (1 << 31) - 1))
def test_odd_symmetry(raw: int) -> None:
    assert int(fp.tanh(one(-raw), 4)[0]) == -int(fp.tanh(one(raw), 4)[0])


@given(st.integers(1, (1 << 31) - 1))
def test_reciprocal(raw: int) -> None:
    scale, bits = fp.reciprocal(one(raw), 12)
    value = int(scale[0]) / 2**31 * 2.0 ** -int(bits[0])
    assert value == pytest.approx(1 / (raw / 2**19), rel=1e-6)


@pytest.mark.parametrize("x", [1, 2, 3, 1 << 15, (1 << 30) - 1, 1 << 30, (1 << 31) - 1, 1 << 31, (1 << 32) - 1])
def test_count_leading_zeros(x: int) -> None:
    assert int(fp.count_leading_zeros(one(x))[0]) == 32 - x.bit_length()


def test_rescale_saturates_to_the_left_and_rounds_to_the_right() -> None:
    x = np.array([1 << 30, -(1 << 30) - 1, 5, -5, 3])
    assert fp.rescale(x, 2).tolist() == [(1 << 31) - 1, -(1 << 31), 20, -20, 12]
    assert fp.rescale(np.array([5, -5, 6, -6, 7]), -2).tolist() == [1, -1, 2, -2, 2]
