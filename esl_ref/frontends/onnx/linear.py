# SPDX-License-Identifier: Apache-2.0
"""Convolutions and dense layers whose output scale, or shift, has become known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from esl_ref import ir
from esl_ref.floating.graph import Conv, Dense, Parameter
from esl_ref.frontends.onnx.builder import Builder, integers_of
from esl_ref.frontends.onnx.middle import QuantisedParameter, RequantShift
from esl_ref.frontends.onnx.scales import clamp_of, identity_requant, is_linear, requant_of
from esl_ref.frontends.onnx.schema import Array, elements
from esl_ref.frontends.onnx.states import Pending, Real
from esl_ref.ir import Act
from esl_ref.numerics import INT32_MAX, INT32_MIN, Profile, Requant

__all__ = ["linear_accumulators", "quantised_linear", "shifted_linear"]


@dataclass(frozen=True)
class _Weights:
    """Integers [O, ...] and their zero point; `scale` per channel or one; `factor` taken out to make them bytes."""

    ints: Array
    zero: int
    scale: Array
    factor: int = 1


def _scales_only(b: Builder) -> bool:
    """Whether one weight per channel may be its scale: anything but a model on plain integers."""
    return b.profile is not Profile.MUL_ADD_SHIFT


def _weights(b: Builder, op: Conv | Dense) -> _Weights:
    """Weights as int8: less their zero point, if that fits, else with it."""
    parameter: Parameter = op.weight
    if not isinstance(parameter, QuantisedParameter) and parameter.shape[1:] == (1, 1, 1) and _scales_only(b):
        real = parameter.load().astype(np.float64).reshape(-1)
        signs = (127 * np.sign(real)).astype(np.int8).reshape(parameter.shape)
        return _Weights(signs, 0, np.maximum(np.abs(real), 1e-30) / 127)
    if not isinstance(parameter, QuantisedParameter):
        if b.profile is not Profile.MUL_ADD_SHIFT:
            raise b.unsupported(op, "float weights on quantised activations", "weights must be quantised, too")
        ints = integers_of(parameter, b.at(op))
        factor = 1
        if ints.size and (ints.min() < -128 or ints.max() > 127):
            factor = max(1, int(np.gcd.reduce(np.abs(ints).reshape(-1))))
        ints //= factor
        if ints.size and (ints.min() < -128 or ints.max() > 127):
            raise b.unsupported(op, "weights that are wider than 8 bits")
        return _Weights(ints.astype(np.int8), 0, np.ones(1), factor)
    column = (-1, *(1,) * (parameter.ints.ndim - 1))
    centred = parameter.ints - parameter.zero.reshape(column)
    if centred.min(initial=0) >= -128 and centred.max(initial=0) <= 127:
        return _Weights(centred.astype(np.int8), 0, parameter.scale)
    bias = 128 if parameter.ints.max(initial=0) > 127 else 0
    ints = parameter.ints - bias
    if ints.min(initial=0) < -128 or ints.max(initial=0) > 127:
        raise b.unsupported(op, "weights that are wider than 8 bits")
    if parameter.zero.size > 1:  # the machine takes 9 bits in two passes; a graph has one zero point per operator
        return _Weights(centred.astype(np.int16), 0, parameter.scale)
    return _Weights(ints.astype(np.int8), int(parameter.zero[0]) - bias, parameter.scale)


def _emit(
    b: Builder, pending: Pending, x: Real, weights: _Weights, bias: Array, requant: Requant, act: Act, name: str,
    **said: Any,
) -> str:  # fmt: skip
    op = pending.op
    shape = b.middle.shapes[op.output]
    zeros = {"zero_in": x.zero, "weight_zero": weights.zero}
    common: dict[str, Any] = {"bias": bias, "requant": requant, "act": act, **zeros}
    if isinstance(op, Dense):
        return b.emit(ir.FullyConnected, name, (x.name,), shape, weight=weights.ints, **common, **said)
    assert isinstance(op, Conv)
    window: dict[str, Any] = {"stride": op.stride, "dilation": op.dilation, "padding": op.padding}
    units, _, _, depth = weights.ints.shape
    if depth == 1 and op.groups > 1:
        taps = np.ascontiguousarray(weights.ints[..., 0].transpose(1, 2, 0))
        return b.emit(ir.DepthwiseConv2D, name, (x.name,), shape, weight=taps, multiplier=units // op.groups,
                      **common, **window, **said)  # fmt: skip
    return b.emit(ir.Conv2D, name, (x.name,), shape, weight=weights.ints, groups=op.groups, **common, **window,
                  **said)  # fmt: skip


def _input(b: Builder, pending: Pending) -> Real:
    (x,) = pending.inputs
    if not isinstance(x, Real):
        raise b.unsupported(pending.op, "its input is not quantised", "quantise every operator's input and output")
    return x


def _extra(b: Builder, pending: Pending, units: int) -> Array:
    """The constant sum on top, per channel."""
    if pending.extra is None:
        return np.zeros(1)
    if pending.extra.size not in (1, units) or pending.extra.shape[-1:] != (pending.extra.size,):
        raise b.unsupported(pending.op, f"a bias of shape {list(pending.extra.shape)}")
    return pending.extra.astype(np.float64).reshape(-1)


def _bias(b: Builder, pending: Pending, scale: Array, units: int) -> Array:
    """The bias in units of the accumulator, rounded to nearest."""
    op = pending.op
    assert isinstance(op, Conv | Dense)
    parameter = op.bias
    if isinstance(parameter, QuantisedParameter):
        real = (parameter.ints - parameter.zero) * parameter.scale
    else:
        real = parameter.load().astype(np.float64)
    bias = np.rint((real + _extra(b, pending, units)) / scale)
    if not np.isfinite(bias).all() or (np.abs(bias) > INT32_MAX).any():
        raise b.unsupported(op, "a bias that int32 cannot hold")
    return np.broadcast_to(bias, units).astype(np.int64)


def quantised_linear(b: Builder, pending: Pending, quant: tuple[float, int], offset: int, name: str) -> str:
    """y = saturate(round(acc * sx * sw / sy) + zy)."""
    x, weights = _input(b, pending), _weights(b, pending.op)  # type: ignore[arg-type]
    act = clamp_of(pending.activation, *quant)
    if act is None:
        raise b.unsupported(pending.op, f"{pending.activation.function.value} before the result is quantised",
                            "quantise before and after it")  # fmt: skip
    scale = x.scale * weights.scale
    bias = _bias(b, pending, scale, weights.ints.shape[0])
    requant = requant_of(scale / quant[0], b.at(pending.op))
    return _emit(b, pending, x, weights, bias, requant, act, name, quant=quant, offset=offset)


def linear_accumulators(b: Builder, pending: Pending, name: str) -> tuple[str, float]:
    """(int32 tensor of the accumulators, scale of one unit), for a network's output that nothing quantises."""
    x, weights = _input(b, pending), _weights(b, pending.op)  # type: ignore[arg-type]
    if not is_linear(pending.activation):
        raise b.unsupported(pending.op, "an activation on a result that is not quantised")
    if weights.scale.size > 1 and np.ptp(weights.scale) > 0:
        raise b.unsupported(pending.op, "a result that is not quantised, with one scale per channel")
    scale = x.scale * weights.scale[:1]
    bias = _bias(b, pending, scale, weights.ints.shape[0])
    requant = identity_requant()
    if weights.factor != 1:
        requant = Requant(requant.multiplier * weights.factor, requant.shift, requant.profile,
                          bias)  # fmt: skip
        bias = np.zeros_like(bias)
    act = Act(0, INT32_MIN, INT32_MAX)
    return _emit(b, pending, x, weights, bias, requant, act, name, dtype=np.int32), float(scale[0])


