# SPDX-License-Identifier: Apache-2.0
"""`finish` for whole blocks of accumulators that float GEMMs left as float32, in double precision where that is exact.

For a right shift n >= 0, multiplier 0 <= m < 2**31 and accumulator a, both roundings of TFLITE are one floor:
srdhm(a, m) = floor(a m 2**-31 + 1/2), and dividing that by 2**n, half away from zero, nests into it, as
floor((floor(x) + i) / 2**n) = floor((x + i) / 2**n) for whole i:

    value = floor(v + h + 1/2),  v = a m 2**-(31 + n),  h = +-2**-(n + 1) with the sign of a, no h where n = 0.

(Where a < 0 and yet srdhm(a, m) = 0, both forms give 0.) SINGLE is the same without h, EVEN is v to the nearest
integer, ties to even. Every term is a multiple of 2**-(31 + n). A double holds all such multiples below 2**(22 - n),
so for n <= 12 nothing rounds while |v| <= 2**9, and 512 is beyond every clamp of int8, zero point included. Further out
each step still is monotone in a, so the result stays beyond the clamp. `floor` is a conversion to uint8 of the clamped
value, 128 higher than the int8 asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from esl_ref.ir import Act
from esl_ref.numerics import Profile, Requant
from esl_ref.ops.finish import finish
from esl_ref.ops.registry import Array

__all__ = ["LARGEST_SHIFT", "finisher"]

LARGEST_SHIFT = 12
_OFFSET = 128
_SCRATCH_ELEMENTS = 1 << 14  # 640 KiB in all: memory asked for anew costs more in page faults than all the arithmetic
_LARGEST_CONSTANT = 1 << 30  # with an accumulator below 2**24 added, it stays within the int32 that `finish` asks for


def _exact(requant: Requant, act: Act, constant: Array, dtype: np.dtype[np.generic]) -> bool:
    mul, shift = requant.multiplier, requant.shift
    return bool(
        requant.profile in (Profile.TFLITE, Profile.SINGLE, Profile.EVEN)
        and dtype == np.int8 and -_OFFSET <= act.low <= act.high < _OFFSET and -_OFFSET <= act.zero_point < _OFFSET
        and np.all((mul >= 0) & (mul < 1 << 31)) and np.all((shift <= 0) & (shift >= -LARGEST_SHIFT))
        and np.all(np.abs(constant) < _LARGEST_CONSTANT)
    )  # fmt: skip


def _in_double(requant: Requant, act: Act, constant: Array) -> Callable[[Array], Array]:
    scale = np.ldexp(np.asarray(requant.multiplier, np.float64), requant.shift - 31)
    nudge = np.ldexp(0.5, requant.shift) * (requant.shift < 0) * (requant.profile is Profile.TFLITE)
    even = requant.profile is Profile.EVEN
    offset = act.zero_point + (0.0 if even else 0.5) + _OFFSET
    low, high = act.low + _OFFSET, act.high + _OFFSET
    most = max(1, _SCRATCH_ELEMENTS // len(constant))

    @cache
    def scratch(height: int) -> Array:
        """Bias, scale and nudge, and room for two values, for every element of a part of so many rows: numpy goes
        through arrays of one shape at once, through rows and a vector row by row."""
        made = np.empty((5, height, len(constant)))
        made[0], made[1], made[2] = constant, scale, nudge
        return made

    def run(acc: Array) -> Array:
        rows = acc.reshape(-1, len(constant))
        shifted = np.empty(rows.shape, np.uint8)
        height = min(most, len(rows))
        for first in range(0, len(rows), max(1, height)):
            part = rows[first : first + height]
            bias, factor, nudges, value, nudged = scratch(height)[:, : len(part)]
            np.copyto(value, part)
            value += bias
            value *= factor
            if nudge.any():
                value += np.copysign(nudges, value, out=nudged)
            if even:
                np.rint(value, out=value)
            value += offset
            shifted[first : first + len(part)] = np.clip(value, low, high, out=value)
        shifted ^= _OFFSET
        return shifted.view(np.int8).reshape(acc.shape)

    return run


def finisher(
    requant: Requant, act: Act, constant: Array, dtype: np.dtype[np.generic]
) -> Callable[[Array], Array]:
    """A function from float accumulators [..., channels], whole numbers, to finish(acc + constant) of that shape.

    `constant` is int64 [channels]. float32 accumulators must be below 2**24, for which `gemm.exact_dtype` chooses that
    type; float64 ones, and scales outside the proof above, take the integer way.
    """

    def in_integers(acc: Array) -> Array:
        return finish(acc.astype(np.int64) + constant, requant, act, dtype)

    if not _exact(requant, act, constant, dtype):
        return in_integers
    in_double = _in_double(requant, act, constant)
    return lambda acc: in_double(acc) if acc.dtype == np.float32 else in_integers(acc)
