# SPDX-License-Identifier: Apache-2.0
"""Accumulator bounds hold for every input, are reached, and refuse what could overflow."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esl_ref.errors import NumericError
from esl_ref.ir import Act, Add, Conv2D, FullyConnected, Graph, Sub, Tensor
from esl_ref.numerics import Requant, requantise
from esl_ref.ops.accumulators import accumulator_bounds, check_accumulators, check_op
from tests.helpers.small_ops import draw


def dense(weight: list[list[int]], bias: list[int], zero_in: int = 0, shift: int = 0) -> FullyConnected:
    return FullyConnected(
        "layer 3", ("x",), ("y",), np.array(weight, np.int8), np.array(bias, np.int64),
        Requant(np.array([1 << 30]), np.array([shift])), Act(), zero_in,
    )  # fmt: skip


def test_known_bounds() -> None:
    bounds = accumulator_bounds(dense([[2, -3], [0, 0]], [10, -7], zero_in=-128))
    assert bounds is not None
    # x - zero_in is in 0..255: 2x is in 0..510, -3x in -765..0; a bias widens one side only.
    assert bounds.low.tolist() == [-765, -7]
    assert bounds.high.tolist() == [520, 0]
    assert bounds.range == (-765, 520)


@settings(max_examples=30)
@given(st.integers(0, 1 << 32))
def test_no_partial_sum_leaves_the_bounds(seed: int) -> None:
    """Terms in random order, for the very inputs that make each extreme."""
    op, _, _ = draw(Conv2D, seed)
    assert isinstance(op, Conv2D)
    bounds = accumulator_bounds(op)
    assert bounds is not None
    rng = np.random.default_rng(seed)
    for o, kernel in enumerate(op.weight):
        weight = (kernel.astype(np.int64) - op.weight_zero).reshape(-1)
        for sign in (1, -1):
            worst = np.where(sign * weight > 0, 127, -128) - op.zero_in
            terms = rng.permutation(np.append(worst * weight, op.bias[o]))
            sums = np.cumsum(terms)
            assert bounds.low[o] <= sums.min() and sums.max() <= bounds.high[o]


@pytest.mark.parametrize("kind", [Add, Sub])
@settings(max_examples=30)
@given(seed=st.integers(0, 1 << 32))
def test_sums_and_differences_stay_inside(kind: type[Add], seed: int) -> None:
    """Before the last rescaling, for the extreme bytes of both operands."""
    op, _, _ = draw(kind, seed)
    assert isinstance(op, Add)
    bounds = accumulator_bounds(op)
    assert bounds is not None
    corners = np.array([-128, 127])
    scaled = [requantise((corners - op.zero[k]) << op.left_shift, op.requant_in[k]) for k in (0, 1)]
    total = scaled[0][:, None] + op.sign * scaled[1][None, :]
    assert bounds.low.min() <= total.min() and total.max() <= bounds.high.max()


def test_a_layer_that_could_overflow_is_refused_by_name() -> None:
    with pytest.raises(NumericError, match=r"operator 'layer 3': the accumulator can reach .* int32 cannot hold"):
        check_op(dense([[127] * 8], [(1 << 31) - 1000]))
    check_op(dense([[127] * 8], [(1 << 31) - 1 - 8 * 127 * 127]))


def test_the_left_shift_counts() -> None:
    check_op(dense([[127] * 4], [0], shift=15))
    with pytest.raises(NumericError, match="left-shifted accumulator"):
        check_op(dense([[127] * 4], [0], shift=16))


def test_a_graph_is_checked_operator_by_operator() -> None:
    good, bad = dense([[1]], [0]), dense([[1]], [(1 << 31) - 1])
    tensors = {n: Tensor(n, (1, 1), np.dtype(np.int8)) for n in "xy"}
    check_accumulators(Graph("g", tensors, (good,), ("x",), ("y",)))
    with pytest.raises(NumericError, match="layer 3"):
        check_accumulators(Graph("g", tensors, (bad,), ("x",), ("y",)))
