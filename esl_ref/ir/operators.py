# SPDX-License-Identifier: Apache-2.0
"""Operators of the integer graph: frozen records of integer parameters, computed once at import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy.typing as npt

from esl_ref.ir.tensor import Act, Padding
from esl_ref.numerics import Requant

__all__ = [
    "Add", "AveragePool", "Concat", "Conv2D", "DepthwiseConv2D", "Dequantize", "FullyConnected", "MaxPool",
    "Maximum", "Mean", "Minimum", "Mul", "Op", "Pad", "Quantize", "Reshape", "ResizeNearest", "Slice", "Softmax",
    "Sub", "Table", "Transpose",
]  # fmt: skip


@dataclass(frozen=True)
class Op:
    """One operator. `inputs` and `outputs` are tensor names; constants that are parameters are attributes."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    host: ClassVar[bool] = False
    """True for operators that hardware leaves to the host (float-like tails)."""

    @property
    def kind(self) -> str:
        """Name of the operator class, for reports."""
        return type(self).__name__


@dataclass(frozen=True)
class Conv2D(Op):
    """acc[y,x,o] = bias[o] + sum (ifm[..] - zero_in) * (weight[o,ky,kx,i] - weight_zero); groups split i and o.

    weight: int8 [O, KH, KW, I / groups]; bias: int32 or int64 [O].
    """

    weight: npt.NDArray[Any]
    bias: npt.NDArray[Any]
    requant: Requant
    act: Act
    zero_in: int = 0
    weight_zero: int = 0
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: Padding = Padding()
    groups: int = 1


@dataclass(frozen=True)
class DepthwiseConv2D(Op):
    """Output channel c * multiplier + m is input channel c filtered by weight[:, :, c * multiplier + m].

    weight: int8 [KH, KW, I * multiplier]; bias: int32 or int64 [I * multiplier].
    """

    weight: npt.NDArray[Any]
    bias: npt.NDArray[Any]
    requant: Requant
    act: Act
    zero_in: int = 0
    weight_zero: int = 0
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: Padding = Padding()
    multiplier: int = 1


@dataclass(frozen=True)
class FullyConnected(Op):
    """out[..., o] = bias[o] + sum_i (ifm[..., i] - zero_in) * (weight[o, i] - weight_zero), input flattened to rows."""

    weight: npt.NDArray[Any]
    bias: npt.NDArray[Any]
    requant: Requant
    act: Act
    zero_in: int = 0
    weight_zero: int = 0


@dataclass(frozen=True)
class AveragePool(Op):
    """round(mean(q - zero_in)) + act.zero_point over the window's elements inside the map, ties away from zero.

    Scale and zero point are unchanged. `zero_in` and `act.zero_point` are equal: 0, or -128 for re-biased uint8
    models, whose reference rounds the mean of the unsigned bytes.
    """

    window: tuple[int, int]
    stride: tuple[int, int]
    padding: Padding = Padding()
    act: Act = Act()
    zero_in: int = 0


@dataclass(frozen=True)
class MaxPool(Op):
    """Largest element of the window inside the map."""

    window: tuple[int, int]
    stride: tuple[int, int]
    padding: Padding = Padding()
    act: Act = Act()


@dataclass(frozen=True)
class Add(Op):
    """Rescaled sum: s_k = requantise((q_k - zero_k) << left_shift, input_k); out = requantise(s_1 + s_2, output).

    `sign` -1 turns it into a subtraction. Shapes broadcast as in numpy. Constants appear as const tensors.
    """

    zero: tuple[int, int]
    left_shift: int
    requant_in: tuple[Requant, Requant]
    requant: Requant
    act: Act
    sign: ClassVar[int] = 1


@dataclass(frozen=True)
class Sub(Add):
    """s_1 - s_2, else as Add."""

    sign: ClassVar[int] = -1


@dataclass(frozen=True)
class Mul(Op):
    """out = requantise((q_1 - zero_1) * (q_2 - zero_2))."""

    zero: tuple[int, int]
    requant: Requant
    act: Act


@dataclass(frozen=True)
class Mean(Op):
    """Mean over `axes` (of the input's rank), requantised; `keep_dims` decides the output's rank.

    The accumulator is sum(q) over the axes, less count * zero_in; see the operator for the reference's rounding.
    """

    axes: tuple[int, ...]
    keep_dims: bool
    requant: Requant
    act: Act
    zero_in: int = 0
    count: int = 1


@dataclass(frozen=True)
class Maximum(Op):
    """Larger of two tensors of equal quantisation, element by element; shapes broadcast as in numpy."""

    host: ClassVar[bool] = True


@dataclass(frozen=True)
class Minimum(Op):
    """Smaller of two tensors of equal quantisation, element by element; shapes broadcast as in numpy."""

    host: ClassVar[bool] = True


@dataclass(frozen=True)
class Table(Op):
    """out = table[q + 128]: any unary int8 -> int8 function (leaky ReLU, logistic, tanh, hard-swish, rescale)."""

    table: npt.NDArray[Any]
    function: str = "table"


@dataclass(frozen=True)
class Pad(Op):
    """Constant padding, `pads[axis] = (before, after)`, filled with `value` (a byte, not a real number)."""

    pads: tuple[tuple[int, int], ...]
    value: int


@dataclass(frozen=True)
class Concat(Op):
    """Inputs of equal quantisation side by side along `axis`; unequal ones get a rescaling Table before."""

    axis: int


@dataclass(frozen=True)
class Slice(Op):
    """out = ifm[begin : end : stride] per axis (split and strided slice become this)."""

    begin: tuple[int, ...]
    end: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass(frozen=True)
class Reshape(Op):
    """Same bytes, other shape."""


@dataclass(frozen=True)
class Transpose(Op):
    """out.shape[k] = ifm.shape[perm[k]]."""

    perm: tuple[int, ...]
    host: ClassVar[bool] = True


@dataclass(frozen=True)
class ResizeNearest(Op):
    """Nearest-neighbour resize; source row of output row y is rows[y], likewise columns (int index tables)."""

    rows: tuple[int, ...]
    columns: tuple[int, ...]


@dataclass(frozen=True)
class Softmax(Op):
    """Softmax over the last axis, int8 in and out, as the TFLite reference computes it (fixed point)."""

    multiplier: int
    shift: int
    diff_min: int
    host: ClassVar[bool] = True


@dataclass(frozen=True)
class Quantize(Op):
    """float32 -> int8 at the network's edge; ties go away from zero, or to the even integer with `ties_even`."""

    scale: float
    zero_point: int
    ties_even: bool = False
    host: ClassVar[bool] = True


@dataclass(frozen=True)
class Dequantize(Op):
    """int8 -> float32 at the network's edge."""

    scale: float
    zero_point: int
    host: ClassVar[bool] = True
