# SPDX-License-Identifier: Apache-2.0
"""From ONNX's real scales to integer parameters, and the standard's own rounding where a table can have it.

QuantizeLinear is saturate(round(x / scale) + zero), ties to even, in float32; DequantizeLinear (q - zero) * scale.
A function of one byte is computed exactly so for all 256 of them. An accumulator is scaled by a 31-bit multiplier and
rounded once, ties to even (profile EVEN): it differs from the standard only where float32 itself has rounded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np

from esl_ref.floating.activation import Activation, Function
from esl_ref.frontends.onnx.schema import Array
from esl_ref.ir import Act
from esl_ref.numerics import Profile, Requant, quantise_multiplier

__all__ = ["PROFILE", "byte_table", "clamp_of", "identity_requant", "is_linear", "quantise_values", "requant_of"]

PROFILE = Profile.EVEN
"""Of models with scales: the profile whose results are nearest to the standard's (docs/onnx.md has the counts)."""

_BYTES = np.arange(-128, 128, dtype=np.int64)


def quantise_values(values: Array, scale: float, zero: int) -> Array:
    """int64 in the int8 domain, saturated: the standard's QuantizeLinear. Not a number becomes the zero point."""
    with np.errstate(over="ignore", invalid="ignore"):
        ratio = np.nan_to_num(values.astype(np.float32) / np.float32(scale), posinf=1e9, neginf=-1e9)
    clipped = np.clip(np.rint(ratio.astype(np.float64)) + zero, -128, 127)
    return np.asarray(clipped, np.int64)


def byte_table(
    quant_in: tuple[float, int], quant_out: tuple[float, int], function: Callable[[Array], Array] | None = None
) -> Array:
    """int8 [256]: dequantise, `function`, quantise, each in float32."""
    real = (_BYTES - quant_in[1]).astype(np.float32) * np.float32(quant_in[0])
    with np.errstate(over="ignore", invalid="ignore"):
        real = real if function is None else np.asarray(function(real), np.float32)
    return quantise_values(real, *quant_out).astype(np.int8)


def requant_of(scales: Iterable[float], where: str, profile: Profile = PROFILE) -> Requant:
    """Real multipliers -> integer ones, one per channel."""
    pairs = [quantise_multiplier(float(scale), where) for scale in scales]
    return Requant(np.array([m for m, _ in pairs], np.int64), np.array([s for _, s in pairs], np.int64), profile)


def identity_requant() -> Requant:
    """Accumulators as they are."""
    return Requant(np.ones(1, np.int64), np.zeros(1, np.int64), Profile.MUL_ADD_SHIFT, np.zeros(1, np.int64))


def clamp_of(activation: Activation, scale: float, zero: int) -> Act | None:
    """Clamp bounds of an activation that is a clamp, on the output's scale; None for another one.

    Quantising is monotone, so clamping before it and clamping between the quantised bounds after it are the same.
    """
    bounds = activation.clamp
    if bounds is None:
        return None
    limits: list[int] = []
    for bound, end in zip(bounds, (-128, 127), strict=True):
        limits.append(end if math.isinf(bound) else int(quantise_values(np.array([bound]), scale, zero)[0]))
    return Act(zero, limits[0], limits[1])


def is_linear(activation: Activation) -> bool:
    """Whether there is no activation."""
    return activation.function is Function.LINEAR
