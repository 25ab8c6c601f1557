# SPDX-License-Identifier: Apache-2.0
"""Small random operators of every kind, with extremes drawn often: for comparing two forms of one operator.

`draw(kind, seed)` gives (operator, inputs, output tensor); the same arguments give the same case.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from esl_ref import ir
from esl_ref.ir import Act, Op, Padding, Tensor
from esl_ref.numerics import Profile, Requant
from esl_ref.ops import conv2d, depthwise_conv2d, pool_windows

__all__ = ["DRAWERS", "Drawn", "draw"]

Array = npt.NDArray[Any]
Drawn = tuple[Op, tuple[Array, ...], Tensor]


class Dice:
    """Random numbers in the words of layers."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def int(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high, endpoint=True))

    def often(self, *extremes: int, low: int, high: int) -> int:
        """One of `extremes` half of the time, else uniform."""
        return int(self.rng.choice(extremes)) if self.rng.random() < 0.5 else self.int(low, high)

    def bytes(self, *shape: int) -> Array:
        """int8, a third of the time only extremes."""
        if self.rng.random() < 0.33:
            return self.rng.choice(np.array([-128, -127, 0, 127], np.int8), shape)
        return self.rng.integers(-128, 127, shape, np.int8, endpoint=True)

    def zero(self) -> int:
        return self.often(-128, 0, 127, low=-128, high=127)

    def act(self) -> Act:
        low = self.often(-128, low=-128, high=100)
        return Act(self.zero(), low, self.often(127, low=low, high=127))

    def requant(self, channels: int, bound: int) -> Requant:
        """Scales that bring accumulators up to `bound` into or near int8, in any profile."""
        profile = list(Profile)[self.int(0, len(Profile) - 1)]
        count = channels if self.rng.random() < 0.6 else 1
        shift = np.array([max(-31, 7 - bound.bit_length() - self.int(-2, 2)) for _ in range(count)], np.int64)
        multiplier = self.rng.integers(1 << 30, 1 << 31, count)
        if profile in (Profile.TFLITE, Profile.SINGLE, Profile.EVEN):
            return Requant(multiplier, np.minimum(shift, 0), profile)
        if profile is Profile.POW2:
            return Requant(np.ones(count, np.int64), np.minimum(shift, 0), profile)
        add = self.rng.integers(-(1 << 20), 1 << 20, count)
        return Requant(self.rng.integers(1, 255, count), np.minimum(shift - 7, 0), profile, add)


def _tensor(shape: tuple[int, ...], dtype: npt.DTypeLike = np.int8) -> Tensor:
    return Tensor("out", shape, np.dtype(dtype))


def _window(d: Dice) -> dict[str, Any]:
    return {
        "stride": (d.int(1, 3), d.int(1, 3)),
        "padding": Padding(d.int(0, 2), d.int(0, 2), d.int(0, 2), d.int(0, 2)),
    }


def _taps(d: Dice, h: int, w: int) -> dict[str, Any]:
    return {**_window(d), "dilation": (d.int(1, 2), d.int(1, 2))}


def _conv(d: Dice) -> Drawn:
    groups, depth, per_group = d.often(1, low=1, high=3), d.int(1, 4), d.int(1, 3)
    h, w, kh, kw = d.int(5, 8), d.int(9, 12), d.int(1, 3), d.int(1, 5)  # 3 taps at distance 2 need 5
    units, weight_zero = groups * per_group, d.often(0, low=-128, high=127)
    op = ir.Conv2D(
        "conv", ("in",), ("out",), weight=d.bytes(units, kh, kw, depth),
        bias=d.rng.integers(-5000, 5000, units).astype(np.int32),
        requant=d.requant(units, kh * kw * depth * 255 * 127), act=d.act(), zero_in=d.zero(),
        weight_zero=weight_zero, groups=groups, **_taps(d, h, w),
    )  # fmt: skip
    ifm = d.bytes(d.int(1, 2), h, w, depth * groups)
    return op, (ifm,), _tensor(conv2d.out_shape(op, ifm.shape))


def _depthwise(d: Dice) -> Drawn:
    h, w, kh, kw, c, m = d.int(5, 8), d.int(5, 8), d.int(1, 3), d.int(1, 3), d.int(1, 5), d.often(1, low=1, high=3)
    op = ir.DepthwiseConv2D(
        "depthwise", ("in",), ("out",), weight=d.bytes(kh, kw, c * m),
        bias=d.rng.integers(-5000, 5000, c * m).astype(np.int32), requant=d.requant(c * m, kh * kw * 255 * 127),
        act=d.act(), zero_in=d.zero(), weight_zero=d.often(0, low=-128, high=127), multiplier=m, **_taps(d, h, w),
    )  # fmt: skip
    ifm = d.bytes(d.int(1, 2), h, w, c)
    return op, (ifm,), _tensor(depthwise_conv2d.out_shape(op, ifm.shape))


