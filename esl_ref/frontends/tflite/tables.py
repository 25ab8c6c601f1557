# SPDX-License-Identifier: Apache-2.0
"""The 256 results of every unary int8 operator, computed as the reference kernels compute each of them.

All functions take quantisations as (scale, zero point), scales being float32 values, and return int8[256], entry
q + 128 for input q.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from esl_ref.errors import UnsupportedError
from esl_ref.frontends.tflite.scales import clamp, f32, requant_of, round_half_away
from esl_ref.ir import Act
from esl_ref.numerics import Requant, quantise_multiplier, requantise, rounding_shift_right, saturate
from esl_ref.ops.fixedpoint import logistic as fixed_logistic
from esl_ref.ops.fixedpoint import tanh as fixed_tanh

__all__ = [
    "BYTES", "concat_rescale", "hard_swish", "leaky_relu", "legacy_logistic", "legacy_tanh", "logistic", "positive",
    "relu", "requantised", "tanh",
]  # fmt: skip

Quantisation = tuple[float, int]
Table = npt.NDArray[Any]

BYTES = np.arange(-128, 128, dtype=np.int64)
"""Every input."""
_NONE, _RELU, _RELU6 = 0, 1, 3


def _scaled(quant_in: Quantisation, act: Act, requant: Requant) -> Table:
    return saturate(requantise(BYTES - quant_in[1], requant) + act.zero_point, act.low, act.high)


def _ratio(a: float, b: float, legacy: bool) -> float:
    """a / b in double, or rounded to float32: TFLM's kernels divide in double, LiteRT's (legacy uint8) in float."""
    return f32(a / b) if legacy else a / b


def requantised(quant_in: Quantisation, quant_out: Quantisation, where: str) -> Table:
    """Rescale from one quantisation to another; the ratio of the scales is a double."""
    requant = requant_of([quant_in[0] / quant_out[0]], where)
    return _scaled(quant_in, clamp(_NONE, *quant_out, where), requant)


def relu(quant_in: Quantisation, quant_out: Quantisation, fused: int, where: str, legacy: bool = False) -> Table:
    """A clamping activation (numbered as fused ones are) with rescaling."""
    requant = requant_of([_ratio(quant_in[0], quant_out[0], legacy)], where)
    return _scaled(quant_in, clamp(fused, *quant_out, where), requant)


def positive(quant_in: Quantisation, quant_out: Quantisation, where: str, legacy: bool = False) -> Table:
    """What is not negative, rescaled; zero for what is."""
    requant = requant_of([_ratio(quant_in[0], quant_out[0], legacy)], where)
    return saturate(requantise(np.maximum(BYTES - quant_in[1], 0), requant) + quant_out[1], -128, 127)


def leaky_relu(
    quant_in: Quantisation, quant_out: Quantisation, alpha: float, where: str, legacy: bool = False
) -> Table:
    """Two scales, one for each sign."""
    if not 0.0 <= alpha <= 1e6:
        raise UnsupportedError(f"slope {alpha!r}", where=where, hint="slopes of 0 and above are supported")
    scale_in, scale_out = quant_in[0], quant_out[0]
    identity = requant_of([_ratio(scale_in, scale_out, legacy)], where)
    steep = f32(scale_in * alpha) if legacy else scale_in * alpha
    slope = requant_of([_ratio(steep, scale_out, legacy)], where)
    value = BYTES - quant_in[1]
    scaled = np.where(value >= 0, requantise(np.maximum(value, 0), identity), requantise(np.minimum(value, 0), slope))
    return saturate(scaled + quant_out[1], -128, 127)


def _fixed(quant_in: Quantisation, function: Any, fraction_bits: int, zero_out: int, where: str) -> Table:
    """Logistic and tanh: input to Q4 fixed point, the function in Q0, output scale 2**-fraction_bits.

    Inputs whose Q4 form would overflow are saturated, at +-radius (the reference's CalculateInputRadius).
    """
    multiplier, shift = quantise_multiplier(quant_in[0] * float(1 << 27), where)
    if not 0 <= shift <= 30:
        raise UnsupportedError(f"input scale {quant_in[0]!r}", where=where, hint="2**-27 to 8 is supported")
    radius = int(15.0 * (1 << 27) / (1 << shift))
    value = BYTES - quant_in[1]
    inside = np.abs(value) < radius
    requant = Requant(np.array([multiplier]), np.array([shift]))
    fixed = requantise(np.where(inside, value, 0), requant)
    result = rounding_shift_right(function(fixed, 4), 31 - fraction_bits) + zero_out
    result = np.where(value <= -radius, -128, np.where(value >= radius, 127, result))
    return saturate(result, -128, 127)


def logistic(quant_in: Quantisation, where: str) -> Table:
    """1 / (1 + exp(-x)); output scale 1/256, zero point -128."""
    return _fixed(quant_in, fixed_logistic, 8, -128, where)


def tanh(quant_in: Quantisation, where: str) -> Table:
    """tanh(x); output scale 1/128, zero point 0."""
    return _fixed(quant_in, fixed_tanh, 7, 0, where)


def _looked_up(quant_in: Quantisation, function: Any, inverse: float, zero_out: int) -> Table:
    """What LiteRT's uint8 kernels look up: a function of every value in float32, times 1 / the output's scale."""
    real = (quant_in[0] * (BYTES - quant_in[1])).astype(np.float32)
    with np.errstate(over="ignore"):  # exp(-x) becomes infinite
        scaled = (function(real.astype(np.float64)) * np.float32(inverse)).astype(np.float64)
    return saturate(np.trunc(scaled + np.copysign(0.5, scaled)).astype(np.int64) + zero_out, -128, 127)


def legacy_logistic(quant_in: Quantisation) -> Table:
    """1 / (1 + exp(-x)) of uint8 models: every step rounded to float32."""
    one = np.float32(1)
    return _looked_up(quant_in, lambda x: one / (one + np.exp(-x).astype(np.float32)), 256.0, -128)


def legacy_tanh(quant_in: Quantisation) -> Table:
    """tanh(x) of uint8 models, likewise."""
    return _looked_up(quant_in, lambda x: np.tanh(x).astype(np.float32), 128.0, 0)


def _srdhm16(a: Table, b: int) -> Table:
    """Saturating rounding doubling high multiply of int16 values; like its int32 brother, ties go up."""
    high: Table = np.minimum((a * b + (1 << 14)) >> 15, 32767)
    return high


def _to_int16(multiplier: int) -> int:
    """A 31-bit multiplier rounded to 15 bits, saturating."""
    return min((multiplier + (1 << 15)) >> 16, 32767)


def hard_swish(quant_in: Quantisation, quant_out: Quantisation, where: str, legacy: bool = False) -> Table:
    """x * relu6(x + 3) / 6 in 16-bit fixed point: the input on a fine scale times a saturated ramp in [0, 1]."""
    fine = quant_in[0] / 128.0
    out_multiplier, out_shift = quantise_multiplier(_ratio(fine, quant_out[0], legacy), where)
    ramp_multiplier, ramp_shift = quantise_multiplier(_ratio(fine, f32(3.0 / 32768.0), legacy), where)
    if not -15 <= out_shift <= 0 or ramp_shift < -15:
        raise UnsupportedError(f"scales {quant_in[0]!r} to {quant_out[0]!r}", where=where,
                               hint="their ratio leaves the 16-bit arithmetic that defines this operator")  # fmt: skip
    value = (BYTES - quant_in[1]) << 7
    preshift = _srdhm16(value, _to_int16(out_multiplier))
    ramp = value
    if ramp_shift > 0:
        ramp = np.clip(ramp << (ramp_shift - 1), -32768, 32767)
    ramp = _srdhm16(ramp, _to_int16(ramp_multiplier))
    ramp = np.clip(ramp << 1, -32768, 32767) if ramp_shift > 0 else rounding_shift_right(ramp, -ramp_shift)
    ramp = (ramp + (1 << 15)) >> 1
    product = ramp * preshift
    # This product is truncated toward zero, to cancel the bias of the two rounded ones before it.
    truncated = np.where(product < 0, -(-product >> 15), product >> 15)
    return saturate(rounding_shift_right(truncated, -out_shift) + quant_out[1], -128, 127)


def concat_rescale(quant_in: Quantisation, quant_out: Quantisation) -> Table:
    """Rescaling inside the legacy uint8 concatenation: float32, on unsigned bytes.

    Quantisations are given in the int8 domain; the reference works on q + 128.
    """
    scale = np.float32(quant_in[0]) * (np.float32(1.0) / np.float32(quant_out[0]))
    bias = np.float32(-(quant_in[1] + 128)) * scale
    real = (BYTES + 128).astype(np.float32) * scale + bias
    rounded = np.array([round_half_away(float(v)) for v in real])
    return saturate(np.clip(rounded + quant_out[1] + 128, 0, 255) - 128, -128, 127)