def _rows(values: Array, rows: int, units: int) -> Array:
    """`values`, which broadcasts to the result, as [1 or rows, 1 or units]."""
    wide = values.reshape((1,) * (2 - values.ndim) + values.shape) if values.ndim < 2 else values
    flat = wide.reshape(-1, wide.shape[-1])
    if flat.shape[0] not in (1, rows) or flat.shape[1] not in (1, units):
        raise ValueError(f"{list(values.shape)} for {rows} rows of {units}")
    return flat


def shifted_linear(b: Builder, pending: Pending, op: RequantShift, offset: int, name: str) -> str:
    """clip(floor(((acc + bias) * mul + add) / div + 0.5)): bias, addend and the half all go into `add`."""
    x, weights = _input(b, pending), _weights(b, pending.op)  # type: ignore[arg-type]
    if not is_linear(pending.activation) or weights.scale.size > 1:
        raise b.unsupported(op, "an activation or scales between an operator and its RequantShift")
    shape = b.middle.shapes[pending.op.output]
    units, rows = shape[-1], elements(shape[:-1])
    assert isinstance(pending.op, Conv | Dense)
    bias = integers_of(pending.op.bias, b.at(pending.op))[None, :]
    try:
        if pending.extra is not None:
            bias = bias + _rows(pending.extra.astype(np.int64), rows, units)
        mul, add = (_rows(v, rows, units) for v in (op.mul, op.add))
    except ValueError as error:
        raise b.unsupported(op, f"factors of shape {error}") from error
    total = bias * mul + add + op.div // 2
    mul = mul * weights.factor
    if max(abs(int(mul.min())), abs(int(mul.max()))) > INT32_MAX or np.abs(total).max() >= 1 << 60:
        raise b.unsupported(op, "factors that int32 cannot hold")
    act = Act(-offset, op.low - offset, op.high - offset)
    plan = _Shift(b, pending, x, weights, op, act, offset)
    if total.shape[0] == mul.shape[0] == 1:
        return plan.whole(mul[0], total[0], name)
    mul, total = (np.broadcast_to(v, (rows, v.shape[1])) for v in (mul, total))
    return plan.by_rows(mul, total, name)


