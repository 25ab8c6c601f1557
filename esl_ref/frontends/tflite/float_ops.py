# SPDX-License-Identifier: Apache-2.0
"""Operators of float `.tflite` files as operators of the float graph. Layouts are the same, so that little is done."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from esl_ref.floating import graph as f
from esl_ref.floating.activation import Activation, Function
from esl_ref.floating.graph import Parameter
from esl_ref.frontends.tflite.float_context import FloatContext
from esl_ref.frontends.tflite.float_moves import MOVES
from esl_ref.frontends.tflite.geometry import padding_of, window_options
from esl_ref.frontends.tflite.schema import FileOperator
from esl_ref.ir import Padding
from esl_ref.ops.windows import out_size

__all__ = ["FLOAT_IMPORTERS"]

Shape = tuple[int, ...]
Pair = tuple[int, int]
_MOST_TAPS = 1 << 15


def _map(ctx: FloatContext, op: FileOperator) -> tuple[str, Shape]:
    name, shape = ctx.operand(op, 0)
    if len(shape) != 4 or shape[0] != 1:
        raise ctx.unsupported(op, f"an input of shape {list(shape)}", "NHWC maps with batch 1 are supported")
    return name, shape


def _windows(
    ctx: FloatContext, op: FileOperator, shape: Shape, kernel: Pair
) -> tuple[Pair, Pair, Pair, Padding]:  # fmt: skip
    """(output height and width, stride, dilation, padding)."""
    scheme, stride, dilation = window_options(dict(op.options), ctx.at(op))
    padding = padding_of(scheme, (shape[1], shape[2]), kernel, stride, dilation)
    rows = out_size(shape[1], padding.top, padding.bottom, kernel[0], stride[0], dilation[0], ctx.at(op))
    columns = out_size(shape[2], padding.left, padding.right, kernel[1], stride[1], dilation[1], ctx.at(op))
    return (rows, columns), stride, dilation, padding


def _conv_2d(ctx: FloatContext, op: FileOperator) -> None:
    name, shape = _map(ctx, op)
    weight = ctx.weight(op, 1, 4)
    units, kh, kw, depth = weight.shape
    if shape[3] % depth or units % (shape[3] // depth):
        raise ctx.bad(op, f"{shape[3]} input channels do not split into groups of {depth} for {units} outputs")
    size, stride, dilation, padding = _windows(ctx, op, shape, (kh, kw))
    ctx.add(f.Conv, op, (name,), (1, *size, units), Parameter.of(weight), Parameter.of(ctx.bias(op, units)), stride,
            dilation, padding, shape[3] // depth, ctx.fused(op))  # fmt: skip


def _depthwise_conv_2d(ctx: FloatContext, op: FileOperator) -> None:
    name, shape = _map(ctx, op)
    weight = ctx.weight(op, 1, 4)
    one, kh, kw, units = weight.shape
    if one != 1 or units % shape[3]:
        raise ctx.bad(op, f"weights {list(weight.shape)} do not fit {shape[3]} input channels")
    size, stride, dilation, padding = _windows(ctx, op, shape, (kh, kw))
    ctx.add(f.Conv, op, (name,), (1, *size, units), Parameter.of(weight.transpose(3, 1, 2, 0)),
            Parameter.of(ctx.bias(op, units)), stride, dilation, padding, shape[3], ctx.fused(op))  # fmt: skip


def _fully_connected(ctx: FloatContext, op: FileOperator) -> None:
    name, shape = ctx.operand(op, 0)
    weight = ctx.weight(op, 1, 2)
    units, depth = weight.shape
    elements = int(np.prod(shape, dtype=np.int64))
    if op.options["WeightsFormat"] != 0 or elements % depth:
        raise ctx.bad(op, f"{elements} input elements are not rows of {depth} in the default weight format")
    keep = op.options["KeepNumDims"] and shape[-1] == depth
    out = (*shape[:-1], units) if keep or len(ctx.output(op).shape) == len(shape) != 2 else (elements // depth, units)
    ctx.add(f.Dense, op, (name,), out, Parameter.of(weight), Parameter.of(ctx.bias(op, units)), ctx.fused(op))


def _pool(kind: type[f.MaxPool] | type[f.AveragePool], ctx: FloatContext, op: FileOperator) -> None:
    name, shape = _map(ctx, op)
    window = (op.options["FilterHeight"], op.options["FilterWidth"])
    if not all(1 <= k <= _MOST_TAPS for k in window):
        raise ctx.bad(op, f"a window of {window}")
    size, stride, _, padding = _windows(ctx, op, shape, window)
    out = (1, *size, shape[3])
    fused = ctx.fused(op)
    if fused.function is Function.LINEAR:
        ctx.add(kind, op, (name,), out, window, stride, padding)
        return
    inner = ctx.inner(name, f"pooled_{op.index}", out)
    ctx.float_ops.append(kind(inner, (name,), inner, window, stride, padding))
    ctx.add(f.Activate, op, (inner,), out, fused)


def _binary(kind: type[f.FloatOp], ctx: FloatContext, op: FileOperator) -> None:
    (a, shape_a), (b, shape_b) = ctx.operand(op, 0), ctx.operand(op, 1)
    try:
        shape = np.broadcast_shapes(shape_a, shape_b)
    except ValueError:
        raise ctx.bad(op, f"shapes {list(shape_a)} and {list(shape_b)} do not broadcast") from None
    ctx.add(kind, op, (a, b), shape, ctx.fused(op))


def _unary(function: Function, ctx: FloatContext, op: FileOperator) -> None:
    name, shape = ctx.operand(op, 0)
    alpha = float(op.options.get("Alpha", 1.0))
    ctx.add(f.Activate, op, (name,), shape, Activation(function, alpha))


def _mean(ctx: FloatContext, op: FileOperator) -> None:
    name, shape = ctx.operand(op, 0)
    rank, raw = len(shape), ctx.integers(op, 1)
    if not raw or any(not -rank <= axis < rank for axis in raw):
        raise ctx.bad(op, f"axes {raw} of a tensor of rank {rank}")
    axes = tuple(sorted({axis % rank for axis in raw}))
    keep = bool(op.options["KeepDims"])
    out = tuple(1 if axis in axes else d for axis, d in enumerate(shape) if keep or axis not in axes)
    ctx.add(f.Mean, op, (name,), out, axes, keep)


def _softmax(ctx: FloatContext, op: FileOperator) -> None:
    name, shape = ctx.operand(op, 0)
    if op.options["Beta"] != 1.0:
        raise ctx.unsupported(op, f"beta {op.options['Beta']!r}", "1.0 is supported")
    ctx.add(f.Softmax, op, (name,), shape)


def _dequantize(ctx: FloatContext, op: FileOperator) -> None:
    """Weights stored in fewer bits: a constant."""
    tensor, out = ctx.file_tensor(op, 0), ctx.output(op)
    if tensor.data is None:
        raise ctx.unsupported(op, "values that are not constant", "all of the model in int8, or all in float")
    if tensor.type == "FLOAT16":
        ctx.restored[out.index] = tensor.data.astype(np.float32)
        return
    scales, zeros = ctx.quant_vector(op, tensor)
    along = [1] * tensor.data.ndim
    if scales.size > 1:
        if not 0 <= tensor.axis < tensor.data.ndim or tensor.data.shape[tensor.axis] != scales.size:
            raise ctx.bad(op, f"{scales.size} scales do not fit axis {tensor.axis} of {list(tensor.data.shape)}")
        along[tensor.axis] = -1
    codes = ctx.int8_data(tensor).astype(np.float64)
    ctx.restored[out.index] = ((codes - zeros.reshape(along)) * scales.reshape(along)).astype(np.float32)


FLOAT_IMPORTERS: dict[str, Callable[[FloatContext, FileOperator], None]] = {
    "ADD": partial(_binary, f.Add),
    "AVERAGE_POOL_2D": partial(_pool, f.AveragePool),
    "CONV_2D": _conv_2d,
    "DEPTHWISE_CONV_2D": _depthwise_conv_2d,
    "DEQUANTIZE": _dequantize,
    "ELU": partial(_unary, Function.ELU),
    "FULLY_CONNECTED": _fully_connected,
    "HARD_SWISH": partial(_unary, Function.HARD_SWISH),
    "LEAKY_RELU": partial(_unary, Function.LEAKY),
    "LOGISTIC": partial(_unary, Function.LOGISTIC),
    "MAX_POOL_2D": partial(_pool, f.MaxPool),
    "MEAN": _mean,
    "MUL": partial(_binary, f.Mul),
    "RELU": partial(_unary, Function.RELU),
    "RELU6": partial(_unary, Function.RELU6),
    "RELU_N1_TO_1": partial(_unary, Function.HARDTAN),
    "SOFTMAX": _softmax,
    "SUB": partial(_binary, f.Sub),
    "TANH": partial(_unary, Function.TANH),
    **MOVES,
}
