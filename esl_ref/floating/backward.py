# SPDX-License-Identifier: Apache-2.0
"""Derivatives of the float operators: from what a small change of an output is worth to what one of each input is.

Every function takes the operator, its inputs, its output and `grad`, of the output's shape, and gives one array per
input: the transposed Jacobian times `grad` (reverse mode). Functions of one element are differentiated by central
differences, so that each formula is written down once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from esl_ref.errors import UnsupportedError
from esl_ref.floating import graph as f
from esl_ref.floating.activation import Activation
from esl_ref.floating.kernels_window import FloatArray
from esl_ref.ir import Padding
from esl_ref.ops.windows import tap_view

__all__ = ["backward"]

Inputs = Sequence[FloatArray]
_STEP = 1e-4


def _unclamped(activation: Activation, ofm: FloatArray, grad: FloatArray) -> FloatArray:
    """`grad` where the clamp that is fused into an operator left its result as it was."""
    low, high = activation.clamp or (-np.inf, np.inf)
    return np.where((ofm > low) & (ofm < high), grad, 0)


def _to_shape(grad: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Sums over the axes along which an operand of `shape` was repeated."""
    if grad.shape == shape:
        return grad
    lead = grad.ndim - len(shape)
    repeated = tuple(range(lead)) + tuple(lead + k for k, n in enumerate(shape) if n == 1)
    return np.asarray(grad.sum(axis=repeated, keepdims=True).reshape(shape))


def _padded(shape: tuple[int, ...], padding: Padding) -> tuple[int, ...]:
    n, h, w, c = shape
    return (n, h + padding.top + padding.bottom, w + padding.left + padding.right, c)


def _inside(padded: FloatArray, shape: tuple[int, ...], padding: Padding) -> FloatArray:
    return padded[:, padding.top : padding.top + shape[1], padding.left : padding.left + shape[2]]


