# SPDX-License-Identifier: Apache-2.0
"""From real scales to integer parameters, with the arithmetic types of the reference's `Prepare` functions.

A scale is a float32 in the file. Whether a product or quotient of scales is rounded to float32 before it becomes
a fixed-point multiplier shows in the multiplier's low bits, so each helper says which of the two it does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from esl_ref.errors import UnsupportedError
from esl_ref.ir import Act
from esl_ref.numerics import Requant, quantise_multiplier

__all__ = ["clamp", "f32", "requant_of", "round_half_away"]

_ACTIVATIONS = {0: (None, None), 1: (0.0, None), 2: (-1.0, 1.0), 3: (0.0, 6.0)}
_ACTIVATION_NAMES = {4: "TANH", 5: "SIGN_BIT"}


def f32(value: float) -> float:
    """`value` rounded to float32, where the reference computes in float."""
    with np.errstate(over="ignore", under="ignore"):
        return float(np.float32(value))


def round_half_away(value: float) -> int:
    """Nearest integer, ties away from zero: C's round()."""
    return math.floor(value + 0.5) if value >= 0 else -math.floor(-value + 0.5)


def requant_of(scales: Iterable[float], where: str) -> Requant:
    """Real multipliers -> integer ones, one per channel."""
    pairs = [quantise_multiplier(scale, where) for scale in scales]
    return Requant(np.array([m for m, _ in pairs], np.int64), np.array([s for _, s in pairs], np.int64))


def clamp(fused: int, scale: float, zero_point: int, where: str) -> Act:
    """Fused activation -> clamp bounds: zero_point + round(bound / scale), in float32, inside int8."""
    if fused not in _ACTIVATIONS:
        raise UnsupportedError(f"fused activation {_ACTIVATION_NAMES.get(fused, fused)}", where=where,
                               hint="NONE, RELU, RELU_N1_TO_1 and RELU6 are supported")  # fmt: skip
    low, high = _ACTIVATIONS[fused]
    limits = [-128, 127]
    for k, bound in enumerate((low, high)):
        if bound is not None:
            quantised = zero_point + round_half_away(min(f32(bound / scale), 1e9))
            limits[k] = max(-128, quantised) if k == 0 else min(127, quantised)
    if limits[0] > limits[1]:
        raise UnsupportedError(f"the fused activation leaves an empty range {limits}", where=where)
    return Act(zero_point, limits[0], limits[1])
