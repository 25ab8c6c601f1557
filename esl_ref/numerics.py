# SPDX-License-Identifier: Apache-2.0
"""Fixed-point numerics: the one place that says how an accumulator becomes a byte.

Everything here is on integers. `requantise` is the executable definition of each rounding profile; the numpy
operators call it, the ESL machine calls it, and the RTL pipe is tested against it value by value.

A positive real scale is written as `multiplier * 2**(shift - 31)` with `2**30 <= multiplier < 2**31`, the form of
gemmlowp and TensorFlow Lite (Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", CVPR 2018, section 2.2). A positive `shift` is a left shift.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from esl_ref.errors import NumericError

__all__ = [
    "INT32_MAX",
    "INT32_MIN",
    "Profile",
    "Requant",
    "average_reciprocal",
    "divide_half_away",
    "narrow",
    "quantise_multiplier",
    "requantise",
    "rounding_shift_right",
    "saturate",
    "srdhm",
]

INT32_MIN, INT32_MAX = -(1 << 31), (1 << 31) - 1

IntArray = npt.NDArray[np.signedinteger[Any]]


class Profile(enum.Enum):
    """How a wide accumulator is rounded to its output scale. A property of the model."""

    TFLITE = "tflite"
    """Two roundings: high half of the doubled product rounded half up, then shift right half away from zero."""
    SINGLE = "single"
    """One rounding, half up, of the full 63-bit product (CMSIS-NN and TFLM single-rounding builds)."""
    MUL_ADD_SHIFT = "mul_add_shift"
    """floor((acc * mul + add) / 2**shift): the rounding constant comes with the bias (NE16, Deeploy RequantShift)."""
    POW2 = "pow2"
    """floor((acc + half) / 2**shift): a shift only."""
    EVEN = "even"
    """One rounding of the full product, ties to the even integer (IEEE 754's default, and ONNX's QuantizeLinear).
    Operands of a sum are brought to their common scale as in SINGLE."""


@dataclass(frozen=True)
class Requant:
    """Scale of one operator's accumulators: int32 `multiplier` and `shift`, shape [channels] or [1].

    TFLITE, SINGLE, EVEN: value = acc * multiplier * 2**(shift - 31). MUL_ADD_SHIFT, POW2: value = acc * multiplier
    * 2**shift with shift <= 0 (POW2 has multiplier 1); `add` (int64) is added to the product before the shift.
    """

    multiplier: IntArray
    shift: IntArray
    profile: Profile = Profile.TFLITE
    add: IntArray | None = None


def saturate(x: IntArray, lo: int, hi: int, dtype: npt.DTypeLike = np.int8) -> IntArray:
    """Clamp to [lo, hi] and narrow: the only narrowing that may change a value."""
    return np.clip(x, lo, hi).astype(dtype)


def narrow(x: IntArray, dtype: npt.DTypeLike, where: str = "") -> IntArray:
    """Narrow without change of value; NumericError if any element does not fit."""
    info = np.iinfo(np.dtype(dtype))
    if x.size and (int(x.min()) < info.min or int(x.max()) > info.max):
        raise NumericError(
            f"value range [{int(x.min())}, {int(x.max())}] does not fit {np.dtype(dtype).name}", where=where
        )
    return x.astype(dtype)


def quantise_multiplier(scale: float, where: str = "") -> tuple[int, int]:
    """Real scale -> (multiplier, shift) with scale ~ multiplier * 2**(shift - 31), as TFLite's QuantizeMultiplier.

    The mantissa is rounded half away from zero to 31 bits and renormalised when it reaches 2**31. A scale of 0
    gives (0, 0), one under 2**-32 flushes to (0, 0). NumericError for negative, NaN, infinite, or shift > 30.
    """
    if not math.isfinite(scale) or scale < 0:
        raise NumericError(
            f"scale {scale!r} has no fixed-point form", where=where, hint="scales must be finite and positive"
        )
    if scale == 0.0:
        return 0, 0
    mantissa, shift = math.frexp(scale)
    # mantissa * 2**31 is exact in a double (at most 53 significant bits), so floor(x + 0.5) is TFLite's round().
    multiplier = math.floor(mantissa * (1 << 31) + 0.5)
    if multiplier == 1 << 31:
        multiplier, shift = multiplier // 2, shift + 1
    if shift < -31:
        return 0, 0
    if shift > 30:
        raise NumericError(f"scale {scale!r} needs a left shift of {shift}", where=where, hint="at most 30 is possible")
    return multiplier, shift


def srdhm(a: IntArray, b: IntArray) -> IntArray:
    """Saturating rounding doubling high multiply of int32 values (gemmlowp), as int64.

    Away from MIN * MIN the gemmlowp form (a nudge by sign, then truncating division by 2**31) equals
    (a * b + 2**30) >> 31 with an arithmetic shift; MIN * MIN saturates to 2**31 - 1.
    """
    product = np.asarray(a, np.int64) * np.asarray(b, np.int64)
    high: IntArray = (product + (1 << 30)) >> 31
    return np.minimum(high, INT32_MAX)


def rounding_shift_right(x: IntArray, n: IntArray | int) -> IntArray:
    """x / 2**n rounded to nearest, ties away from zero (gemmlowp RoundingDivideByPOT), 0 <= n <= 31, int64."""
    x, n = np.asarray(x, np.int64), np.asarray(n, np.int64)
    mask = (np.int64(1) << n) - 1
    threshold = (mask >> 1) + (x < 0)
    result: IntArray = (x >> n) + ((x & mask) > threshold)
    return result


def _left_shifted(acc: IntArray, shift: IntArray) -> IntArray:
    """acc * 2**max(shift, 0), refused when it leaves int32: hardware has no wider register there."""
    shifted = np.asarray(acc, np.int64)
    if int(shift.max(initial=0)) > 0:
        shifted = shifted << np.maximum(shift, 0)
    if shifted.size and (int(shifted.min()) < INT32_MIN or int(shifted.max()) > INT32_MAX):
        raise NumericError("left-shifted accumulator leaves int32")
    return shifted


def _requantise_tflite(acc: IntArray, mul: IntArray, shift: IntArray) -> IntArray:
    """rounding_shift_right(srdhm(acc << left, mul), right), in place after the first product.

    srdhm cannot saturate, since a multiplier is above -2**31. For n > 0 a division by 2**n that rounds half away
    from zero is (x + 2**(n-1) - (x < 0)) >> n, and x >> 63 is that -1.
    """
    x: IntArray = _left_shifted(acc, shift) * mul
    x += 1 << 30
    x >>= 31
    right = np.maximum(-shift, 0)
    x += (x >> 63) & -(right > 0).astype(np.int64)
    x += (np.int64(1) << right) >> 1
    x >>= right
    return x


def _requantise_single(acc: IntArray, mul: IntArray, shift: IntArray) -> IntArray:
    # TFLM's TFLITE_SINGLE_ROUNDING: total shift 31 - shift in 1..62, one rounding constant, one arithmetic shift.
    # |acc| < 2**31 and mul < 2**31, so |product| + 2**61 < 2**63: int64 never overflows.
    total = 31 - shift
    result: IntArray = (np.asarray(acc, np.int64) * mul + (np.int64(1) << (total - 1))) >> total
    return result


def _requantise_even(acc: IntArray, mul: IntArray, shift: IntArray) -> IntArray:
    """As SINGLE; where exactly half was cut off, the value rounded up to is lowered again if it is odd."""
    total = 31 - shift
    biased = np.asarray(acc, np.int64) * mul + (np.int64(1) << (total - 1))
    value: IntArray = biased >> total
    tie = (biased & ((np.int64(1) << total) - 1)) == 0
    value -= tie & (value & 1)
    return value


def requantise(acc: IntArray, requant: Requant) -> IntArray:
    """Accumulators [..., channels] -> rounded values of the output scale, int64, before zero point and clamp."""
    mul, shift = np.asarray(requant.multiplier, np.int64), np.asarray(requant.shift, np.int64)
    acc = np.asarray(acc, np.int64)
    if requant.profile is Profile.TFLITE:
        return _requantise_tflite(acc, mul, shift)
    if requant.profile is Profile.SINGLE:
        return _requantise_single(acc, mul, shift)
    if requant.profile is Profile.EVEN:
        return _requantise_even(acc, mul, shift)
    if requant.profile is Profile.MUL_ADD_SHIFT:
        add = 0 if requant.add is None else np.asarray(requant.add, np.int64)
        return (acc * mul + add) >> -shift
    half = np.where(shift < 0, np.int64(1) << np.maximum(-shift - 1, 0), 0)
    return (acc + half) >> -shift


def divide_half_away(acc: IntArray, count: IntArray | int) -> IntArray:
    """acc / count rounded to nearest, ties away from zero: TFLite's integer average pooling."""
    acc, count = np.asarray(acc, np.int64), np.asarray(count, np.int64)
    magnitude: IntArray = (np.abs(acc) + count // 2) // count
    return np.where(acc < 0, -magnitude, magnitude)


def average_reciprocal(count: int) -> tuple[int, int]:
    """(R, S), 2**30 <= R < 2**31, with n // count == (n * R) >> S for every n an average pool can meet.

    Numerators are |acc| + count // 2 <= 128 * count + count // 2. With R = ceil(2**S / count) the error
    e = R * count - 2**S is below count, and floor(n * R / 2**S) is exact while n * e < 2**S (Granlund and
    Montgomery, "Division by invariant integers using multiplication", PLDI 1994). R has 31 bits here, so
    S >= 30 + floor(log2(count)), and the bound is checked, not assumed. It is checked for N = 512 * count, so that
    floor(n * R / 2**S + 1 / 2) rounds n / count half up for sums of unsigned bytes, n <= 255 * count, too: n / count +
    1 / 2 is a multiple of 1 / (2 * count), and n * R / 2**S exceeds n / count by n * e / (count * 2**S), which is less.
    """
    if not 1 <= count <= 1 << 14:
        raise NumericError(f"average over {count} elements", hint="windows of 1 to 16384 elements are supported")
    s = 30 + (count - 1).bit_length()
    r = -(-(1 << s) // count)
    if r >= 1 << 31:
        s, r = s - 1, -(-(1 << (s - 1)) // count)
    error, bound = r * count - (1 << s), 512 * count
    if not (1 << 30 <= r < 1 << 31) or bound * error >= 1 << s:
        raise NumericError(f"no exact 31-bit reciprocal for {count}")
    return r, s
