# SPDX-License-Identifier: Apache-2.0
"""The float graph: a network before quantisation.

Tensors are float32, NHWC with batch 1: front ends settle layouts at import.
It mirrors `esl_ref.ir`, with real numbers in place of integer parameters. Batch norm is folded into the convolution
before it by the front end. Weights are `Parameter`s, which are read when a layer runs and let go after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from esl_ref.axes import Axes
from esl_ref.errors import ModelError
from esl_ref.floating.activation import LINEAR, Activation
from esl_ref.ir import Padding

__all__ = [
    "Activate", "Add", "AveragePool", "Concat", "Conv", "Dense", "FloatGraph", "FloatOp", "Local", "MaxPool", "Mean",
    "Mul", "Pad", "Parameter", "Reshape", "ResizeNearest", "Slice", "Softmax", "Sub", "Transpose",
]  # fmt: skip

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Parameter:
    """Weights that are read on demand: `load()` gives float32 of `shape`, from memory, a file, or a seed.

    `parts(count)`, where there is one, yields (first, entries of the first axis from there on), at most `count` at a
    time and all in the same memory, and sees to it that they are finite: layers that use every weight once need not
    hold them all.
    """

    shape: tuple[int, ...]
    load: Callable[[], FloatArray]
    parts: Callable[[int], Iterator[tuple[int, FloatArray]]] | None = field(default=None, kw_only=True)

    @classmethod
    def of(cls, values: npt.ArrayLike) -> Parameter:
        """A parameter that is in memory already."""
        array = np.asarray(values, np.float32)
        return cls(array.shape, lambda: array)

    @property
    def elements(self) -> int:
        """How many values it has."""
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True)
class FloatOp:
    """One operator; `inputs` are tensor names, `output` is the one it makes."""

    name: str
    inputs: tuple[str, ...]
    output: str

    @property
    def kind(self) -> str:
        """Name of the operator class, for reports."""
        return type(self).__name__


@dataclass(frozen=True)
class Conv(FloatOp):
    """weight [O, KH, KW, I / groups], bias [O]; depthwise is groups == I. Padding is with zeros."""

    weight: Parameter
    bias: Parameter
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: Padding = Padding()
    groups: int = 1
    activation: Activation = LINEAR


@dataclass(frozen=True)
class Dense(FloatOp):
    """weight [O, I], bias [O]; the input is flattened in its own (NHWC) order: front ends permute weights to that."""

    weight: Parameter
    bias: Parameter
    activation: Activation = LINEAR


@dataclass(frozen=True)
class Local(FloatOp):
    """Convolution with weights of its own at every output place: weight [OH, OW, O, KH, KW, I], bias [OH, OW, O]."""

    weight: Parameter
    bias: Parameter
    stride: tuple[int, int] = (1, 1)
    padding: Padding = Padding()
    activation: Activation = LINEAR


@dataclass(frozen=True)
class MaxPool(FloatOp):
    """Largest element of the window inside the map."""

    window: tuple[int, int]
    stride: tuple[int, int]
    padding: Padding = Padding()


@dataclass(frozen=True)
class AveragePool(FloatOp):
    """Mean of the window's elements inside the map, or of the whole window with `count_padding`."""

    window: tuple[int, int]
    stride: tuple[int, int]
    padding: Padding = Padding()
    count_padding: bool = False


@dataclass(frozen=True)
class Mean(FloatOp):
    """Mean over `axes` (of the input's rank)."""

    axes: tuple[int, ...]
    keep_dims: bool


@dataclass(frozen=True)
class Activate(FloatOp):
    """A function of its own, where it could not be fused into the operator before."""

    activation: Activation


@dataclass(frozen=True)
class Add(FloatOp):
    """Sum of two tensors (one may be a constant of the graph); shapes broadcast as in numpy."""

    activation: Activation = LINEAR


@dataclass(frozen=True)
class Sub(FloatOp):
    """First less second, else as Add."""

    activation: Activation = LINEAR


@dataclass(frozen=True)
class Mul(FloatOp):
    """Product, else as Add."""

    activation: Activation = LINEAR


@dataclass(frozen=True)
class Concat(FloatOp):
    """Inputs side by side along `axis`."""

    axis: int


@dataclass(frozen=True)
class Slice(FloatOp):
    """out = ifm[begin : end : stride] per axis."""

    begin: tuple[int, ...]
    end: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass(frozen=True)
class Pad(FloatOp):
    """Constant padding, `pads[axis] = (before, after)`."""

    pads: tuple[tuple[int, int], ...]
    value: float = 0.0


@dataclass(frozen=True)
class Reshape(FloatOp):
    """Same elements in the same order, the output tensor's shape."""


@dataclass(frozen=True)
class Transpose(FloatOp):
    """out.shape[k] = ifm.shape[perm[k]]."""

    perm: tuple[int, ...]


@dataclass(frozen=True)
class ResizeNearest(FloatOp):
    """Source row of output row y is rows[y], likewise columns."""

    rows: tuple[int, ...]
    columns: tuple[int, ...]


@dataclass(frozen=True)
class Softmax(FloatOp):
    """Over the last axis."""


@dataclass(frozen=True)
class FloatGraph:
    """Operators in execution order. `shapes` has every tensor; `constants` those that are not computed.

    `heads` are the detection heads that the host applies to outputs (`esl_ref.detection`), in the order of the file.
    `file_axes` has the inputs and outputs whose axes the file has in another order (`esl_ref.axes`).
    """

    name: str
    shapes: Mapping[str, tuple[int, ...]]
    ops: tuple[FloatOp, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    constants: Mapping[str, Parameter] = field(default_factory=dict)
    heads: tuple[Any, ...] = ()
    notes: tuple[str, ...] = ()
    file_axes: Mapping[str, Axes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shapes", MappingProxyType(dict(self.shapes)))
        object.__setattr__(self, "constants", MappingProxyType(dict(self.constants)))
        object.__setattr__(self, "file_axes", MappingProxyType(dict(self.file_axes)))
        self.verify()

    def verify(self) -> None:
        """ModelError unless every tensor has a shape, is produced once, and before its uses."""
        known = set(self.inputs) | set(self.constants)
        for op in self.ops:
            for name in op.inputs:
                if name not in known:
                    raise ModelError(f"reads tensor '{name}' before anything produced it", where=f"layer '{op.name}'")
            if op.output in known:
                raise ModelError(f"tensor '{op.output}' is produced twice", where=f"layer '{op.name}'")
            known.add(op.output)
        for name in (*known, *self.outputs):
            if name not in self.shapes or name not in known:
                raise ModelError(f"tensor '{name}' has no shape or producer", where=f"graph '{self.name}'")