@dataclass(frozen=True)
class _Shift:
    """A dense layer or convolution with its RequantShift."""

    b: Builder
    pending: Pending
    x: Real
    weights: _Weights
    op: RequantShift
    act: Act
    offset: int

    @property
    def _quant(self) -> tuple[float, int]:
        return 1.0, -self.offset

    def _requant(self, mul: Array, total: Array) -> Requant:
        """One entry per channel of each."""
        units, shift = self.weights.ints.shape[0], np.array([-int(math.log2(self.op.div))], np.int64)
        parts = [np.broadcast_to(v, units).astype(np.int64) for v in (mul, shift, total)]
        return Requant(parts[0], parts[1], Profile.MUL_ADD_SHIFT, parts[2])

    def _bias(self) -> Array:
        return np.zeros(self.weights.ints.shape[0], np.int64)

    def whole(self, mul: Array, total: Array, name: str) -> str:
        """One operator."""
        return _emit(self.b, self.pending, self.x, self.weights, self._bias(),
                     self._requant(mul, total), self.act, name,
                     quant=self._quant, offset=self.offset)  # fmt: skip

    def by_rows(self, mul: Array, total: Array, name: str) -> str:
        """Factors that differ from row to row: one operator per row, each a slice in and a part of a concat out."""
        b, (rows, depth) = self.b, (len(mul), self.weights.ints.shape[-1])
        if not isinstance(self.pending.op, Dense):
            raise b.unsupported(self.op, "factors that differ within a map")
        units = self.weights.ints.shape[0]
        said: dict[str, Any] = {"quant": self._quant, "offset": self.offset}
        source: dict[str, Any] = {"quant": self.x.quant, "offset": self.x.offset}
        high = b.emit(ir.Reshape, f"{name}_rows", (self.x.name,), (1, rows, 1, depth), **source)
        parts = []
        for r in range(rows):
            row = b.emit(ir.Slice, f"{name}_row_{r}", (high,), (1, 1, 1, depth), begin=(0, r, 0, 0),
                         end=(1, r + 1, 1, depth), stride=(1, 1, 1, 1), **source)  # fmt: skip
            parts.append(b.emit(
                ir.FullyConnected, f"{name}_part_{r}", (row,), (1, 1, 1, units), weight=self.weights.ints,
                bias=self._bias(), requant=self._requant(mul[r], total[r]), act=self.act,
                zero_in=self.x.zero, weight_zero=self.weights.zero, **said,
            ))  # fmt: skip
        joined = b.emit(ir.Concat, f"{name}_joined", parts, (1, rows, 1, units), axis=1, **said)
        return b.emit(ir.Reshape, name, (joined,), (rows, units), **said)
