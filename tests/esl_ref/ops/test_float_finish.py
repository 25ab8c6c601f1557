# SPDX-License-Identifier: Apache-2.0
"""The float form of `finish` against the integer one: ties, extremes, and what it must leave to integers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esl_ref.errors import NumericError
from esl_ref.ir import Act
from esl_ref.numerics import Profile, Requant
from esl_ref.ops import float_finish
from esl_ref.ops.finish import finish
from esl_ref.ops.float_finish import LARGEST_SHIFT, finisher

INT8 = np.dtype(np.int8)
LIMIT = (1 << 24) - 1

multiplier = st.one_of(
    st.integers(0, (1 << 31) - 1), st.sampled_from([0, 1, (1 << 30) - 1, 1 << 30, (1 << 30) + 1, (1 << 31) - 1])
)
profile = st.sampled_from([Profile.TFLITE, Profile.SINGLE, Profile.EVEN])


@pytest.fixture(scope="module", autouse=True)
def always_in_float() -> Iterator[None]:
    """However few the accumulators are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(float_finish, "_FEW", 0)
        yield


def both(acc: Any, requant: Requant, act: Act, constant: Any) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    acc, constant = np.asarray(acc), np.asarray(constant, np.int64)
    fast = finisher(requant, act, constant, INT8)(acc.astype(np.float32))
    return fast, finish(acc.astype(np.int64) + constant, requant, act, INT8)


@st.composite
def acts(draw: st.DrawFn) -> Act:
    low = draw(st.integers(-128, 127))
    return Act(draw(st.integers(-128, 127)), low, draw(st.integers(low, 127)))


scale_lists = st.lists(st.tuples(multiplier, st.integers(0, LARGEST_SHIFT)), min_size=1, max_size=4)


@given(scale_lists, profile, acts(), st.data())
def test_equals_the_integer_form(scales: list[tuple[int, int]], form: Profile, act: Act, data: st.DataObject) -> None:
    """Accumulators around every step of the result in reach, where alone the two could part, and at the extremes."""
    muls, shifts = np.array(scales).T
    requant = Requant(muls, -shifts, form)
    bias = np.array([data.draw(st.integers(-(1 << 22), 1 << 22)) for _ in scales])
    halves = np.arange(-2 * 260, 2 * 260 + 1)[:, None]
    steps = halves * 2.0 ** (30 + shifts) / np.maximum(muls, 1)
    near = np.clip(np.rint(steps), -LIMIT - bias, LIMIT - bias).astype(np.int64) - bias
    ends = np.array([-LIMIT, 0, LIMIT])[:, None] + np.zeros_like(muls)
    acc = np.concatenate([near + d for d in (-2, -1, 0, 1, 2)] + [ends])
    fast, exact = both(np.clip(acc, -LIMIT, LIMIT), requant, act, bias)
    np.testing.assert_array_equal(fast, exact)


@pytest.mark.parametrize("form", [Profile.TFLITE, Profile.SINGLE, Profile.EVEN])
@pytest.mark.parametrize("shift", range(LARGEST_SHIFT + 1))
def test_ties(form: Profile, shift: int) -> None:
    """A multiplier of one half makes every other accumulator a tie of one rounding or the other."""
    reach = np.arange(-300, 301)
    acc = np.concatenate([(reach << (shift + 1)) + (1 << shift) + d for d in (-1, 0, 1)])
    acc = acc[np.abs(acc) <= LIMIT][:, None]
    fast, exact = both(acc, Requant(np.array([1 << 30]), np.array([-shift]), form), Act(), [0])
    np.testing.assert_array_equal(fast, exact)
    assert len(np.unique(fast)) == (256 if shift < 15 else len(np.unique(exact)))


@pytest.mark.parametrize("form", [Profile.TFLITE, Profile.SINGLE, Profile.EVEN])
@pytest.mark.parametrize("shift", [1, 4, 7, 9, 12, 16])
def test_products_closest_to_a_step(form: Profile, shift: int) -> None:
    """acc * multiplier a few units of 2**-(31 + n) above and below a step, searched for: no random case comes near."""
    muls = np.random.default_rng(shift).integers(1 << 30, 1 << 31, 1 << 17)
    down = 1 << 30 if form is Profile.TFLITE else 0
    cases = []
    for k in range(1, 128, 3):
        step = (k << (31 + shift)) - (1 << (30 + shift)) - down  # the product at which the result becomes k
        above = -step % muls
        near = np.concatenate([np.argsort(above)[:40], np.argsort(muls - above)[:40]])
        cases.append(np.stack([-(-step // muls[near]), muls[near]]))
    acc, mul = np.concatenate(cases, axis=1)
    for sign in (1, -1):
        for d in (-1, 0):
            at = np.clip(sign * (acc + d), -LIMIT, LIMIT)
            fast, exact = both(at[None], Requant(mul, np.full(mul.shape, -shift), form), Act(), np.zeros_like(mul))
            np.testing.assert_array_equal(fast, exact)


def test_half_away_from_zero_only_where_there_is_a_second_rounding() -> None:
    requant = Requant(np.array([1 << 30, 1 << 30]), np.array([0, -1]))
    fast, _ = both([[-3, -6], [3, 6]], requant, Act(), [0, 0])
    assert fast.tolist() == [[-1, -2], [2, 2]]  # -1.5 half up, -1.5 half away


def test_blocks_longer_than_the_scratch() -> None:
    rng = np.random.default_rng(3)
    acc = rng.integers(-LIMIT, LIMIT, (2, 3, 5000, 3))
    requant = Requant(rng.integers(1 << 30, 1 << 31, 3), np.array([0, -7, -12]))
    fast, exact = both(acc, requant, Act(7, -100, 90), [5, -(1 << 20), 1 << 29])
    assert fast.shape == acc.shape
    np.testing.assert_array_equal(fast, exact)


@pytest.mark.parametrize(
    ("requant", "act", "dtype", "constant"),
    [
        (Requant(np.array([1 << 30]), np.array([-LARGEST_SHIFT - 1])), Act(), np.int8, 0),
        (Requant(np.array([1 << 30]), np.array([1])), Act(), np.int8, 0),
        (Requant(np.array([1 << 31]), np.array([0])), Act(), np.int8, 0),
        (Requant(np.array([3]), np.array([-9]), Profile.MUL_ADD_SHIFT, np.array([256])), Act(), np.int8, 0),
        (Requant(np.array([1]), np.array([-9]), Profile.POW2), Act(), np.int8, 0),
        (Requant(np.array([1 << 30]), np.array([0])), Act(0, -32768, 32767), np.int16, 0),
        (Requant(np.array([1 << 30]), np.array([0])), Act(), np.int8, 1 << 30),
    ],
)
def test_outside_the_proof_integers_do_it(
    requant: Requant, act: Act, dtype: Any, constant: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(float_finish, "_in_float", lambda *_: pytest.fail("not proved"))
    acc = np.arange(-(1 << 14), 1 << 14, 3, dtype=np.float32)[:, None]
    result = finisher(requant, act, np.array([constant]), np.dtype(dtype))(acc)
    np.testing.assert_array_equal(result, finish(acc.astype(np.int64) + constant, requant, act, np.dtype(dtype)))


def test_double_accumulators_take_the_integer_way() -> None:
    """Beyond int32 the integer form refuses; the other one would not notice."""
    with pytest.raises(NumericError, match="leaves int32"):
        finisher(Requant(np.array([1 << 30]), np.array([0])), Act(), np.array([0]), INT8)(np.array([[2.0**31]]))
