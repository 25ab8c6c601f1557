# SPDX-License-Identifier: Apache-2.0
"""rtl.requantise against esl_ref.numerics: corners of every operand crossed, ties, and random values of all sizes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from esl_ref.numerics import INT32_MAX, INT32_MIN, Profile, Requant, average_reciprocal, divide_half_away, requantise
from rtl.requantise import OUT_BITS, Requantiser

LOW, HIGH = -(1 << (OUT_BITS - 1)), (1 << (OUT_BITS - 1)) - 1
SCALED = (Profile.TFLITE, Profile.SINGLE, Profile.EVEN)
ACCS = [0, 1, -1, 2, -2, 3, -3, 127, -128, 255, -256, 1 << 20, -(1 << 20)]
ACCS += [INT32_MAX, INT32_MAX - 1, INT32_MIN, INT32_MIN + 1]
MULS = [0, 1, 1 << 30, (1 << 30) + 1, INT32_MAX, INT32_MAX - 1, INT32_MIN, -1, 0x5A5A5A5A]


def _spec(profile, acc, bias, mul, shift):
    """The exact value in Python integers, by esl_ref.numerics, or None where the contract excludes the operands."""
    total = acc if profile is Profile.MUL_ADD_SHIFT else acc + bias
    if not INT32_MIN <= total <= INT32_MAX:
        return None
    if profile is Profile.TFLITE and not INT32_MIN <= total << max(shift, 0) <= INT32_MAX:
        return None
    if profile is Profile.POW2:
        mul = 1
    add = np.array([bias]) if profile is Profile.MUL_ADD_SHIFT else None
    return int(requantise(np.array([total]), Requant(np.array([mul]), np.array([shift]), profile, add))[0])


def _shifts(profile):
    return range(-31, 31) if profile in SCALED else range(-31, 1)


def _corners(profile):
    for acc, mul, shift in itertools.product(ACCS, MULS, _shifts(profile)):
        yield acc, 0, mul, shift


def _random(profile, rng, count):
    """Operands whose results are mostly in the byte range: magnitudes spread evenly over the bits."""
    shifts = _shifts(profile)
    for _ in range(count):
        acc, bias = (int(rng.integers(-(1 << b), 1 << b)) for b in rng.integers(1, 31, 2))
        shift, scale = int(rng.integers(shifts[0], shifts[-1] + 1)), int(rng.integers(1 << 30, 1 << 31))
        yield acc, bias, scale if profile is not Profile.POW2 else 1, shift


def _ties(profile):
    """Products whose discarded part is exactly one half, and its two neighbours."""
    for right, value, nudge in itertools.product(range(1, 24), (-5, -3, -1, 1, 3, 5), (-1, 0, 1)):
        if profile in SCALED:
            yield (value << (right - 1)) * 2 + nudge, 0, 1 << 30, -right
        else:
            yield (value << (right - 1)) + nudge, 0, 1, -right


def _check(simulate, dut, cases, average=0, once=0):
    mode = {"average": average, "once": once}
    rows = [{"acc": a, "bias": b, "multiplier": m, "shift": s, **mode} for (a, b, m, s), _ in cases]
    trace = simulate(dut, rows, tail=dut.LATENCY)
    got = [out["out"] for out in trace[dut.LATENCY :]]
    low = -HIGH if average else LOW  # AVERAGE saturates the magnitude
    due = [(case, min(max(v, low), HIGH)) for case, v in cases]
    wrong = [(*one, value) for one, value in zip(due, got, strict=True) if one[1] != value]
    assert not wrong, f"{len(wrong)} of {len(cases)} wrong, first (operands, spec, out): {wrong[:3]}"


@pytest.mark.parametrize("profile", Profile)
def test_profile(simulate, profile):
    rng = np.random.default_rng(2)
    operands = [*_corners(profile), *_ties(profile), *_random(profile, rng, 6000)]
    if profile is Profile.POW2:
        operands = [(a, b, 1, s) for a, b, _, s in operands]
    cases = [(case, spec) for case in operands if (spec := _spec(profile, *case)) is not None]
    inside = sum(LOW < spec < HIGH for _, spec in cases)
    assert len(cases) > 3000 and inside > 1000
    _check(simulate, Requantiser(profile), cases)


def test_once(simulate):
    """Rounding ONCE of a TFLITE machine is SINGLE, for whatever TFLITE may be shifted to the left."""
    twice, rng = Profile.TFLITE, np.random.default_rng(2)
    operands = [*_corners(twice), *_ties(twice), *_random(twice, rng, 6000)]
    legal = [case for case in operands if _spec(twice, *case) is not None]
    cases = [(case, _spec(Profile.SINGLE, *case)) for case in legal]
    assert sum(spec != _spec(twice, *case) for case, spec in cases) > 100
    _check(simulate, Requantiser(twice), cases, once=1)


@pytest.mark.parametrize("profile", Profile)
def test_average_pool(simulate, profile):
    """Rounding AVERAGE divides like TFLite's average pooling, in any profile, up to the largest window."""
    rng = np.random.default_rng(3)
    cases = []
    for count in [*range(1, 260), 961, 1024, 4096, 6400, 16383, 16384]:
        multiplier, s = average_reciprocal(count)
        sums = [-128 * count, 127 * count, count // 2, -(count // 2), -((count + 1) // 2), (count + 1) // 2,
                *rng.integers(-128 * count, 127 * count + 1, 12)]  # fmt: skip
        for total in map(int, sums):
            spec = int(divide_half_away(np.array([total]), count)[0])
            cases.append(((total, count // 2, multiplier, 31 - s), spec))
    _check(simulate, Requantiser(profile), cases, average=1)


@pytest.mark.parametrize("profile", Profile)
def test_average_formula_at_any_shift(simulate, profile):
    """The formula of docs/program.md itself, with shifts that no reciprocal of a count needs."""
    rng = np.random.default_rng(4)
    cases = []
    for shift in range(-31, 31):
        for _ in range(12):
            acc, bias = int(rng.integers(-(1 << 22), 1 << 22)), int(rng.integers(0, 1 << 14))
            multiplier = int(rng.integers(1 << 30, 1 << 31))
            n = (abs(acc) + bias) << max(shift, 0)
            if n > INT32_MAX:
                continue
            magnitude = n * multiplier >> 31 >> max(-shift, 0)
            cases.append(((acc, bias, multiplier, shift), -magnitude if acc < 0 else magnitude))
    _check(simulate, Requantiser(profile), cases, average=1)


def test_saturation_is_invisible_after_the_clamp():
    """The bound OUT_BITS rests on: no int8 zero point and clamp tells a saturated value from the true one."""
    for v in (LOW, -HIGH, HIGH):
        for zero in (-128, 127):
            assert not -128 <= v + zero <= 127
