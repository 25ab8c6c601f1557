# SPDX-License-Identifier: Apache-2.0
"""CMSIS-NN's unit-test vectors as operators with inputs and expected outputs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from esl_ref.ir import (
    Act,
    Add,
    AveragePool,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Maximum,
    MaxPool,
    Minimum,
    Mul,
    Op,
    Padding,
    Softmax,
    Tensor,
)
from esl_ref.numerics import Requant

__all__ = ["KINDS", "Vector", "load_vector"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Vector:
    """One case: `expected` is what CMSIS-NN's generator says."""

    op: Op
    inputs: tuple[Array, ...]
    expected: Array

    @property
    def out(self) -> Tensor:
        return Tensor("out", self.expected.shape, self.expected.dtype)


class Case:
    """A vector file: defines without their prefix, arrays by the end of their name."""

    def __init__(self, path: Path) -> None:
        self.name, self.arrays = path.stem, dict(np.load(path))
        prefix = self.name.upper() + "_"
        config = json.loads(str(self.arrays.pop("_config")))
        self.config = {k.removeprefix(prefix): v for k, v in config.items()}

    def number(self, key: str, default: int | None = None) -> int:
        return int(self.config[key]) if default is None else int(self.config.get(key, default))

    def array(self, *ends: str) -> Array | None:
        for end in ends:
            if (value := self.arrays.get(f"{self.name}_{end}")) is not None:
                return value
        return None

    def need(self, *ends: str) -> Array:
        value = self.array(*ends)
        assert value is not None, f"{self.name}: none of {ends} in {sorted(self.arrays)}"
        return value

    @property
    def expected(self) -> Array:
        return self.need("output_ref", "output")

    def weights(self, count: int) -> Array:
        """int8 weights; int4 ones are unpacked, low nibble first."""
        raw = self.need("weights", "input_weights")
        if raw.size == count:
            return raw
        nibbles = np.stack([raw & 15, (raw >> 4) & 15], axis=1).reshape(-1)[:count].astype(np.int8)
        return ((nibbles ^ 8) - 8).astype(np.int8)

    def bias(self, channels: int) -> Array:
        value = self.array("biases", "bias", "input_bias")
        return np.zeros(channels, np.int32) if value is None else value

    def requant(self) -> Requant:
        multiplier = self.array("output_mult", "output_multiplier")
        if multiplier is None:
            multiplier = np.array([self.number("OUTPUT_MULTIPLIER")])
            return Requant(multiplier, np.array([self.number("OUTPUT_SHIFT")]))
        return Requant(multiplier, self.need("output_shift"))

    def act(self) -> Act:
        return Act(self.number("OUTPUT_OFFSET"), self.number("OUT_ACTIVATION_MIN"), self.number("OUT_ACTIVATION_MAX"))


def _after(before: int, size: int, kernel: int, stride: int, dilation: int, out: int) -> int:
    """Padding after the map that gives `out` positions; negative where the window never reaches the end."""
    return (out - 1) * stride + (kernel - 1) * dilation + 1 - size - before


def _padding(c: Case, size: tuple[int, int], kernel: tuple[int, int], out: tuple[int, int]) -> Padding:
    pads = []
    for axis, key in enumerate("YX"):
        before, stride, dilation = c.number(f"PAD_{key}"), c.number(f"STRIDE_{key}"), c.number(f"DILATION_{key}", 1)
        after = max(_after(before, size[axis], kernel[axis], stride, dilation, out[axis]), 0)
        pads += [before, after]
    return Padding(*pads)


def _maps(c: Case, channels: int) -> tuple[Array, Array, tuple[int, int], tuple[int, int]]:
    size, out = (c.number("INPUT_H"), c.number("INPUT_W")), (c.number("OUTPUT_H"), c.number("OUTPUT_W"))
    ifm = c.need("input").reshape(-1, *size, c.number("IN_CH"))
    return ifm, c.expected.reshape(ifm.shape[0], *out, channels), size, out


def _common(c: Case, size: tuple[int, int], kernel: tuple[int, int], out: tuple[int, int]) -> dict[str, Any]:
    return {
        "name": c.name, "inputs": ("in",), "outputs": ("out",), "requant": c.requant(), "act": c.act(),
        "zero_in": -c.number("INPUT_OFFSET"), "stride": (c.number("STRIDE_Y"), c.number("STRIDE_X")),
        "dilation": (c.number("DILATION_Y", 1), c.number("DILATION_X", 1)), "padding": _padding(c, size, kernel, out),
    }  # fmt: skip


