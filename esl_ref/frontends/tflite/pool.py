# SPDX-License-Identifier: Apache-2.0
"""AVERAGE_POOL_2D and MAX_POOL_2D."""

from __future__ import annotations

from esl_ref.frontends.tflite.context import Context
from esl_ref.frontends.tflite.geometry import padding_of, window_options
from esl_ref.frontends.tflite.scales import clamp
from esl_ref.frontends.tflite.schema import FileOperator
from esl_ref.ir import Act, AveragePool, MaxPool
from esl_ref.ops.pool_windows import out_shape

__all__ = ["average_pool_2d", "max_pool_2d"]


def _pool(ctx: Context, op: FileOperator, kind: type[AveragePool] | type[MaxPool]) -> None:
    ifm, ofm = ctx.file_tensor(op, 0), ctx.output(op)
    shape, (_, zero_in) = ctx.shape(ifm), ctx.quant(op, ifm)
    if len(shape) != 4 or shape[0] != 1:
        raise ctx.unsupported(op, f"an input of shape {list(shape)}", "NHWC maps with batch 1 are supported")
    if ofm.type != ifm.type:
        raise ctx.unsupported(op, f"{ifm.type} to {ofm.type}")
    scale_out, zero_out = ctx.quant(op, ofm)
    if (ctx.quant(op, ifm)[0], zero_in) != (scale_out, zero_out):
        ctx.note(op, "input and output quantisation differ; the reference pools the bytes unscaled, and so does this")
    window = (op.options["FilterHeight"], op.options["FilterWidth"])
    if not all(1 <= k <= 1 << 15 for k in window):
        raise ctx.bad(op, f"a window of {window}")
    scheme, stride, _ = window_options(dict(op.options), ctx.at(op))
    act = clamp(op.options["FusedActivationFunction"], scale_out, zero_out, ctx.at(op))
    name, padding = ctx.use(op, ofm), padding_of(scheme, shape[1:3], window, stride, (1, 1))
    result: AveragePool | MaxPool
    if kind is AveragePool and ifm.type == "UINT8":
        # The reference rounds the mean of the unsigned bytes; q + 128 is that byte, and -128 is 0 in int8.
        result = AveragePool(name, (ctx.use(op, ifm),), (name,), window, stride, padding,
                             Act(-128, act.low, act.high), zero_in=-128)  # fmt: skip
    else:
        result = kind(name, (ctx.use(op, ifm),), (name,), window, stride, padding, Act(0, act.low, act.high))
    ctx.declare(op, ofm, out_shape(result, shape))
    ctx.ops.append(result)


def average_pool_2d(ctx: Context, op: FileOperator) -> None:
    """Mean of the window's elements inside the map."""
    _pool(ctx, op, AveragePool)


def max_pool_2d(ctx: Context, op: FileOperator) -> None:
    """Largest of the window's elements inside the map."""
    _pool(ctx, op, MaxPool)
