# SPDX-License-Identifier: Apache-2.0
"""From a tensor's spread to the range that its 256 codes shall cover.

`minmax` covers everything seen, `percentile` cuts tails off, `mse` makes the mean squared error of rounding and
clipping together the least (as in Nagel et al., "A White Paper on Neural Network Quantization", arXiv 2106.08295,
section 3.1). What a table makes of the tensor counts, not the tensor itself: below a leaky activation negative
values need few codes.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from esl_ref.quantiser.histogram import Histogram

__all__ = ["Method", "TensorScale", "Through", "choose_range", "of_logits", "scale_of"]

FloatArray = npt.NDArray[np.floating[Any]]
Through = Callable[[FloatArray], FloatArray]
_STEPS = 48
_SMALLEST = 0.2
"""Ranges down to this share of the extremes are tried; where clipping more pays, the tensor is not worth int8."""


_NO, _BEYOND = -8.0, 1 / 16
"""A logit of -8 is a probability of 0.0003; what an error of one below it counts beside an error of others."""


class Method(enum.Enum):
    """How the range of an activation is chosen."""

    MINMAX = "minmax"
    PERCENTILE = "percentile"
    MSE = "mse"


@dataclass(frozen=True)
class TensorScale:
    """real = scale * (stored - zero_point), stored in -128..127; the scale is a float32 value."""

    scale: float
    zero_point: int

    @property
    def low(self) -> float:
        """Smallest real value."""
        return self.scale * (-128 - self.zero_point)

    @property
    def high(self) -> float:
        """Largest real value."""
        return self.scale * (127 - self.zero_point)

    def quantise(self, values: FloatArray) -> npt.NDArray[np.int8]:
        """Nearest codes, saturated."""
        codes = np.rint(np.asarray(values, np.float64) / self.scale) + self.zero_point
        result: npt.NDArray[np.int8] = np.clip(codes, -128, 127).astype(np.int8)
        return result

    def real(self, codes: npt.NDArray[Any]) -> FloatArray:
        """The numbers that the codes stand for."""
        return (codes.astype(np.float64) - self.zero_point) * self.scale


def _round_up(value: float, bits: int = 12) -> float:
    """`value` rounded up to `bits` significant bits.

    Calibration runs float sums whose last bits depend on the BLAS; without them the file is the same everywhere.
    The exact result also fits a float32, which is what the file stores.
    """
    mantissa, exponent = np.frexp(value)
    return float(np.ldexp(np.ceil(mantissa * 2.0**bits), int(exponent) - bits))


def scale_of(low: float, high: float, *, exact: bool = False) -> TensorScale:
    """The quantisation that covers [low, high] and 0, which must have a code of its own. The range is not empty.

    `exact` leaves the scale as it is but for float32: for inputs, whose range nobody computed.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    step = (high - low) / 255
    scale = float(np.float32(step)) if exact else _round_up(step)
    return TensorScale(scale, int(np.clip(np.rint(-128 - low / scale), -128, 127)))


def _percentile(histogram: Histogram, percent: float) -> tuple[float, float]:
    centres, shares = histogram.filled()
    below = np.cumsum(shares)
    tail = (1 - percent / 100) / 2
    low = centres[int(np.searchsorted(below, tail, side="right"))]
    high = centres[min(int(np.searchsorted(below, 1 - tail)), len(centres) - 1)]
    return float(low), float(high)


def _error(centres: FloatArray, shares: FloatArray, wanted: FloatArray, scale: TensorScale, through: Through) -> float:
    """Mean squared error of the values behind `through`."""
    return float(shares @ np.square(through(scale.real(scale.quantise(centres))) - wanted))


def _least_error(histogram: Histogram, through: Through) -> tuple[float, float]:
    """Both ends in turn, each over a grid of shares of its extreme, until neither moves."""
    centres, shares = histogram.filled(weighted=True)
    wanted = through(centres)
    ends = [min(histogram.low, 0.0), max(histogram.high, 0.0)]
    grid = np.linspace(1.0, _SMALLEST, _STEPS)
    best = _error(centres, shares, wanted, scale_of(*ends), through)
    extremes = tuple(ends)
    for _ in range(4):
        before = best
        for side in (1, 0):
            for share in grid:
                tried = list(ends)
                tried[side] = float(share) * extremes[side]
                if tried[0] == tried[1]:
                    continue
                error = _error(centres, shares, wanted, scale_of(*tried), through)
                if error < best:
                    best, ends = error, tried
        if best == before:
            break
    return ends[0], ends[1]


def of_logits(values: FloatArray) -> FloatArray:
    """`through` for what detection heads read: -9 and -18 both say no, and codes are better spent on finer steps."""
    return np.where(values < _NO, _NO + _BEYOND * (values - _NO), values)


def choose_range(
    histogram: Histogram, method: Method, *, percent: float = 99.99, through: Through = lambda x: x
) -> tuple[float, float]:
    """(low, high) to cover; `through` is the function that is applied to the tensor, if that is all that reads it: a
    table, or what a detection head makes of logits."""
    if histogram.low == histogram.high or method is Method.MINMAX:
        return histogram.low, histogram.high
    if method is Method.PERCENTILE:
        return _percentile(histogram, percent)
    return _least_error(histogram, through)
