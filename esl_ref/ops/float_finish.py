# SPDX-License-Identifier: Apache-2.0
"""`finish` for whole blocks of accumulators that float GEMMs left as float32: in float32, where that is certain.

For a right shift n >= 0, multiplier 0 <= m < 2**31 and an accumulator with its constant a, both roundings of TFLITE are
one floor: srdhm(a, m) = floor(a m 2**-31 + 1/2), and dividing that by 2**n, half away from zero, nests into it, as
floor((floor(x) + i) / 2**n) = floor((x + i) / 2**n) for whole i:

    value = floor(v + h + 1/2),  v = a m 2**-(31 + n),  h = +-2**-(n + 1) with the sign of a, no h where n = 0.

(Where a < 0 and yet srdhm(a, m) = 0, both forms give 0.) SINGLE is the same without h, and so is EVEN but for ties.
With zero point and 128 added, x = v + h + 1/2 + zero point + 128 is worked out in float32, whose steps err by 2**-24 of
their results at most. While |v| <= 512, within which every clamp of int8 lies, the constant, the sum and its product
with a rounded scale make that at most 3 * 512 units of 2**-24 and twice the scaled constant c; h, below 1, and what is
added to it bring 512 + 770 at most: 2818 and 2 c, in all less than

    e = 2**-12 + c 2**-23.

An h of 2**-9 or less is left out and counts in e. A value farther than e from every whole number is on the right side
of it. The others, less than one in a hundred, are handed to `finish` itself. Between clamps only: from low + 1/2 down
and high + 1/2 up the clamp decides, as long as e is below 1/2; `finisher` asks for 1/16. Beyond |v| = 512 the error
grows with v, far slower than v does, and the result stays beyond the clamp. If the error turns the sign of a sum, |v|
is below e; then x is 1/4 - e or more from a whole number, and h, at most 1/4, on either side leads to the same one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from esl_ref.ir import Act
from esl_ref.numerics import Profile, Requant
from esl_ref.ops.finish import finish, per_channel
from esl_ref.ops.registry import Array

__all__ = ["LARGEST_SHIFT", "finisher"]

LARGEST_SHIFT = 30
_OFFSET = 128
_SIGN = np.uint32(1 << 31)
_SCRATCH_ELEMENTS = 1 << 14  # 320 KiB in all: memory asked for anew costs more in page faults than all the arithmetic
_FEW = 1 << 12
"""Accumulators up to which integers are faster than all the preparation below."""
_NEGLIGIBLE_NUDGE = 2.0**-9
_LARGEST_ERROR = 1 / 16
_LARGEST_CONSTANT = 1 << 30  # with an accumulator below 2**24 added, it stays within the int32 that `finish` asks for


def _covered(requant: Requant, act: Act, constant: Array, dtype: np.dtype[np.generic]) -> bool:
    mul, shift = requant.multiplier, requant.shift
    return bool(
        requant.profile in (Profile.TFLITE, Profile.SINGLE, Profile.EVEN)
        and dtype == np.int8 and -_OFFSET <= act.low <= act.high < _OFFSET and -_OFFSET <= act.zero_point < _OFFSET
        and mul.min() >= 0 and mul.max() < 1 << 31 and shift.max() <= 0 and shift.min() >= -LARGEST_SHIFT
        and np.abs(constant).max() < _LARGEST_CONSTANT
    )  # fmt: skip


@dataclass(frozen=True)
class _Terms:
    """Per channel or for all: scale, what of h is added, and the error e of all channels."""

    scale: Array
    nudge: Array
    error: float


def _terms(requant: Requant, constant: Array) -> _Terms:
    scale = np.ldexp(requant.multiplier.astype(np.float64), requant.shift - 31)
    nudge = np.ldexp(0.5, requant.shift) * (requant.shift < 0) * (requant.profile is Profile.TFLITE)
    left_out = nudge <= _NEGLIGIBLE_NUDGE
    error = 2.0**-12 + np.abs(constant * scale).max() * 2.0**-23 + (nudge * left_out).max()
    return _Terms(scale, nudge * ~left_out, float(error))


def _in_float(
    terms: _Terms, act: Act, constant: Array, single: Callable[[Array, Array], Array]
) -> Callable[[Array], Array]:
    channels = len(constant)
    nudged = bool(terms.nudge.any())
    offset = np.float32(act.zero_point + 0.5 + _OFFSET)
    low, high = np.float32(act.low + _OFFSET + 0.5), np.float32(act.high + _OFFSET + 0.5)
    error = np.float32(terms.error)
    most = max(1, _SCRATCH_ELEMENTS // channels)

    @cache
    def scratch(height: int) -> Array:
        """Bias, scale and nudge, and room for two values, for every element of a part of so many rows: numpy goes
        through arrays of one shape at once, through rows and a vector row by row."""
        made = np.empty((5, height, channels), np.float32)
        made[0], made[1], made[2] = constant, terms.scale, terms.nudge
        return made

    def shifted(part: Array, room: Array, out: Array, near: Array) -> None:
        """`part` [rows, channels] as bytes, 128 higher than asked for, into `out`; `near` where they are uncertain."""
        bias, factor, nudges, value, whole = room[:, : len(part)]
        np.add(part, bias, out=value)
        value *= factor
        if nudged:
            bits = whole.view(np.uint32)  # np.copysign by hand, which goes element by element
            np.bitwise_and(value.view(np.uint32), _SIGN, out=bits)
            np.bitwise_or(bits, nudges.view(np.uint32), out=bits)
            value += whole
        value += offset
        np.clip(value, low, high, out=value)
        out[...] = value
        np.rint(value, out=whole)
        whole -= value
        np.less_equal(np.abs(whole, out=whole), error, out=near)

    def run(acc: Array) -> Array:
        rows = acc.reshape(-1, channels)
        out, uncertain = np.empty(rows.shape, np.uint8), np.empty(rows.shape, np.bool_)
        height = min(most, len(rows))
        for first in range(0, len(rows), max(1, height)):
            part = slice(first, first + height)
            shifted(rows[part], scratch(height), out[part], uncertain[part])
        out ^= _OFFSET
        result = out.view(np.int8)
        near = np.flatnonzero(uncertain)
        result.flat[near] = single(rows.flat[near], near % channels)
        return result.reshape(acc.shape)

    return run


def finisher(requant: Requant, act: Act, constant: Array, dtype: np.dtype[np.generic]) -> Callable[[Array], Array]:
    """A function from float accumulators [..., channels], whole numbers, to finish(acc + constant) of that shape.

    `constant` is int64 [channels]. float32 accumulators must be below 2**24, for which `gemm.exact_dtype` chooses that
    type; float64 ones, and scales outside the proof above, take the integer way.
    """

    def in_integers(acc: Array) -> Array:
        return finish(acc.astype(np.int64) + constant, requant, act, dtype)

    def single(acc: Array, channel: Array) -> Array:
        """Results [n] of accumulators [n] of these channels."""
        return finish(acc.astype(np.int64) + constant[channel], per_channel(requant, lambda v: v[channel]), act, dtype)

    @cache
    def certain() -> Callable[[Array], Array]:
        if not _covered(requant, act, constant, dtype):
            return in_integers
        terms = _terms(requant, constant)
        return in_integers if terms.error > _LARGEST_ERROR else _in_float(terms, act, constant, single)

    return lambda acc: (certain() if acc.dtype == np.float32 and acc.size >= _FEW else in_integers)(acc)
