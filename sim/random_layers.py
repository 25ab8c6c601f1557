# SPDX-License-Identifier: Apache-2.0
"""Constrained-random layers for co-simulation: a handful of integers each, so that a failing one can be made smaller.

A `LayerSpec` holds what can go wrong: shapes, strides, padding, dilation, groups, zero points, clamps, and where
weights, biases and multipliers sit within their ranges. `build` turns it into a graph of that layer; every value
follows from the spec, its `seed` included.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from esl_ref import ir
from esl_ref.ir import Act, Graph, Padding, Tensor
from esl_ref.numerics import INT32_MAX, INT32_MIN, Profile, Requant
from esl_ref.ops.accumulators import accumulator_bounds

__all__ = ["KINDS", "LayerSpec", "build", "inputs_of", "random_spec"]

Array = npt.NDArray[Any]
KINDS = ("conv", "depthwise", "fc", "average", "max", "add", "sub", "mul", "mean", "table", "resize")
VALUES = ("uniform", "extreme", "constant")
"""How weights and inputs are drawn: over the whole range, from its ends, or the most negative value throughout."""
SCALES = ("fitting", "largest", "smallest")
"""Multipliers: bring results into int8; the largest mantissa, or the smallest, with shifts at their extremes."""


@dataclass(frozen=True)
class LayerSpec:
    """One layer. `bound` pushes the bias so far that the accumulator's bound is int32's."""

    kind: str = "conv"
    seed: int = 0
    height: int = 1
    width: int = 1
    channels: int = 1
    outputs: int = 1
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    groups: int = 1
    zeros: tuple[int, int] = (0, 0)
    clamp: tuple[int, int] = (-128, 127)
    values: str = "uniform"
    scales: str = "fitting"
    bound: bool = False
    table: bool = False
    weight_zero: int = 0

    def where(self, out: tuple[int, int]) -> tuple[int, ...]:
        """Shape of a map of `outputs` channels."""
        return (1, *out, self.outputs)


class _Dice:
    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def int(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high, endpoint=True))

    def often(self, chance: float, common: int, low: int, high: int) -> int:
        return common if self.rng.random() < chance else self.int(low, high)

    def pick(self, *choices: Any) -> Any:
        return choices[self.int(0, len(choices) - 1)]


def _reach(size: int, stride: int, dilation: int, before: int, after: int, kernel: int) -> int:
    """Output size along one axis; less than 1 if the window does not fit."""
    return (size + before + after - (kernel - 1) * dilation - 1) // stride + 1


def out_size(spec: LayerSpec) -> tuple[int, int]:
    """Rows and columns of the output of a windowed layer."""
    top, bottom, left, right = spec.padding
    return (
        _reach(spec.height, spec.stride[0], spec.dilation[0], top, bottom, spec.kernel[0]),
        _reach(spec.width, spec.stride[1], spec.dilation[1], left, right, spec.kernel[1]),
    )


def is_legal(spec: LayerSpec) -> bool:
    """Whether the numbers make a layer: windows fit, and every window meets the map (or is a legal convolution)."""
    if spec.kind in ("conv", "depthwise", "average", "max"):
        if min(out_size(spec)) < 1 or spec.channels % spec.groups or spec.outputs % spec.groups:
            return False
        reach = [(k - 1) * d for k, d in zip(spec.kernel, spec.dilation, strict=True)]
        if max(spec.padding[:2]) > reach[0] or max(spec.padding[2:]) > reach[1]:
            return False
        if spec.kind in ("average", "max"):  # the compiler and TFLite ask windows to touch the map
            return max(spec.padding[:2]) < spec.kernel[0] and max(spec.padding[2:]) < spec.kernel[1]
    return True


def random_spec(seed: int, lanes: int = 16) -> LayerSpec:
    """A legal layer; sizes favour the lanes' edges."""
    dice = _Dice(seed)
    while True:
        spec = _draw(dice, seed, lanes)
        if is_legal(spec):
            return spec


def _channels(dice: _Dice, lanes: int) -> int:
    return dice.pick(1, 3, lanes - 1, lanes, lanes + 1, 2 * lanes, dice.int(1, 3 * lanes), dice.int(1, lanes))


def _draw(dice: _Dice, seed: int, lanes: int) -> LayerSpec:
    kind = dice.pick("conv", "conv", "conv", "depthwise", "depthwise", *KINDS)
    channels = _channels(dice, lanes)
    outputs = _channels(dice, lanes) if kind in ("conv", "fc") else channels
    groups = dice.pick(1, 1, 1, 2, 4) if kind == "conv" else 1
    kernel = (dice.often(0.5, 3, 1, 8), dice.often(0.5, 3, 1, 8)) if kind != "fc" else (1, 1)
    multiplier = dice.pick(1, 1, 1, 1, 2, 3, 4, 8, lanes) if kind == "depthwise" else 1
    low = dice.often(0.6, -128, -128, 126)
    dilated = kind in ("conv", "depthwise") and dice.int(0, 4) == 0
    spec = LayerSpec(
        kind, seed, dice.int(1, 14), dice.int(1, 14), channels * (groups if kind == "conv" else 1),
        outputs * (multiplier if kind == "depthwise" else groups), kernel,
        (dice.often(0.6, 1, 1, 4), dice.often(0.6, 1, 1, 4)),
        (dice.int(1, 3), dice.int(1, 3)) if dilated else (1, 1),
        tuple(dice.int(0, 3) for _ in range(4)),  # type: ignore[arg-type]
        groups, (dice.pick(-128, 0, 127, dice.int(-128, 127)), dice.pick(-128, 0, 127, dice.int(-128, 127))),
        (low, dice.often(0.6, 127, low + 1, 127)), dice.pick(*VALUES), dice.pick("fitting", *SCALES),
        dice.int(0, 7) == 0, dice.int(0, 5) == 0,
    )  # fmt: skip
    return _rarer(dice, spec)


