# SPDX-License-Identifier: Apache-2.0
"""The rounding profiles against definitions written a second time, on Python's unbounded integers and fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esl_ref.errors import NumericError
from esl_ref.numerics import (
    INT32_MAX,
    INT32_MIN,
    Profile,
    Requant,
    average_reciprocal,
    divide_half_away,
    narrow,
    quantise_multiplier,
    requantise,
    rounding_shift_right,
    saturate,
    srdhm,
)

int32 = st.integers(INT32_MIN, INT32_MAX)
corner32 = st.sampled_from([INT32_MIN, INT32_MIN + 1, -(1 << 30), -2, -1, 0, 1, 2, 1 << 30, INT32_MAX - 1, INT32_MAX])
any32 = st.one_of(int32, corner32)
multiplier = st.one_of(st.integers(1 << 30, INT32_MAX), st.sampled_from([0, 1 << 30, (1 << 30) + 1, INT32_MAX]))


def one(value: int) -> np.ndarray:
    return np.array([value], np.int64)


def trunc_div(a: int, b: int) -> int:
    """C's integer division: toward zero."""
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def half_up(x: Fraction) -> int:
    return math.floor(x + Fraction(1, 2))


def half_away(x: Fraction) -> int:
    return half_up(x) if x >= 0 else -half_up(-x)


def gemmlowp_srdhm(a: int, b: int) -> int:
    """The definition of gemmlowp's scalar code: a nudge by sign, then truncation."""
    if a == b == INT32_MIN:
        return INT32_MAX
    nudge = 1 << 30 if a * b >= 0 else 1 - (1 << 30)
    return trunc_div(a * b + nudge, 1 << 31)


def requant(mul: int, shift: int, profile: Profile, add: int | None = None) -> Requant:
    return Requant(one(mul), one(shift), profile, None if add is None else one(add))


@given(any32, any32)
def test_srdhm_is_gemmlowps(a: int, b: int) -> None:
    assert int(srdhm(one(a), one(b))[0]) == gemmlowp_srdhm(a, b)


@given(any32, st.integers(0, 31))
def test_rounding_shift_right_is_half_away(x: int, n: int) -> None:
    assert int(rounding_shift_right(one(x), n)[0]) == half_away(Fraction(x, 1 << n))


@given(any32, multiplier, st.integers(-31, 8))
def test_tflite_profile_is_two_roundings(acc: int, mul: int, shift: int) -> None:
    shifted = acc << max(shift, 0)
    if not INT32_MIN <= shifted <= INT32_MAX:
        with pytest.raises(NumericError, match="leaves int32"):
            requantise(one(acc), requant(mul, shift, Profile.TFLITE))
        return
    expected = half_away(Fraction(gemmlowp_srdhm(shifted, mul), 1 << max(-shift, 0)))
    assert int(requantise(one(acc), requant(mul, shift, Profile.TFLITE))[0]) == expected


@given(st.integers(-(1 << 15), 1 << 15), st.integers(1, 14))
def test_ties_of_every_profile(m: int, n: int) -> None:
    """Half-way cases, which random accumulators almost never are: (2 m + 1) * 2**n halved and shifted right by n."""
    acc, exact = (2 * m + 1) << n, Fraction(2 * m + 1, 2)
    assert int(requantise(one(acc), requant(1 << 30, -n, Profile.TFLITE))[0]) == half_away(exact)
    assert int(requantise(one(acc), requant(1 << 30, -n, Profile.SINGLE))[0]) == half_up(exact)
    assert int(requantise(one(acc), requant(1, -n - 1, Profile.POW2))[0]) == half_up(exact)
    add = 1 << n
    assert int(requantise(one(acc), requant(1, -n - 1, Profile.MUL_ADD_SHIFT, add))[0]) == half_up(exact)
    assert int(requantise(one(2 * m + 1), requant(1 << 30, 0, Profile.TFLITE))[0]) == half_up(exact)  # first stage


@given(st.lists(any32, min_size=1, max_size=6), st.data())
def test_tflite_profile_per_channel(accs: list[int], data: st.DataObject) -> None:
    """Channels with and without a right shift side by side: the in-place form treats them differently."""
    muls = [data.draw(multiplier) for _ in accs]
    shifts = [data.draw(st.integers(-31, 0)) for _ in accs]
    expected = [half_away(Fraction(gemmlowp_srdhm(a, m), 1 << -s)) for a, m, s in zip(accs, muls, shifts, strict=True)]
    before = np.array(accs, np.int64)
    result = requantise(before, Requant(np.array(muls), np.array(shifts)))
    assert result.tolist() == expected
    assert before.tolist() == accs  # in place, but not on the caller's array


@given(any32, multiplier, st.integers(-31, 30))
def test_single_profile_is_one_rounding(acc: int, mul: int, shift: int) -> None:
    expected = half_up(Fraction(acc * mul, 1 << (31 - shift)))
    assert int(requantise(one(acc), requant(mul, shift, Profile.SINGLE))[0]) == expected


