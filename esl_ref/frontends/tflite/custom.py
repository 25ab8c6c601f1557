# SPDX-License-Identifier: Apache-2.0
"""Operators that this product's quantiser writes where TensorFlow Lite has none. No interpreter knows them."""

from __future__ import annotations

import json

import numpy as np

from esl_ref.frontends.tflite.context import Context
from esl_ref.frontends.tflite.schema import FileOperator, FileTensor
from esl_ref.frontends.tflite.unary import emit_table
from esl_ref.ir import AveragePool, Padding, ResizeNearest
from esl_ref.ops.pool_windows import out_shape

__all__ = ["average_pool", "resize_nearest", "table"]

_ENTRIES = 256
_LARGEST = 1 << 15


def table(ctx: Context, op: FileOperator) -> None:
    """ESL_TABLE: the options are 256 results, for inputs -128 .. 127, and the function's name."""
    options: bytes = op.options["CustomOptions"]
    if len(options) < _ENTRIES:
        raise ctx.bad(op, f"{len(options)} bytes of options, {_ENTRIES} or more are needed")
    ctx.quant(op, ctx.file_tensor(op, 0), ("INT8",))
    ctx.quant(op, ctx.output(op), ("INT8",))
    name = options[_ENTRIES:].decode("utf-8", "replace") or "table"
    emit_table(ctx, op, np.frombuffer(options[:_ENTRIES], np.int8), name)


def _map(ctx: Context, op: FileOperator) -> tuple[FileTensor, FileTensor, tuple[int, ...]]:
    """(input, output, the input's shape) of an operator on int8 maps."""
    ifm, ofm = ctx.file_tensor(op, 0), ctx.output(op)
    ctx.need_type(op, ifm, ("INT8",))
    ctx.need_type(op, ofm, ("INT8",))
    shape = ctx.shape(ifm)
    if len(shape) != 4 or shape[0] != 1:
        raise ctx.unsupported(op, f"an input of shape {list(shape)}", "NHWC maps with batch 1 are supported")
    return ifm, ofm, shape


def _lists(ctx: Context, op: FileOperator, *keys: str) -> list[tuple[int, ...]]:
    """Lists of integers from options in JSON."""
    try:
        given = json.loads(op.options["CustomOptions"])
        return [tuple(map(int, given[key])) for key in keys]
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise ctx.bad(op, f"options that do not hold {' and '.join(keys)} ({error})") from error


def resize_nearest(ctx: Context, op: FileOperator) -> None:
    """ESL_RESIZE_NEAREST: the options are JSON, {"rows": [...], "columns": [...]}, source indices of the output."""
    ifm, ofm, shape = _map(ctx, op)
    rows, columns = _lists(ctx, op, "rows", "columns")
    for indices, size in ((rows, shape[1]), (columns, shape[2])):
        if not indices or not all(0 <= i < size for i in indices):
            raise ctx.bad(op, f"source indices outside 0..{size - 1}")
    name = ctx.declare(op, ofm, (1, len(rows), len(columns), shape[3]))
    ctx.ops.append(ResizeNearest(name, (ctx.use(op, ifm),), (name,), rows, columns))


def average_pool(ctx: Context, op: FileOperator) -> None:
    """ESL_AVERAGE_POOL: the options are JSON, {"window": [h, w], "stride": [h, w], "padding": [top, bottom, left,
    right]}; padding is not counted."""
    ifm, ofm, shape = _map(ctx, op)
    window, stride, padding = _lists(ctx, op, "window", "stride", "padding")
    counts = (len(window), len(stride), len(padding))
    if counts != (2, 2, 4) or not all(1 <= n <= _LARGEST for n in (*window, *stride)):
        raise ctx.bad(op, f"window {window}, stride {stride}, padding {padding}")
    # Every window must meet the map, or it would be a mean of nothing.
    if not all(0 <= p < window[k // 2] for k, p in enumerate(padding)):
        raise ctx.bad(op, f"padding {padding} of a window of {window}")
    name = ctx.use(op, ofm)
    result = AveragePool(name, (ctx.use(op, ifm),), (name,), (window[0], window[1]), (stride[0], stride[1]),
                         Padding(*padding))  # fmt: skip
    ctx.declare(op, ofm, out_shape(result, shape))
    ctx.ops.append(result)
