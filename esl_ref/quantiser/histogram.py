# SPDX-License-Identifier: Apache-2.0
"""What calibration remembers of a tensor: a histogram, and sums and bounds per channel. Nothing else is kept, so the
memory does not grow with the number of samples."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Histogram", "TensorStatistics"]

FloatArray = npt.NDArray[np.floating[Any]]

_HALF = 4096
"""Bins for either sign. The widest bin is 1/2048 of the largest magnitude, a sixteenth of a quantisation step."""


class Histogram:
    """Counts of values in bins of equal width over [-limit, limit); the limit is a power of two that grows.

    When a value does not fit, the limit doubles and neighbouring bins merge: what is kept depends on the values, not
    on their order.
    """

    def __init__(self) -> None:
        self.counts: npt.NDArray[np.int64] = np.zeros(2 * _HALF, np.int64)
        self.weights: npt.NDArray[np.float64] = np.zeros(2 * _HALF)
        self.limit = 0.0
        self.low, self.high = math.inf, -math.inf

    def add(self, values: FloatArray, weights: FloatArray | None = None) -> None:
        """Count finite values of any shape, and sum their `weights` of the same shape (1 each where not given)."""
        low, high = float(values.min()), float(values.max())
        self.low, self.high = min(self.low, low), max(self.high, high)
        self._widen(max(abs(low), abs(high)))
        if self.limit == 0.0:
            self.counts[_HALF] += values.size
            self.weights[_HALF] += values.size if weights is None else float(weights.sum())
            return
        index = np.floor(values.ravel() * (_HALF / self.limit)).astype(np.int64) + _HALF
        index = np.clip(index, 0, 2 * _HALF - 1)
        counts = np.bincount(index, minlength=2 * _HALF)
        self.counts += counts
        self.weights += counts if weights is None else np.bincount(index, weights.ravel(), 2 * _HALF)

    def _widen(self, magnitude: float) -> None:
        if magnitude < self.limit or magnitude == 0.0:
            return
        wanted = 2.0 ** (math.frexp(magnitude)[1])
        if self.limit == 0.0:
            self.limit = wanted
            return
        while self.limit < wanted:
            self.counts, self.weights = _halved(self.counts), _halved(self.weights)
            self.limit *= 2

    def filled(self, *, weighted: bool = False) -> tuple[FloatArray, FloatArray]:
        """(centres of the bins that hold something, their shares of all values or of all weights)."""
        held: npt.NDArray[Any] = self.weights if weighted else self.counts
        places = np.flatnonzero(self.counts)
        centres = (places - _HALF + 0.5) * (self.limit / _HALF)
        return np.clip(centres, self.low, self.high), held[places] / held.sum()


def _halved(bins: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The same over twice the width."""
    result = np.zeros_like(bins)
    result[_HALF // 2 : _HALF // 2 + _HALF] = bins.reshape(_HALF, 2).sum(axis=1)
    return result


class TensorStatistics:
    """A tensor over all samples; channels are its last axis."""

    def __init__(self) -> None:
        self.histogram = Histogram()
        self.pixels = 0
        self._sum: FloatArray | None = None
        self._squares: FloatArray | None = None
        self._low: FloatArray | None = None
        self._high: FloatArray | None = None

    def add(self, values: FloatArray, weights: FloatArray | None = None) -> None:
        """One sample of the tensor, finite, and what its elements matter."""
        self.histogram.add(values, weights)
        rows = values.reshape(-1, values.shape[-1] if values.ndim else 1)
        total, low, high = rows.sum(axis=0, dtype=np.float64), rows.min(axis=0), rows.max(axis=0)
        self.pixels += len(rows)
        self._sum = total if self._sum is None else self._sum + total
        squares = np.einsum("pc,pc->c", rows, rows)
        self._squares = squares if self._squares is None else self._squares + squares
        self._low = low if self._low is None else np.minimum(self._low, low)
        self._high = high if self._high is None else np.maximum(self._high, high)

    def scaled(self, factors: FloatArray) -> TensorStatistics:
        """What the sums and bounds would be with every channel times its factor; the histogram stays as it is."""
        assert self._sum is not None and self._squares is not None
        low, high = (end * factors for end in self.bounds)
        result = copy.copy(self)
        result._sum, result._squares = self._sum * factors, self._squares * factors**2
        result._low, result._high = np.minimum(low, high), np.maximum(low, high)
        return result

    @property
    def mean(self) -> FloatArray:
        """Mean per channel."""
        assert self._sum is not None
        return np.asarray(self._sum / self.pixels)

    @property
    def mean_square(self) -> FloatArray:
        """Mean of the squares per channel."""
        assert self._squares is not None
        return np.asarray(self._squares / self.pixels)

    @property
    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Least and largest value per channel."""
        assert self._low is not None and self._high is not None
        return self._low, self._high

    @property
    def largest(self) -> FloatArray:
        """Largest magnitude per channel."""
        low, high = self.bounds
        return np.maximum(np.abs(low), np.abs(high))