def _conv(c: Case) -> Vector:
    channels, depth = c.number("OUT_CH"), c.number("IN_CH")
    kernel = (c.number("FILTER_Y"), c.number("FILTER_X"))
    ifm, expected, size, out = _maps(c, channels)
    taps = channels * kernel[0] * kernel[1]
    # Grouped cases carry IN_CH / groups weights per tap and no group count; int4 cases are never grouped.
    inner = depth if "_int4" in c.name else c.need("weights", "input_weights").size // taps
    weight = c.weights(taps * inner).reshape(channels, *kernel, inner)
    op = Conv2D(weight=weight, bias=c.bias(channels), groups=depth // inner, **_common(c, size, kernel, out))
    return Vector(op, (ifm,), expected)


def _depthwise(c: Case) -> Vector:
    channels, kernel = c.number("OUT_CH"), (c.number("FILTER_Y"), c.number("FILTER_X"))
    ifm, expected, size, out = _maps(c, channels)
    weight = c.weights(channels * kernel[0] * kernel[1]).reshape(*kernel, channels)
    op = DepthwiseConv2D(
        weight=weight, bias=c.bias(channels), multiplier=channels // c.number("IN_CH"), **_common(c, size, kernel, out)
    )
    return Vector(op, (ifm,), expected)


def _fully_connected(c: Case) -> Vector:
    units, depth = c.number("OUT_CH"), c.number("ACCUMULATION_DEPTH")
    op = FullyConnected(
        c.name, ("in",), ("out",), c.weights(units * depth).reshape(units, depth), c.bias(units), c.requant(), c.act(),
        -c.number("INPUT_OFFSET"), -c.number("FILTER_OFFSET", 0),
    )  # fmt: skip
    return Vector(op, (c.need("input").reshape(-1, depth),), c.expected.reshape(-1, units))


def _pool(kind: type[AveragePool] | type[MaxPool]) -> Callable[[Case], Vector]:
    def make(c: Case) -> Vector:
        size, out = (c.number("INPUT_H"), c.number("INPUT_W")), (c.number("OUTPUT_H"), c.number("OUTPUT_W"))
        kernel, stride = (c.number("FILTER_H"), c.number("FILTER_W")), (c.number("STRIDE_H"), c.number("STRIDE_W"))
        pads = []
        for axis, key in enumerate("HW"):
            before = c.number(f"PADDING_{key}")
            pads += [before, max(_after(before, size[axis], kernel[axis], stride[axis], 1, out[axis]), 0)]
        act = Act(0, c.number("ACTIVATION_MIN"), c.number("ACTIVATION_MAX"))
        op = kind(c.name, ("in",), ("out",), kernel, stride, Padding(*pads), act)
        channels = c.number("INPUT_C")
        ifm = c.need("input_tensor").reshape(-1, *size, channels)
        return Vector(op, (ifm,), c.expected.reshape(ifm.shape[0], *out, channels))

    return make


def _one(multiplier: int, shift: int) -> Requant:
    return Requant(np.array([multiplier]), np.array([shift]))


def _add(c: Case) -> Vector:
    scales = [_one(c.number(f"{n}_MULT"), c.number(f"{n}_SHIFT")) for n in ("INPUT1", "INPUT2", "OUTPUT")]
    zero = (-c.number("INPUT1_OFFSET"), -c.number("INPUT2_OFFSET"))
    op = Add(c.name, ("a", "b"), ("out",), zero, c.number("LEFT_SHIFT"), (scales[0], scales[1]), scales[2], c.act())
    return Vector(op, (c.need("input1"), c.need("input2")), c.expected)


def _mul(c: Case) -> Vector:
    zero = (-c.number("INPUT1_OFFSET"), -c.number("INPUT2_OFFSET"))
    op = Mul(c.name, ("a", "b"), ("out",), zero, _one(c.number("OUTPUT_MULT"), c.number("OUTPUT_SHIFT")), c.act())
    return Vector(op, (c.need("input1"), c.need("input2")), c.expected)


def _extremum(kind: type[Maximum] | type[Minimum]) -> Callable[[Case], Vector]:
    def make(c: Case) -> Vector:
        shapes = [[c.number(f"{d}_{k}") for d in ("BATCH", "HEIGHT", "WIDTH", "CHANNEL")] for k in (1, 2)]
        inputs = tuple(c.need(f"input_tensor_{k + 1}").reshape(shapes[k]) for k in (0, 1))
        shape = [c.number(f"OUTPUT_{d}") for d in ("BATCH", "HEIGHT", "WIDTH", "CHANNEL")]
        return Vector(kind(c.name, ("a", "b"), ("out",)), inputs, c.expected.reshape(shape))

    return make


def _softmax(c: Case) -> Vector:
    shape = (c.number("NUM_ROWS"), c.number("ROW_SIZE"))
    op = Softmax(c.name, ("in",), ("out",), c.number("INPUT_MULT"), c.number("INPUT_LEFT_SHIFT"), c.number("DIFF_MIN"))
    return Vector(op, (c.need("input").reshape(shape),), c.expected.reshape(shape))


KINDS: dict[str, Callable[[Case], Vector]] = {
    "conv": _conv,
    "depthwise": _depthwise,
    "fc": _fully_connected,
    "avgpool": _pool(AveragePool),
    "maxpool": _pool(MaxPool),
    "add": _add,
    "mul": _mul,
    "maximum": _extremum(Maximum),
    "minimum": _extremum(Minimum),
    "softmax": _softmax,
}


def load_vector(path: Path) -> Vector:
    """The case in `path`; its folder, or for pooling and elementwise its name, says which operator it is."""
    folder = path.parent.name.removesuffix("_int4").removesuffix("_int16")
    kind = folder if folder in KINDS else next(k for k in KINDS if path.stem.startswith(k))
    return KINDS[kind](Case(path))
