# SPDX-License-Identifier: Apache-2.0
"""What every operator of a float graph computes: one function per operator, in the float type of its inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from esl_ref.errors import UnsupportedError
from esl_ref.floating import graph as f
from esl_ref.floating.kernels_conv import conv, dense, local
from esl_ref.floating.kernels_pool import average_pool, max_pool
from esl_ref.floating.kernels_window import FloatArray, activated, as_map

__all__ = ["apply"]

Inputs = Sequence[FloatArray]


def _mean(op: f.Mean, inputs: Inputs) -> FloatArray:
    return np.asarray(inputs[0].mean(axis=op.axes, keepdims=op.keep_dims))


def _activate(op: f.Activate, inputs: Inputs) -> FloatArray:
    return op.activation(inputs[0])


def _add(op: f.Add, inputs: Inputs) -> FloatArray:
    return activated(op.activation, inputs[0] + inputs[1])


def _sub(op: f.Sub, inputs: Inputs) -> FloatArray:
    return activated(op.activation, inputs[0] - inputs[1])


def _mul(op: f.Mul, inputs: Inputs) -> FloatArray:
    return activated(op.activation, inputs[0] * inputs[1])


def _concat(op: f.Concat, inputs: Inputs) -> FloatArray:
    return np.concatenate(inputs, axis=op.axis)


def _slice(op: f.Slice, inputs: Inputs) -> FloatArray:
    # A copy, because a view would keep the whole input alive after its last use.
    box = tuple(slice(*limits) for limits in zip(op.begin, op.end, op.stride, strict=True))
    return np.ascontiguousarray(inputs[0][box])


def _pad(op: f.Pad, inputs: Inputs) -> FloatArray:
    return np.pad(inputs[0], op.pads, constant_values=op.value)


def _transpose(op: f.Transpose, inputs: Inputs) -> FloatArray:
    return np.ascontiguousarray(inputs[0].transpose(op.perm))


def _resize(op: f.ResizeNearest, inputs: Inputs) -> FloatArray:
    ifm = as_map(inputs[0], f"layer '{op.name}'")
    return ifm[:, np.array(op.rows)[:, None], np.array(op.columns)]


def _softmax(op: f.Softmax, inputs: Inputs) -> FloatArray:
    # The largest exponent becomes 0: nothing overflows, and the quotient is the same.
    powers = np.exp(inputs[0] - inputs[0].max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def _reshape(op: f.Reshape, inputs: Inputs) -> FloatArray:
    return inputs[0]


_KERNELS: dict[type[f.FloatOp], Callable[[Any, Inputs], FloatArray]] = {
    f.Activate: _activate,
    f.Add: _add,
    f.AveragePool: average_pool,
    f.Concat: _concat,
    f.Conv: conv,
    f.Dense: dense,
    f.Local: local,
    f.MaxPool: max_pool,
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

_RESHAPED = (f.Reshape, f.Dense)
"""Operators whose result takes the declared shape: same elements in the same order."""


def apply(op: f.FloatOp, inputs: Inputs, shape: tuple[int, ...]) -> FloatArray:
    """The operator's output, of the shape the graph declares for it."""
    kernel = _KERNELS.get(type(op))
    if kernel is None:
        raise UnsupportedError(f"{op.kind} has no float form", where=f"layer '{op.name}'")
    result = kernel(op, inputs)
    if isinstance(op, _RESHAPED) and result.size == int(np.prod(shape, dtype=np.int64)):
        result = result.reshape(shape)
    if result.shape != tuple(shape):
        raise AssertionError(f"{op.kind} '{op.name}' gave {list(result.shape)}, declared {list(shape)}")
    return result