def _conv(op: f.Conv, inputs: Inputs, ofm: FloatArray, grad: FloatArray) -> list[FloatArray]:
    grad = _unclamped(op.activation, ofm, grad)
    weight = op.weight.load().astype(grad.dtype)
    units, kh, kw, depth = weight.shape
    oh, ow = grad.shape[1:3]
    rows = grad.reshape(oh * ow, op.groups, units // op.groups).transpose(1, 0, 2)
    by_tap = weight.reshape(op.groups, units // op.groups, kh * kw, depth)
    result = np.zeros(_padded(inputs[0].shape, op.padding), grad.dtype)
    for index, tap in enumerate(np.ndindex(kh, kw)):
        part = rows @ by_tap[:, :, index]  # [groups, pixels, depth]
        view = tap_view(result, (tap[0], tap[1]), (oh, ow), op.stride, op.dilation)
        view += part.transpose(1, 0, 2).reshape(view.shape)
    return [_inside(result, inputs[0].shape, op.padding)]


def _dense(op: f.Dense, inputs: Inputs, ofm: FloatArray, grad: FloatArray) -> list[FloatArray]:
    grad = _unclamped(op.activation, ofm, grad)
    weight = op.weight.load().astype(grad.dtype)
    return [(grad.reshape(-1, len(weight)) @ weight).reshape(inputs[0].shape)]


def _max_pool(op: f.MaxPool, inputs: Inputs, ofm: FloatArray, grad: FloatArray) -> list[FloatArray]:
    """The first tap that has the window's largest element answers for it."""
    shape = _padded(inputs[0].shape, op.padding)
    ifm = np.full(shape, -np.inf, grad.dtype)
    _inside(ifm, inputs[0].shape, op.padding)[...] = inputs[0]
    result, left = np.zeros(shape, grad.dtype), np.ones(grad.shape, bool)
    for tap in np.ndindex(*op.window):
        place = (tap, grad.shape[1:3], op.stride, (1, 1))
        chosen = left & (tap_view(ifm, *place) == ofm)
        view = tap_view(result, *place)
        view += np.where(chosen, grad, 0)
        left &= ~chosen
    return [_inside(result, inputs[0].shape, op.padding)]


def _average_pool(op: f.AveragePool, inputs: Inputs, ofm: FloatArray, grad: FloatArray) -> list[FloatArray]:
    shape = _padded(inputs[0].shape, op.padding)
    counted = np.full(shape[:3] + (1,), float(op.count_padding), grad.dtype)
    _inside(counted, inputs[0].shape, op.padding)[...] = 1
    places = [(tap, grad.shape[1:3], op.stride, (1, 1)) for tap in np.ndindex(*op.window)]
    count = sum(tap_view(counted, *place) for place in places)
    share, result = grad / np.maximum(count, 1), np.zeros(shape, grad.dtype)
    for place in places:
        view = tap_view(result, *place)
        view += share
    return [_inside(result, inputs[0].shape, op.padding)]


def _mean(op: f.Mean, inputs: Inputs, ofm: FloatArray, grad: FloatArray) -> list[FloatArray]:
    wide = grad if op.keep_dims else np.expand_dims(grad, op.axes)
    return [np.broadcast_to(wide * (grad.size / inputs[0].size), inputs[0].shape)]


def _activate(op: f.Activate, inputs: Inputs, ofm: FloatArray, grad: FloatArray) -> list[FloatArray]:
    step = _STEP * np.maximum(1, np.abs(inputs[0]))
    return [grad * (op.activation(inputs[0] + step) - op.activation(inputs[0] - step)) / (2 * step)]


def _add(op: f.Add, inputs: Inputs, ofm: FloatArray, grad: FloatArray) -> list[FloatArray]:
    grad = _unclamped(op.activation, ofm, grad)
    return [_to_shape(grad, value.shape) for value in inputs]


def _sub(op: f.Sub, inputs: Inputs, ofm: FloatArray, grad: FloatArray) -> list[FloatArray]:
    grad = _unclamped(op.activation, ofm, grad)
    return [_to_shape(grad, inputs[0].shape), _to_shape(-grad, inputs[1].shape)]


def _mul(op: f.Mul, inputs: Inputs, ofm: FloatArray, grad: FloatArray) -> list[FloatArray]:
    grad = _unclamped(op.activation, ofm, grad)
    return [_to_shape(grad * inputs[1 - k], inputs[k].shape) for k in (0, 1)]


def _concat(op: f.Concat, inputs: Inputs, ofm: FloatArray, grad: FloatArray) -> list[FloatArray]:
    ends = np.cumsum([value.shape[op.axis] for value in inputs])[:-1]
    return np.split(grad, ends, axis=op.axis)


def _slice(op: f.Slice, inputs: Inputs, ofm: FloatArray, grad: FloatArray) -> list[FloatArray]:
    result = np.zeros(inputs[0].shape, grad.dtype)
    result[tuple(slice(*limits) for limits in zip(op.begin, op.end, op.stride, strict=True))] = grad
    return [result]


def _pad(op: f.Pad, inputs: Inputs, ofm: FloatArray, grad: FloatArray) -> list[FloatArray]:
    box = tuple(slice(before, before + n) for (before, _), n in zip(op.pads, inputs[0].shape, strict=True))
    return [grad[box]]


def _reshape(op: f.Reshape, inputs: Inputs, ofm: FloatArray, grad: FloatArray) -> list[FloatArray]:
    return [grad.reshape(inputs[0].shape)]


def _transpose(op: f.Transpose, inputs: Inputs, ofm: FloatArray, grad: FloatArray) -> list[FloatArray]:
    return [grad.transpose(tuple(np.argsort(op.perm)))]


def _resize(op: f.ResizeNearest, inputs: Inputs, ofm: FloatArray, grad: FloatArray) -> list[FloatArray]:
    by_row = np.zeros((1, inputs[0].shape[1], *grad.shape[2:]), grad.dtype)
    for row, source in enumerate(op.rows):
        by_row[:, source] += grad[:, row]
    result = np.zeros(inputs[0].shape, grad.dtype)
    for column, source in enumerate(op.columns):
        result[:, :, source] += by_row[:, :, column]
    return [result]


def _softmax(op: f.Softmax, inputs: Inputs, ofm: FloatArray, grad: FloatArray) -> list[FloatArray]:
    return [ofm * (grad - (grad * ofm).sum(axis=-1, keepdims=True))]


_BACKWARD: dict[type[f.FloatOp], Callable[[Any, Inputs, FloatArray, FloatArray], list[FloatArray]]] = {
    f.Activate: _activate,
    f.Add: _add,
    f.AveragePool: _average_pool,
    f.Concat: _concat,
    f.Conv: _conv,
    f.Dense: _dense,
    f.MaxPool: _max_pool,
    f.Mean: _mean,
    f.Mul: _mul,
    f.Pad: _pad,
    f.Reshape: _reshape,
    f.ResizeNearest: _resize,
    f.Slice: _slice,
    f.Softmax: _softmax,
    f.Sub: _sub,
    f.Transpose: _transpose,
}


def backward(op: f.FloatOp, inputs: Inputs, ofm: FloatArray, grad: FloatArray) -> list[FloatArray]:
    """What `grad` of the output is worth in each input, for operators of a prepared graph (`quantiser.prepare`), whose
    fused activations are clamps."""
    rule = _BACKWARD.get(type(op))
    if rule is None:
        raise UnsupportedError(f"{op.kind} has no derivative", where=f"layer '{op.name}'")
    return rule(op, inputs, ofm, grad)