@given(any32, multiplier, st.integers(-31, 30))
def test_even_profile_is_one_rounding(acc: int, mul: int, shift: int) -> None:
    expected = round(Fraction(acc * mul, 1 << (31 - shift)))  # Python's round goes to even
    assert int(requantise(one(acc), requant(mul, shift, Profile.EVEN))[0]) == expected


@given(st.integers(-1000, 1000), st.integers(0, 20))
def test_even_profile_at_ties(value: int, right: int) -> None:
    """(2 value + 1) / 2 exactly."""
    acc = (2 * value + 1) << right
    expected = value if value % 2 == 0 else value + 1
    assert int(requantise(one(acc), requant(1 << 30, -right, Profile.EVEN))[0]) == expected


@given(any32, st.integers(0, (1 << 31) - 1), st.integers(-40, 0), st.integers(-(1 << 40), 1 << 40))
def test_mul_add_shift_profile(acc: int, mul: int, shift: int, add: int) -> None:
    expected = math.floor(Fraction(acc * mul + add, 1 << -shift))
    assert int(requantise(one(acc), requant(mul, shift, Profile.MUL_ADD_SHIFT, add))[0]) == expected


@given(any32, st.integers(-31, 0))
def test_pow2_profile(acc: int, shift: int) -> None:
    expected = half_up(Fraction(acc, 1 << -shift))
    assert int(requantise(one(acc), requant(1, shift, Profile.POW2))[0]) == expected


def test_the_profiles_differ_where_they_should() -> None:
    """-1.5 and 0.49999 tell all four apart."""
    args = {"acc": one(-3), "mul": 1 << 30, "shift": 0}
    tflite = int(requantise(args["acc"], requant(1 << 30, 0, Profile.TFLITE))[0])
    single = int(requantise(args["acc"], requant(1 << 30, 0, Profile.SINGLE))[0])
    assert (tflite, single) == (-1, -1)  # -1.5: both round the product half up here ...
    deep = requant(1 << 30, -1, Profile.TFLITE), requant(1 << 30, -1, Profile.SINGLE)
    assert [int(requantise(one(-6), r)[0]) for r in deep] == [-2, -1]  # ... but a later shift rounds half away
    assert int(requantise(one(-6), requant(1, -2, Profile.POW2))[0]) == -1
    assert int(requantise(one(-6), requant(1, -2, Profile.MUL_ADD_SHIFT, 0))[0]) == -2


@given(st.one_of(st.floats(1e-12, 1e9), st.sampled_from([0.5, 1.0, 2.0, 1 - 2**-33, 1 - 2**-53, 2.0**-32, 2.0**-33])))
def test_quantise_multiplier_is_the_nearest(scale: float) -> None:
    mul, shift = quantise_multiplier(scale)
    if scale < 2.0**-32:
        assert (mul, shift) == (0, 0) or mul * 2.0 ** (shift - 31) == pytest.approx(scale)
        return
    assert 1 << 30 <= mul <= INT32_MAX
    exact = Fraction(scale)
    error = abs(Fraction(mul) * Fraction(2) ** (shift - 31) - exact)
    assert error <= Fraction(2) ** (shift - 32)  # half a unit in the last place of the multiplier


def test_quantise_multiplier_renormalises() -> None:
    assert quantise_multiplier(1 - 2**-40) == (1 << 30, 1)
    assert quantise_multiplier(0.0) == (0, 0)
    assert quantise_multiplier(2.0**-33) == (0, 0)


@pytest.mark.parametrize("scale", [-1.0, math.nan, math.inf, -math.inf, 2.0**31])
def test_quantise_multiplier_refuses(scale: float) -> None:
    with pytest.raises(NumericError, match="layer 7"):
        quantise_multiplier(scale, "layer 7")


@given(st.integers(-(1 << 40), 1 << 40), st.integers(1, 1 << 20))
def test_divide_half_away(acc: int, count: int) -> None:
    assert int(divide_half_away(one(acc), count)[0]) == half_away(Fraction(acc, count))


@given(st.integers(1, 1 << 14), st.data())
def test_average_reciprocal_divides_exactly(count: int, data: st.DataObject) -> None:
    reciprocal, shift = average_reciprocal(count)
    assert 1 << 30 <= reciprocal < 1 << 31
    bound = 128 * count + count // 2
    n = data.draw(st.one_of(st.integers(0, bound), st.sampled_from([0, count - 1, count, bound - 1, bound])))
    assert (n * reciprocal) >> shift == n // count


@pytest.mark.parametrize("count", [0, -1, (1 << 14) + 1])
def test_average_reciprocal_refuses(count: int) -> None:
    with pytest.raises(NumericError):
        average_reciprocal(count)


def test_narrowing_refuses_and_saturation_saturates() -> None:
    wide = np.array([-129, 0, 128])
    with pytest.raises(NumericError, match=r"range \[-129, 128\] does not fit int8"):
        narrow(wide, np.int8)
    assert narrow(np.array([-128, 127]), np.int8).dtype == np.int8
    assert saturate(wide, -128, 127).tolist() == [-128, 0, 127]
    assert saturate(wide, -5, 6).tolist() == [-5, 0, 6]