def _fully_connected(d: Dice) -> Drawn:
    depth, units, rows = d.int(1, 40), d.int(1, 8), d.int(1, 3)
    op = ir.FullyConnected(
        "fc", ("in",), ("out",), d.bytes(units, depth), d.rng.integers(-5000, 5000, units).astype(np.int32),
        d.requant(units, depth * 255 * 127), d.act(), d.zero(), d.often(0, low=-128, high=127),
    )  # fmt: skip
    return op, (d.bytes(rows, depth),), _tensor((rows, units))


def _pool(kind: type[ir.AveragePool] | type[ir.MaxPool]) -> Callable[[Dice], Drawn]:
    def make(d: Dice) -> Drawn:
        window, act = (d.int(3, 5), d.int(3, 5)), d.act()
        op: ir.AveragePool | ir.MaxPool
        if kind is ir.AveragePool:
            zero = d.often(0, low=-128, high=-128)
            act = Act(zero, act.low, act.high)
            op = ir.AveragePool("pool", ("in",), ("out",), window, act=act, zero_in=zero, **_window(d))
        else:
            op = ir.MaxPool("pool", ("in",), ("out",), window, act=Act(0, act.low, act.high), **_window(d))
        ifm = d.bytes(d.int(1, 2), d.int(5, 8), d.int(5, 8), d.int(1, 4))
        return op, (ifm,), _tensor(pool_windows.out_shape(op, ifm.shape))

    return make


def _operands(d: Dice) -> tuple[tuple[Array, Array], tuple[int, ...]]:
    shape = (1, d.int(1, 4), d.int(1, 4), d.int(1, 5))
    other = [shape, (1, 1, 1, shape[3]), (1,), (shape[3],)][d.int(0, 3)]
    return (d.bytes(*shape), d.bytes(*other)), shape


def _sum(kind: type[ir.Add]) -> Callable[[Dice], Drawn]:
    def make(d: Dice) -> Drawn:
        inputs, shape = _operands(d)
        half = [Requant(d.rng.integers(1 << 30, 1 << 31, 1), -d.rng.integers(0, 6, 1)) for _ in range(2)]
        out = Requant(d.rng.integers(1 << 30, 1 << 31, 1), -d.rng.integers(16, 22, 1))
        op = kind("sum", ("a", "b"), ("out",), (d.zero(), d.zero()), 20, (half[0], half[1]), out, d.act())
        return op, inputs, _tensor(shape)

    return make


def _mul(d: Dice) -> Drawn:
    inputs, shape = _operands(d)
    op = ir.Mul("mul", ("a", "b"), ("out",), (d.zero(), d.zero()), d.requant(1, 255 * 255), d.act())
    return op, inputs, _tensor(shape)


def _extremum(kind: type[ir.Maximum] | type[ir.Minimum]) -> Callable[[Dice], Drawn]:
    def make(d: Dice) -> Drawn:
        inputs, shape = _operands(d)
        return kind("extremum", ("a", "b"), ("out",)), inputs, _tensor(shape)

    return make


def _mean(d: Dice) -> Drawn:
    shape = tuple(d.int(1, 5) for _ in range(4))
    axes = [(1, 2), (1,), (3,), (2, 3)][d.int(0, 3)]
    keep, count = d.int(0, 1) == 1, int(np.prod([shape[a] for a in axes]))
    op = ir.Mean("mean", ("in",), ("out",), axes, keep, d.requant(1, 255 * count), d.act(), d.zero(), count)
    kept = tuple(1 if a in axes else n for a, n in enumerate(shape) if keep or a not in axes)
    return op, (d.bytes(*shape),), _tensor(kept)


def _table(d: Dice) -> Drawn:
    ifm = d.bytes(1, d.int(1, 9), d.int(1, 40))
    return ir.Table("table", ("in",), ("out",), d.bytes(256)), (ifm,), _tensor(ifm.shape)


def _pad(d: Dice) -> Drawn:
    shape = tuple(d.int(1, 4) for _ in range(4))
    pads = tuple((d.int(0, 2), d.int(0, 2)) for _ in range(4))
    out = tuple(n + a + b for n, (a, b) in zip(shape, pads, strict=True))
    return ir.Pad("pad", ("in",), ("out",), pads, d.zero()), (d.bytes(*shape),), _tensor(out)


