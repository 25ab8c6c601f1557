# SPDX-License-Identifier: Apache-2.0
"""Accumulator bounds, proved per layer from its own weights, for every possible input.

For weights w and inputs x in [lo, hi], every term of the sum lies between min(0, w * lo, w * hi) and
max(0, w * lo, w * hi); zero is included because a padded tap contributes nothing. Summing these, with the bias
counted only where it widens the range, bounds the accumulator after any number of terms in any order, which is
what a hardware accumulator needs, whatever its schedule.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from esl_ref.errors import NumericError
from esl_ref.ir import Add, AveragePool, Conv2D, DepthwiseConv2D, FullyConnected, Graph, Mean, Mul, Op
from esl_ref.numerics import INT32_MAX, INT32_MIN, Requant
from esl_ref.ops.registry import Array

__all__ = ["AccumulatorBounds", "accumulator_bounds", "check_accumulators", "check_op"]

_INT8 = (-128, 127)


@dataclass(frozen=True)
class AccumulatorBounds:
    """Smallest and largest accumulator value, int64 per output channel (or one for all)."""

    low: Array
    high: Array

    @property
    def range(self) -> tuple[int, int]:
        """(lowest, highest) over all channels."""
        return int(self.low.min()), int(self.high.max())


def _dot(weight: Array, bias: Array, zero_in: int, axes: tuple[int, ...], span: tuple[int, int]) -> AccumulatorBounds:
    a, b = weight * (span[0] - zero_in), weight * (span[1] - zero_in)
    zero = np.int64(0)
    low = np.minimum(np.minimum(a, b), zero).sum(axis=axes) + np.minimum(bias, zero)
    high = np.maximum(np.maximum(a, b), zero).sum(axis=axes) + np.maximum(bias, zero)
    return AccumulatorBounds(low, high)


def _one(low: int, high: int) -> AccumulatorBounds:
    return AccumulatorBounds(np.array([min(low, 0)], np.int64), np.array([max(high, 0)], np.int64))


def _add_bounds(op: Add) -> AccumulatorBounds:
    """The widest value before the last requantise: each scaled input is at most its shifted byte (scale <= 1/2)."""
    spans = [[s * ((v - z) << op.left_shift) for v in _INT8] for z, s in zip(op.zero, (1, op.sign), strict=True)]
    return _one(sum(min(s) for s in spans), sum(max(s) for s in spans))


def accumulator_bounds(op: Op, span: tuple[int, int] = _INT8) -> AccumulatorBounds | None:
    """Bounds of the accumulator of `op` for inputs in `span`; None for operators that accumulate nothing."""
    if isinstance(op, Conv2D | DepthwiseConv2D | FullyConnected):
        axes = (0, 1) if isinstance(op, DepthwiseConv2D) else tuple(range(1, op.weight.ndim))
        weight = op.weight.astype(np.int64) - op.weight_zero
        return _dot(weight, op.bias.astype(np.int64), op.zero_in, axes, span)
    if isinstance(op, AveragePool):
        count = op.window[0] * op.window[1]
        return _one((span[0] - op.zero_in) * count - count // 2, (span[1] - op.zero_in) * count + count // 2)
    if isinstance(op, Mean):
        return _one((span[0] - op.zero_in) * op.count, (span[1] - op.zero_in) * op.count)
    if isinstance(op, Mul):
        products = [(a - op.zero[0]) * (b - op.zero[1]) for a in span for b in span]
        return _one(min(products), max(products))
    if isinstance(op, Add):
        return _add_bounds(op)
    return None


def _refuse(low: int, high: int, what: str, op: Op) -> None:
    if low < INT32_MIN or high > INT32_MAX:
        raise NumericError(
            f"the {what} can reach [{low}, {high}], which int32 cannot hold",
            where=f"operator '{op.name}'",
            hint="the layer needs smaller weights, fewer of them, or a larger scale",
        )


def check_op(op: Op) -> None:
    """NumericError if the accumulator of `op`, or its left shift before the multiplier, could leave int32."""
    bounds = accumulator_bounds(op)
    if bounds is None:
        return
    _refuse(*bounds.range, "accumulator", op)
    requant: Requant | None = getattr(op, "requant", None)
    if requant is not None:
        left = np.maximum(np.asarray(requant.shift, np.int64), 0)
        _refuse(int((bounds.low << left).min()), int((bounds.high << left).max()), "left-shifted accumulator", op)


def check_accumulators(graph: Graph) -> None:
    """Check every operator of `graph`."""
    for op in graph.ops:
        check_op(op)
