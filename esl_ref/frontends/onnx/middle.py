# SPDX-License-Identifier: Apache-2.0
"""What stands between an ONNX file and a graph: a float graph's operators, with the file's quantisation still in it.

Layouts are settled here once, for float and integer models alike. A model without the operators below is a float graph
as it is; in one with them, `integer` turns each quantise, operator, dequantise into one integer operator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from esl_ref.floating.graph import Conv, Dense, FloatOp, Parameter
from esl_ref.frontends.onnx.schema import Array

__all__ = ["ClampBytes", "Dequantise", "Middle", "Quantise", "QuantisedParameter", "RequantShift", "Unplanned"]


@dataclass(frozen=True)
class Quantise(FloatOp):
    """q = saturate(round(x / scale) + zero), ties to even; uint8 unless `signed`."""

    scale: float
    zero: int
    signed: bool


@dataclass(frozen=True)
class Dequantise(FloatOp):
    """x = (q - zero) * scale."""

    scale: float
    zero: int


@dataclass(frozen=True)
class ClampBytes(FloatOp):
    """Integers of the file clipped to [low, high]: how fewer than 8 bits are written (QCDQ)."""

    low: int
    high: int


@dataclass(frozen=True)
class RequantShift(FloatOp):
    """clip(floor((x * mul + add) / div + 0.5), low, high) on integers; mul and add broadcast with the input."""

    mul: Array
    add: Array
    div: int
    low: int
    high: int


@dataclass(frozen=True)
class Unplanned(FloatOp):
    """An operator that keeps its input's shape and has no arithmetic here: enough for plans on shapes, not to run."""

    what: str


@dataclass(frozen=True)
class QuantisedParameter(Parameter):
    """Weights as the file has them: real = scale * (ints - zero), one scale, or one for each index of axis 0."""

    ints: Array = field(default_factory=lambda: np.zeros(0, np.int64))
    scale: Array = field(default_factory=lambda: np.ones(1))
    zero: Array = field(default_factory=lambda: np.zeros(1, np.int64))

    @classmethod
    def make(cls, ints: Array, scale: Array, zero: Array) -> QuantisedParameter:
        """From integers; `scale` and `zero` have one entry, or one per index of axis 0."""
        column = (-1, *(1,) * (ints.ndim - 1))

        def real() -> Array:
            return ((ints - zero.reshape(column)) * scale.reshape(column)).astype(np.float32)

        return cls(ints.shape, real, ints=ints, scale=scale, zero=zero)


@dataclass(frozen=True)
class Middle:
    """The whole model. `integer_types` has the type of tensors that the file declares as (u)int8; `orders` how the axes
    of a tensor that is one of the file's lie there: axis j is the file's axis order[j]."""

    path: str
    name: str
    ops: tuple[FloatOp, ...]
    shapes: Mapping[str, tuple[int, ...]]
    constants: Mapping[str, Parameter]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    integer_types: Mapping[str, np.dtype[np.generic]]
    orders: Mapping[str, tuple[int, ...]]
    notes: tuple[str, ...]

    @property
    def quantised(self) -> bool:
        """Whether it computes on integers. A convolution of integer tensors without scales does not count: that is a
        network whose shapes alone are meant."""
        if any(isinstance(op, Quantise | Dequantise | RequantShift) for op in self.ops):
            return True
        return bool(self.integer_types) and not any(isinstance(op, Conv | Dense) for op in self.ops)