def _rarer(dice: _Dice, spec: LayerSpec) -> LayerSpec:
    """Now and then a window too large for the machine's registers, and weights that leave int8 by their zero point."""
    if spec.kind in ("depthwise", "max", "average") and dice.int(0, 2) == 0:
        kernel = (dice.int(1, 13), dice.int(1, 13))
        sides = tuple(dice.int(0, k // 2) for k in kernel for _ in range(2))
        size = {"height": dice.int(6, 24), "width": dice.int(6, 24)}
        spec = dataclasses.replace(spec, kernel=kernel, padding=sides, **size)
    if spec.kind in ("conv", "depthwise", "fc"):
        spec = dataclasses.replace(spec, weight_zero=dice.pick(0, 0, 0, -128, dice.int(-128, 127)))
    return spec


def _bytes(rng: np.random.Generator, values: str, shape: tuple[int, ...]) -> Array:
    if values == "extreme":
        return rng.choice(np.array([-128, 127], np.int8), shape)
    if values == "constant":
        return np.full(shape, -128, np.int8)
    return rng.integers(-128, 127, shape, np.int8, endpoint=True)


def _requant(rng: np.random.Generator, spec: LayerSpec, channels: int, bound: int) -> Requant:
    """Scale of accumulators up to `bound`. Positive shifts stay within what the accumulator's left shift allows."""
    if spec.scales == "largest":
        room = max(0, 31 - int(bound).bit_length())
        return Requant(np.full(channels, INT32_MAX), np.full(channels, min(room, 7)), Profile.TFLITE)
    if spec.scales == "smallest":
        return Requant(np.full(channels, 1 << 30), np.full(channels, -31), Profile.TFLITE)
    shift = 7 - int(bound).bit_length() + rng.integers(-2, 3, channels)
    return Requant(rng.integers(1 << 30, 1 << 31, channels), np.minimum(shift, 0), Profile.TFLITE)


def _bias(rng: np.random.Generator, op: Any, spec: LayerSpec) -> Array:
    """Small, or as large as the accumulator's bound leaves room for, to one side per channel."""
    bounds = accumulator_bounds(op)
    assert bounds is not None
    if not spec.bound:
        return rng.integers(-5000, 5000, len(op.bias)).astype(np.int32)
    high, low = INT32_MAX - bounds.high, INT32_MIN - bounds.low
    return np.where(rng.random(len(op.bias)) < 0.5, high, low).astype(np.int32)


def _weighted(op: Any, spec: LayerSpec, rng: np.random.Generator) -> Any:
    """Bias and scale once the weights are known."""
    op = dataclasses.replace(op, bias=_bias(rng, op, spec))
    bounds = accumulator_bounds(op)
    assert bounds is not None
    low, high = bounds.range
    return dataclasses.replace(op, requant=_requant(rng, spec, len(op.bias), max(-low, high, 1)))


def _none(channels: int) -> tuple[Array, Requant]:
    return np.zeros(channels, np.int32), Requant(np.full(channels, 1 << 30), np.zeros(channels, np.int64))


def _act(spec: LayerSpec) -> Act:
    return Act(spec.zeros[1], *spec.clamp)


Made = tuple[ir.Op, tuple[tuple[int, ...], ...], tuple[int, ...]]


def _conv(spec: LayerSpec, rng: np.random.Generator) -> Made:
    weight = _bytes(rng, spec.values, (spec.outputs, *spec.kernel, spec.channels // spec.groups))
    op = ir.Conv2D(
        "layer", ("a",), ("y",), weight, *_none(spec.outputs), _act(spec), spec.zeros[0], spec.weight_zero, spec.stride,
        spec.dilation, Padding(*spec.padding), spec.groups,
    )  # fmt: skip
    return _weighted(op, spec, rng), ((1, spec.height, spec.width, spec.channels),), spec.where(out_size(spec))


def _depthwise(spec: LayerSpec, rng: np.random.Generator) -> Made:
    weight = _bytes(rng, spec.values, (*spec.kernel, spec.outputs))
    op = ir.DepthwiseConv2D(
        "layer", ("a",), ("y",), weight, *_none(spec.outputs), _act(spec), spec.zeros[0], spec.weight_zero, spec.stride,
        spec.dilation, Padding(*spec.padding), spec.outputs // spec.channels,
    )  # fmt: skip
    return _weighted(op, spec, rng), ((1, spec.height, spec.width, spec.channels),), spec.where(out_size(spec))


def _fc(spec: LayerSpec, rng: np.random.Generator) -> Made:
    depth = spec.height * spec.channels
    weight = _bytes(rng, spec.values, (spec.outputs, depth))
    none = _none(spec.outputs)
    op = ir.FullyConnected("layer", ("a",), ("y",), weight, *none, _act(spec), spec.zeros[0], spec.weight_zero)
    op = _weighted(op, spec, rng)
    if rng.random() < 0.5:  # as in uint8 models
        op = dataclasses.replace(op, requant=dataclasses.replace(op.requant, profile=Profile.SINGLE))
    return op, ((1, depth),), (1, spec.outputs)


def _pool(spec: LayerSpec, rng: np.random.Generator) -> Made:
    act, shape = Act(0, *spec.clamp), ((1, spec.height, spec.width, spec.channels),)
    make = ir.AveragePool if spec.kind == "average" else ir.MaxPool
    op = make("layer", ("a",), ("y",), spec.kernel, spec.stride, Padding(*spec.padding), act)
    if isinstance(op, ir.AveragePool) and rng.random() < 0.5:  # as in uint8 models
        op = dataclasses.replace(op, act=dataclasses.replace(act, zero_point=-128), zero_in=-128)
    return op, shape, (1, *out_size(spec), spec.channels)


def _mean(spec: LayerSpec, rng: np.random.Generator) -> Made:
    count = spec.height * spec.width
    requant = _requant(rng, spec, 1, 255 * count)
    op = ir.Mean("layer", ("a",), ("y",), (1, 2), True, requant, _act(spec), spec.zeros[0], count)
    return op, ((1, spec.height, spec.width, spec.channels),), (1, 1, 1, spec.channels)


def _add(spec: LayerSpec, rng: np.random.Generator) -> Made:
    shape = (1, spec.height, spec.width, spec.channels)
    scales = tuple(Requant(rng.integers(1 << 30, 1 << 31, 1), -rng.integers(0, 6, 1)) for _ in range(2))
    out = Requant(rng.integers(1 << 30, 1 << 31, 1), -rng.integers(16, 22, 1))
    make = ir.Add if spec.kind == "add" else ir.Sub
    op = make("layer", ("a", "b"), ("y",), spec.zeros, 20, scales, out, Act(spec.zeros[0], *spec.clamp))  # type: ignore[arg-type]
    return op, (shape, shape), shape


def _mul(spec: LayerSpec, rng: np.random.Generator) -> Made:
    shape = (1, spec.height, spec.width, spec.channels)
    op = ir.Mul("layer", ("a", "b"), ("y",), spec.zeros, _requant(rng, spec, 1, 255 * 255), _act(spec))
    return op, (shape, shape), shape


def _table(spec: LayerSpec, rng: np.random.Generator) -> Made:
    shape = (1, spec.height, spec.width, spec.channels)
    return ir.Table("layer", ("a",), ("y",), _bytes(rng, "uniform", (256,))), (shape,), shape


def _resize(spec: LayerSpec, rng: np.random.Generator) -> Made:
    factors = spec.stride
    rows, columns = (
        tuple(i // f for i in range(n * f)) for n, f in zip((spec.height, spec.width), factors, strict=True)
    )
    op = ir.ResizeNearest("layer", ("a",), ("y",), rows, columns)
    return op, ((1, spec.height, spec.width, spec.channels),), (1, len(rows), len(columns), spec.channels)


_BUILD: dict[str, Callable[[LayerSpec, np.random.Generator], Made]] = {
    "conv": _conv, "depthwise": _depthwise, "fc": _fc, "average": _pool, "max": _pool, "mean": _mean, "add": _add,
    "sub": _add, "mul": _mul, "table": _table, "resize": _resize,
}  # fmt: skip


def build(spec: LayerSpec) -> Graph:
    """The layer as a graph with inputs 'a' (and 'b'), output 'y', and a table behind it if the spec asks for one."""
    rng = np.random.default_rng([spec.seed, 1])
    op, ifms, out = _BUILD[spec.kind](spec, rng)
    tensors = {name: Tensor(name, shape, np.dtype(np.int8)) for name, shape in zip("ab", ifms, strict=False)}
    tensors |= {name: Tensor(name, out, np.dtype(np.int8)) for name in ("y", "z")[: 1 + spec.table]}
    ops: tuple[ir.Op, ...] = (op,)
    if spec.table:
        ops += (ir.Table("after", ("y",), ("z",), _bytes(rng, "uniform", (256,))),)
    name = f"{spec.kind}-{spec.seed}"
    return Graph(name, tensors, ops, tuple(n for n in tensors if n in "ab"), (ops[-1].outputs[0],))


def inputs_of(spec: LayerSpec, graph: Graph) -> dict[str, Array]:
    """Inputs drawn as the weights are; with `bound` every byte sits at one end of its range."""
    rng = np.random.default_rng([spec.seed, 2])
    values = "extreme" if spec.bound else spec.values
    return {name: _bytes(rng, values, graph.tensors[name].shape) for name in graph.inputs}
