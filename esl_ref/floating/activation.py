# SPDX-License-Identifier: Apache-2.0
"""Activation functions of float networks: a name, a formula on float32, and the range it clamps to if it is a clamp.

The formulas named after Darknet's are those of its `activations.h`; constants such as leaky's 0.1 and loggy's form are
part of that format, not choices made here.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["LINEAR", "Activation", "Function"]

FloatArray = npt.NDArray[np.floating[Any]]


class Function(enum.Enum):
    """Unary functions, element by element."""

    LINEAR = "linear"
    RELU = "relu"
    RELU6 = "relu6"
    LEAKY = "leaky"
    """x > 0 ? x : alpha x; Darknet's alpha is 0.1."""
    LOGISTIC = "logistic"
    LOGGY = "loggy"
    """2 / (1 + exp(-x)) - 1."""
    TANH = "tanh"
    RELIE = "relie"
    """x > 0 ? x : 0.01 x."""
    RAMP = "ramp"
    """x * (x > 0) + 0.1 x."""
    ELU = "elu"
    """x >= 0 ? x : alpha (exp(x) - 1)."""
    SELU = "selu"
    PLSE = "plse"
    """Piecewise linear logistic: 0.01 (x + 4) below -4, 0.01 (x - 4) + 1 above 4, 0.125 x + 0.5 between."""
    HARDTAN = "hardtan"
    """clamp(x, -1, 1)."""
    CLIP = "clip"
    """clamp(x, low, high), of any bounds."""
    LHTAN = "lhtan"
    """Leaky clamp: 0.001 x below 0, 0.001 (x - 1) + 1 above 1, x between."""
    STAIR = "stair"
    """n = floor(x); n even: floor(x / 2), else (x - n) + floor(x / 2)."""
    HARD_SWISH = "hard_swish"
    """x * clamp(x + 3, 0, 6) / 6."""
    HARD_SIGMOID = "hard_sigmoid"
    """clamp(alpha x + 0.5, 0, 1)."""
    SWISH = "swish"
    """x * logistic(x)."""
    MISH = "mish"
    """x * tanh(log(1 + exp(x)))."""


_SELU_ALPHA, _SELU_SCALE = 1.6732, 1.0507
"""Darknet's rounded constants."""


def _exp_minus_one(x: FloatArray) -> FloatArray:
    """exp(x) - 1 for the negative side only, so that the other side cannot overflow."""
    return np.asarray(np.expm1(np.minimum(x, 0)))


def _logistic(x: FloatArray) -> FloatArray:
    # tanh never overflows, exp(-x) does from -89 on.
    return np.asarray(0.5 * np.tanh(0.5 * x) + 0.5)


def _stair(x: FloatArray) -> FloatArray:
    floor, half = np.floor(x), np.floor(x / 2)
    return np.where(np.mod(floor, 2) == 0, half, (x - floor) + half)


def _plse(x: FloatArray) -> FloatArray:
    return np.where(x < -4, 0.01 * (x + 4), np.where(x > 4, 0.01 * (x - 4) + 1, 0.125 * x + 0.5))


@dataclass(frozen=True)
class Activation:
    """A function and its `alpha` where it has one (leaky's slope, elu's depth), `low` and `high` of a clip."""

    function: Function
    alpha: float = 0.1
    low: float = -math.inf
    high: float = math.inf

    def __call__(self, x: FloatArray) -> FloatArray:
        """The function of every element; float32 in, float32 out."""
        return np.asarray(self._apply(x), x.dtype)

    def _apply(self, x: FloatArray) -> Any:
        f = Function
        match self.function:
            case f.LINEAR:
                return x
            case f.RELU:
                return np.maximum(x, 0)
            case f.RELU6:
                return np.clip(x, 0, 6)
            case f.LEAKY:
                return np.where(x > 0, x, self.alpha * x)
            case f.LOGISTIC:
                return _logistic(x)
            case f.LOGGY:
                return 2 * _logistic(x) - 1
            case f.TANH:
                return np.tanh(x)
            case f.RELIE:
                return np.where(x > 0, x, 0.01 * x)
            case f.RAMP:
                return np.maximum(x, 0) + 0.1 * x
            case f.ELU:
                return np.where(x >= 0, x, self.alpha * _exp_minus_one(x))
            case f.SELU:
                return np.where(x >= 0, _SELU_SCALE * x, _SELU_SCALE * _SELU_ALPHA * _exp_minus_one(x))
            case f.PLSE:
                return _plse(x)
            case f.HARDTAN:
                return np.clip(x, -1, 1)
            case f.CLIP:
                return np.clip(x, self.low, self.high)
            case f.LHTAN:
                return np.where(x < 0, 0.001 * x, np.where(x > 1, 0.001 * (x - 1) + 1, x))
            case f.STAIR:
                return _stair(x)
            case f.HARD_SWISH:
                return x * np.clip(x + 3, 0, 6) / 6
            case f.HARD_SIGMOID:
                return np.clip(self.alpha * x + 0.5, 0, 1)
            case f.SWISH:
                return x * _logistic(x)
            case f.MISH:
                return x * np.tanh(np.logaddexp(x, 0))

    @property
    def clamp(self) -> tuple[float, float] | None:
        """Bounds if the function is a clamp, which hardware does while it narrows; None if it needs a table."""
        return {
            Function.LINEAR: (-math.inf, math.inf),
            Function.RELU: (0.0, math.inf),
            Function.RELU6: (0.0, 6.0),
            Function.HARDTAN: (-1.0, 1.0),
            Function.CLIP: (self.low, self.high),
        }.get(self.function)


LINEAR = Activation(Function.LINEAR)
