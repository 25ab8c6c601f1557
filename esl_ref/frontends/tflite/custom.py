# SPDX-License-Identifier: Apache-2.0
"""Operators that this product's quantiser writes where TensorFlow Lite has none. No interpreter knows them."""

from __future__ import annotations

import json

import numpy as np

from esl_ref.frontends.tflite.context import Context
from esl_ref.frontends.tflite.schema import FileOperator
from esl_ref.frontends.tflite.unary import emit_table
from esl_ref.ir import ResizeNearest

__all__ = ["resize_nearest", "table"]

_ENTRIES = 256


def table(ctx: Context, op: FileOperator) -> None:
    """ESL_TABLE: the options are 256 results, for inputs -128 .. 127, and the function's name."""
    options: bytes = op.options["CustomOptions"]
    if len(options) < _ENTRIES:
        raise ctx.bad(op, f"{len(options)} bytes of options, {_ENTRIES} or more are needed")
    ctx.quant(op, ctx.file_tensor(op, 0), ("INT8",))
    ctx.quant(op, ctx.output(op), ("INT8",))
    name = options[_ENTRIES:].decode("utf-8", "replace") or "table"
    emit_table(ctx, op, np.frombuffer(options[:_ENTRIES], np.int8), name)


def resize_nearest(ctx: Context, op: FileOperator) -> None:
    """ESL_RESIZE_NEAREST: the options are JSON, {"rows": [...], "columns": [...]}, source indices of the output."""
    ifm, ofm = ctx.file_tensor(op, 0), ctx.output(op)
    ctx.need_type(op, ifm, ("INT8",))
    ctx.need_type(op, ofm, ("INT8",))
    shape = ctx.shape(ifm)
    if len(shape) != 4 or shape[0] != 1:
        raise ctx.unsupported(op, f"an input of shape {list(shape)}", "NHWC maps with batch 1 are supported")
    try:
        given = json.loads(op.options["CustomOptions"])
        rows, columns = (tuple(map(int, given[key])) for key in ("rows", "columns"))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ctx.bad(op, f"options that are not row and column indices ({error})") from error
    for indices, size in ((rows, shape[1]), (columns, shape[2])):
        if not indices or not all(0 <= i < size for i in indices):
            raise ctx.bad(op, f"source indices outside 0..{size - 1}")
    name = ctx.declare(op, ofm, (1, len(rows), len(columns), shape[3]))
    ctx.ops.append(ResizeNearest(name, (ctx.use(op, ifm),), (name,), rows, columns))