def _concat(d: Dice) -> Drawn:
    shape, axis = [d.int(1, 4) for _ in range(4)], d.int(0, 3)
    sizes = [d.int(1, 3) for _ in range(d.int(1, 4))]
    parts = tuple(d.bytes(*(size if a == axis else n for a, n in enumerate(shape))) for size in sizes)
    shape[axis] = sum(sizes)
    names = tuple(f"in{k}" for k in range(len(parts)))
    return ir.Concat("concat", names, ("out",), axis), parts, _tensor(tuple(shape))


def _slice(d: Dice) -> Drawn:
    shape = tuple(d.int(1, 6) for _ in range(3))
    begin = tuple(d.int(0, n - 1) for n in shape)
    end = tuple(d.int(b + 1, n) for b, n in zip(begin, shape, strict=True))
    stride = tuple(d.int(1, 3) for _ in range(3))
    out = tuple(len(range(*t)) for t in zip(begin, end, stride, strict=True))
    return ir.Slice("slice", ("in",), ("out",), begin, end, stride), (d.bytes(*shape),), _tensor(out)


def _reshape(d: Dice) -> Drawn:
    a, b, c = d.int(1, 5), d.int(1, 5), d.int(1, 5)
    return ir.Reshape("reshape", ("in",), ("out",)), (d.bytes(1, a, b, c),), _tensor((1, c, a * b))


def _transpose(d: Dice) -> Drawn:
    shape, perm = tuple(d.int(1, 4) for _ in range(4)), tuple(int(p) for p in d.rng.permutation(4))
    return ir.Transpose("t", ("in",), ("out",), perm), (d.bytes(*shape),), _tensor(tuple(shape[p] for p in perm))


def _resize(d: Dice) -> Drawn:
    h, w, c = d.int(1, 4), d.int(1, 4), d.int(1, 3)
    rows, columns = tuple(d.int(0, h - 1) for _ in range(5)), tuple(d.int(0, w - 1) for _ in range(3))
    return ir.ResizeNearest("resize", ("in",), ("out",), rows, columns), (d.bytes(1, h, w, c),), _tensor((1, 5, 3, c))


def _softmax(d: Dice) -> Drawn:
    ifm = d.bytes(d.int(1, 3), d.int(1, 12))
    shift = d.int(10, 27)
    radius = 31 * (1 << 26) // (1 << shift)
    op = ir.Softmax("softmax", ("in",), ("out",), d.int(1 << 30, (1 << 31) - 1), shift, -radius)
    return op, (ifm,), _tensor(ifm.shape)


def _quantize(d: Dice) -> Drawn:
    scale = float(np.float32(np.exp(d.rng.uniform(-6, 3))))
    values = d.rng.integers(-600, 600, (1, 40)) * np.float32(scale) / 2 if d.int(0, 1) else d.rng.normal(0, 99, (1, 40))
    op = ir.Quantize("quantize", ("in",), ("out",), scale, d.zero(), ties_even=d.int(0, 1) == 1)
    return op, (values.astype(np.float32),), _tensor((1, 40))


def _dequantize(d: Dice) -> Drawn:
    scale = float(np.float32(np.exp(d.rng.uniform(-6, 3))))
    op = ir.Dequantize("dequantize", ("in",), ("out",), scale, d.zero())
    return op, (d.bytes(1, 40),), _tensor((1, 40), np.float32)


DRAWERS: dict[type[Op], Callable[[Dice], Drawn]] = {
    ir.Add: _sum(ir.Add),
    ir.AveragePool: _pool(ir.AveragePool),
    ir.Concat: _concat,
    ir.Conv2D: _conv,
    ir.DepthwiseConv2D: _depthwise,
    ir.Dequantize: _dequantize,
    ir.FullyConnected: _fully_connected,
    ir.MaxPool: _pool(ir.MaxPool),
    ir.Maximum: _extremum(ir.Maximum),
    ir.Mean: _mean,
    ir.Minimum: _extremum(ir.Minimum),
    ir.Mul: _mul,
    ir.Pad: _pad,
    ir.Quantize: _quantize,
    ir.Reshape: _reshape,
    ir.ResizeNearest: _resize,
    ir.Slice: _slice,
    ir.Softmax: _softmax,
    ir.Sub: _sum(ir.Sub),
    ir.Table: _table,
    ir.Transpose: _transpose,
}


def draw(kind: type[Op], seed: int) -> Drawn:
    """A case of this kind."""
    return DRAWERS[kind](Dice(seed))
