# SPDX-License-Identifier: Apache-2.0
"""Fixed-point exp, reciprocal, logistic and tanh, as gemmlowp defines them, on int64 arrays holding int32 values.

Qm.n with m integer bits means value = raw / 2**(31 - m). A product of Qa and Qb is `srdhm`, of Q(a+b). Everything
follows gemmlowp's fixedpoint.h (Apache-2.0, described in its `doc/`), because TensorFlow Lite's int8 reference
kernels of softmax, logistic and tanh are built from these functions and their roundings show in the output bytes.
"""

from __future__ import annotations

import math

import numpy as np

from esl_ref.numerics import INT32_MAX, INT32_MIN, rounding_shift_right, srdhm
from esl_ref.ops.registry import Array

__all__ = ["count_leading_zeros", "exp_on_negative_values", "logistic", "reciprocal", "rescale", "tanh"]


def _constant(value: float, integer_bits: int = 0) -> Array:
    """A real constant in Qm, rounded to nearest."""
    return np.array(math.floor(value * 2.0 ** (31 - integer_bits) + 0.5), np.int64)


_ONE_Q0 = np.int64(INT32_MAX)  # 1.0 is just out of Q0's reach.
_ONE_Q2 = np.int64(1 << 29)
_EXP_STEPS = tuple((exponent, _constant(math.exp(-(2.0**exponent)))) for exponent in range(-2, 5))


def rescale(x: Array, exponent: int) -> Array:
    """x * 2**exponent: saturating to int32 to the left, rounding half away from zero to the right."""
    if exponent <= 0:
        return rounding_shift_right(x, -exponent)
    shifted: Array = np.clip(np.asarray(x, np.int64) << exponent, INT32_MIN, INT32_MAX)
    return shifted


def _exp_near_zero(a: Array) -> Array:
    """exp(a) for a in [-1/4, 0), Q0: the Taylor expansion around -1/8 to the fourth power."""
    x = a + (1 << 28)
    x2 = srdhm(x, x)
    x3, x4 = srdhm(x2, x), srdhm(x2, x2)
    tail = rescale(srdhm(rescale(x4, -2) + x3, _constant(1.0 / 3.0)) + x2, -1)
    at_centre = _constant(math.exp(-1.0 / 8.0))
    return at_centre + srdhm(at_centre, x + tail)


def exp_on_negative_values(a: Array, integer_bits: int) -> Array:
    """exp(a) in Q0 for a <= 0 in Q`integer_bits`, at most 5 of them.

    a is split into a remainder in [-1/4, 0) and multiples of powers of two, whose exponentials are constants.
    """
    a = np.asarray(a, np.int64)
    fraction = 31 - integer_bits
    quarter = np.int64(1 << (fraction - 2))
    inner = (a & (quarter - 1)) - quarter
    result = _exp_near_zero(rescale(inner, integer_bits))
    remainder = inner - a
    for exponent, factor in _EXP_STEPS:
        if integer_bits > exponent:
            taken = (remainder >> (fraction + exponent)) & 1
            result = np.where(taken != 0, srdhm(result, factor), result)
    return np.where(a == 0, _ONE_Q0, result)


def _newton(a: Array) -> Array:
    """1 / ((1 + a) / 2) in Q2 for a in [0, 1) in Q0: three Newton-Raphson steps from 48/17 - 32/17 d."""
    total = np.asarray(a, np.int64) + _ONE_Q0
    half_denominator = (total + 1) // 2
    x = _constant(48.0 / 17.0, 2) + srdhm(half_denominator, _constant(-32.0 / 17.0, 2))
    for _ in range(3):
        rest = _ONE_Q2 - srdhm(half_denominator, x)
        x = x + rescale(srdhm(x, rest), 2)
    return x


def _one_over_one_plus(a: Array) -> Array:
    """1 / (1 + a) in Q0 for a in [0, 1) in Q0."""
    return rescale(_newton(a), 1)


def logistic(a: Array, integer_bits: int) -> Array:
    """1 / (1 + exp(-a)) in Q0, a in Q`integer_bits`."""
    a = np.asarray(a, np.int64)
    positive = _one_over_one_plus(exp_on_negative_values(-np.abs(a), integer_bits))
    return np.where(a == 0, np.int64(1 << 30), np.where(a > 0, positive, _ONE_Q0 - positive))


def tanh(a: Array, integer_bits: int) -> Array:
    """tanh(a) in Q0, a in Q`integer_bits`: (1 - e) / (1 + e) with e = exp(-2 |a|)."""
    a = np.asarray(a, np.int64)
    e = exp_on_negative_values(-np.abs(a), integer_bits + 1)
    magnitude = rescale(_newton(e) - _ONE_Q2, 2)
    return np.where(a == 0, 0, np.where(a < 0, -magnitude, magnitude))


def count_leading_zeros(x: Array) -> Array:
    """Leading zeros of a 32-bit word, for 1 <= x < 2**32. The exponent of an exact double is the bit length."""
    return 32 - np.frexp(np.asarray(x, np.float64))[1].astype(np.int64)


def reciprocal(x: Array, integer_bits: int) -> tuple[Array, Array]:
    """(scale, bits): 1 / x = scale (Q0, in (1/2, 1]) * 2**-bits, for x > 0 in Q`integer_bits`."""
    headroom = count_leading_zeros(x)
    mantissa = (np.asarray(x, np.int64) << headroom) - (1 << 31)
    return _one_over_one_plus(mantissa), integer_bits - headroom
