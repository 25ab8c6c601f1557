# SPDX-License-Identifier: Apache-2.0
"""The integer graph: what every front end produces and every executor consumes.

Tensors are NHWC with batch 1 (or any lower rank for dense data), int8 unless said otherwise. Each operator is a frozen
dataclass that carries its integer parameters, computed once at import; after that there is no float anywhere, except
in operators marked `host`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from esl_ref.errors import ModelError
from esl_ref.numerics import Profile, Requant

__all__ = [
    "Act", "Add", "AveragePool", "Concat", "Conv2D", "DepthwiseConv2D", "Dequantize", "FullyConnected", "Graph",
    "MaxPool", "Maximum", "Mean", "Minimum", "Mul", "Op", "Pad", "Padding", "Quant", "Quantize", "Reshape",
    "ResizeNearest", "Slice", "Softmax", "Sub", "Table", "Tensor", "Transpose",
]  # fmt: skip


@dataclass(frozen=True)
class Quant:
    """real = scale * (q - zero_point); one entry per tensor, or one per index of `axis`."""

    scale: tuple[float, ...]
    zero_point: tuple[int, ...]
    axis: int | None = None


@dataclass(frozen=True)
class Tensor:
    """A named tensor; `data` is set for constants. `shape` has batch 1 first where the model has a batch.

    `file_offset` is 128 for a tensor that is uint8 in the model file and was re-biased on import: the file's value
    is q + file_offset.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    quant: Quant | None = None
    data: npt.NDArray[Any] | None = None
    file_offset: int = 0

    @property
    def elements(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        return self.elements * self.dtype.itemsize

    @property
    def is_const(self) -> bool:
        return self.data is not None


@dataclass(frozen=True)
class Padding:
    """Rows and columns of zero-valued elements around the input feature map."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0


@dataclass(frozen=True)
class Act:
    """Output zero point and clamp bounds, in output units: q = clamp(value + zero_point, low, high)."""

    zero_point: int = 0
    low: int = -128
    high: int = 127


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
    """float32 -> int8 at the network's edge."""

    scale: float
    zero_point: int
    host: ClassVar[bool] = True


@dataclass(frozen=True)
class Dequantize(Op):
    """int8 -> float32 at the network's edge."""

    scale: float
    zero_point: int
    host: ClassVar[bool] = True


@dataclass(frozen=True)
class Graph:
    """Operators in execution order over named tensors. `verify` checks every rule that executors rely on."""

    name: str
    tensors: Mapping[str, Tensor]
    ops: tuple[Op, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    profile: Profile = Profile.TFLITE
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "tensors", MappingProxyType(dict(self.tensors)))
        self.verify()

    def verify(self) -> None:
        """ModelError unless every tensor is produced once, before its uses, and every name exists."""
        known = set(self.inputs) | {n for n, t in self.tensors.items() if t.is_const}
        for op in self.ops:
            for name in op.inputs:
                if name not in known:
                    raise ModelError(
                        f"reads tensor '{name}' before anything produced it", where=f"operator '{op.name}'"
                    )
            for name in op.outputs:
                if name not in self.tensors:
                    raise ModelError(f"writes unknown tensor '{name}'", where=f"operator '{op.name}'")
                if name in known:
                    raise ModelError(f"tensor '{name}' is produced twice", where=f"operator '{op.name}'")
                known.add(name)
        for name in self.outputs:
            if name not in known:
                raise ModelError(f"output tensor '{name}' is never produced", where=f"graph '{self.name}'")

    def consumers(self) -> dict[str, tuple[Op, ...]]:
        """Tensor name -> operators that read it, in order."""
        result: dict[str, list[Op]] = {name: [] for name in self.tensors}
        for op in self.ops:
            for name in dict.fromkeys(op.inputs):
                result[name].append(op)
        return {name: tuple(ops) for name, ops in result.items()}

    def producers(self) -> dict[str, Op]:
        """Tensor name -> the operator that writes it."""
        return {name: op for op in self.ops for name in op.outputs}

    def io(self, op: Op) -> tuple[list[Tensor], list[Tensor]]:
        """Input and output tensors of one operator."""
        return [self.tensors[n] for n in op.inputs], [self.tensors[n] for n in op.outputs]

    def activations(self) -> Iterator[Tensor]:
        """Non-constant tensors."""
        return (t for t in self.tensors.values() if not t.is_const)

    def replace(self, **changes: Any) -> Graph:
        """A copy with some fields changed, verified again."""
        return dataclasses.replace(self, **changes)
