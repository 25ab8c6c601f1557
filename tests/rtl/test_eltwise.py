# SPDX-License-Identifier: Apache-2.0
"""rtl.eltwise against the formulas of docs/program.md (ELTWISE), with extremes, any spacing and any shift."""

from __future__ import annotations

import numpy as np
import pytest

from esl_ref.arch import Arch
from esl_ref.numerics import Profile, rounding_shift_right, srdhm
from rtl.eltwise import EltwiseUnit

LANES = 8


def _scaled(profile, q, zero, mul, shift):
    """s(q), values in int64."""
    difference = q.astype(np.int64) - zero
    if profile is Profile.TFLITE:
        high = srdhm(difference << 20, np.int64(mul))
        return rounding_shift_right(high, min(shift, 31))  # |high| < 2**28: shifts from 29 up all give 0
    if profile in (Profile.SINGLE, Profile.EVEN):
        # Python integers: a shift of 63 needs more than 64 bits.
        return np.array([(int(d) * mul + (1 << (10 + shift))) >> (11 + shift) for d in difference])
    return (difference * mul) >> shift


def _parameters(rng, profile):
    shift = int(rng.choice([0, 1, 2, 19, 20, 28, 29, 30, 31, 32, 40, 63, *range(12)]))
    low = 0 if rng.random() < 0.1 else 1 << 30
    mul = int(rng.choice([low, (1 << 31) - 1, int(rng.integers(low, 1 << 31))]))
    if profile in (Profile.MUL_ADD_SHIFT, Profile.POW2):
        mul = max(mul >> (31 - min(shift + 21, 31)), 1)  # keeps s(q) in 30 bits, as the contract asks
    return int(rng.choice([-128, 127, 0, int(rng.integers(-128, 128))])), mul, shift


def _result(rng, flat, profile):
    """The two operand cycles and the accumulators due."""
    extreme = rng.random() < 0.2
    a, b = (rng.choice([-128, 127], LANES) if extreme else rng.integers(-128, 128, LANES) for _ in "ab")
    (zero_a, mul_a, shift_a), (zero_b, mul_b, shift_b) = _parameters(rng, profile), _parameters(rng, profile)
    mul, sub = int(rng.random() < 0.25), int(rng.random() < 0.4)
    if mul:
        expected = (a.astype(int) - zero_a) * (b.astype(int) - zero_b)
    else:
        s_a, s_b = _scaled(profile, a, zero_a, mul_a, shift_a), _scaled(profile, b, zero_b, mul_b, shift_b)
        expected = s_a - s_b if sub else s_a + s_b
    fields = {"mul": mul, "sub": sub, "zero_a": zero_a, "mul_a": mul_a, "shift_a": shift_a,
              "zero_b": zero_b, "mul_b": mul_b, "shift_b": shift_b}  # fmt: skip
    vector_a, vector_b = flat.pack(a, 8), flat.pack(b, 8)
    operands = [{"valid_a": 1, "vector": vector_a, **fields}, {"valid_b": 1, "vector": vector_b, **fields}]
    return operands, [int(v) for v in expected]


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize("latency", [6, 8])
def test_every_profile(simulate, flat, profile, latency):
    rng = np.random.default_rng(list(Profile).index(profile))
    cycles, results = [], []
    for _ in range(300 if latency == 6 else 30):
        (first, second), expected = _result(rng, flat, profile)
        cycles.append(first)
        while rng.random() < 0.3:
            cycles.append({"vector": int(rng.integers(1 << 62))})
        results.append((len(cycles) + latency, expected))
        cycles.append(second)
    dut = EltwiseUnit(Arch(lanes=LANES, post_lanes=LANES, window_rows=3, profile=profile), latency)
    trace = simulate(dut, cycles, tail=latency)
    got = [(n, flat.unpack(out["acc"], 32, LANES)) for n, out in enumerate(trace) if out["out_valid"]]
    assert got == results


def test_ties_of_both_signs(simulate, flat):
    """mul = 2**30, shift 20: s(q) = (q - zero) / 2, ties away from zero in TFLITE and up in SINGLE."""
    for profile, expected in ((Profile.TFLITE, [-2, -1, 1, 2]), (Profile.SINGLE, [-1, 0, 1, 2])):
        fields = {"mul_a": 1 << 30, "shift_a": 20, "mul_b": 0}
        vector = flat.pack([-3, -1, 1, 3] * 2, 8)
        dut = EltwiseUnit(Arch(lanes=LANES, post_lanes=LANES, window_rows=3, profile=profile), 6)
        trace = simulate(dut, [{"valid_a": 1, "vector": vector, **fields}, {"valid_b": 1, **fields}], tail=6)
        assert flat.unpack(trace[7]["acc"], 32, LANES) == expected * 2


def test_latency_is_checked():
    with pytest.raises(ValueError, match="latency must be at least 6, not 5"):
        EltwiseUnit(Arch(), 5)
