# SPDX-License-Identifier: Apache-2.0
"""SOFTMAX, QUANTIZE, DEQUANTIZE: what stands at the edges of a network."""

from __future__ import annotations

import math

from esl_ref.frontends.tflite import tables
from esl_ref.frontends.tflite.context import Context
from esl_ref.frontends.tflite.schema import FileOperator
from esl_ref.frontends.tflite.unary import emit_table
from esl_ref.ir import Dequantize, Quantize, Softmax
from esl_ref.numerics import quantise_multiplier

__all__ = ["dequantize", "quantize", "softmax", "softmax_parameters"]

_DIFF_BITS = 5


def softmax_parameters(scale_in: float, beta: float, where: str) -> tuple[int, int, int]:
    """(multiplier, left shift, diff_min): input differences to Q5, and the smallest whose Q5 form is in range."""
    real = min(beta * scale_in * (1 << (31 - _DIFF_BITS)), (1 << 31) - 1.0)
    # The shift may be 31 here, one more than elsewhere: diff_min is then 0, so that only zeros are ever shifted.
    multiplier, shift = quantise_multiplier(real / 2.0, where)
    shift += 1
    radius = math.floor(((1 << _DIFF_BITS) - 1) * (1 << (31 - _DIFF_BITS)) / (1 << shift))
    return multiplier, shift, -radius


def softmax(ctx: Context, op: FileOperator) -> None:
    """Over the last axis; the output quantisation is fixed."""
    ifm, ofm = ctx.file_tensor(op, 0), ctx.output(op)
    scale_in, _ = ctx.quant(op, ifm)
    beta = float(op.options["Beta"])
    if ctx.quant(op, ofm) != (1 / 256, -128) or ifm.type != ofm.type:
        raise ctx.unsupported(
            op, f"output quantisation {ctx.quant(op, ofm)}", "scale 1/256 with the smallest value as 0"
        )
    if not (math.isfinite(beta) and beta * scale_in * (1 << 26) > 1.0):
        raise ctx.unsupported(op, f"beta {beta!r} with input scale {scale_in!r}", "beta * scale > 2**-26 is supported")
    multiplier, shift, diff_min = softmax_parameters(scale_in, beta, ctx.at(op))
    name = ctx.declare(op, ofm, ctx.shape(ifm))
    ctx.ops.append(Softmax(name, (ctx.use(op, ifm),), (name,), multiplier, shift, diff_min))


def quantize(ctx: Context, op: FileOperator) -> None:
    """float32 -> int8 on the host, or a rescaling of bytes, which is a table."""
    ifm, ofm = ctx.file_tensor(op, 0), ctx.output(op)
    scale, zero = ctx.quant(op, ofm)
    if ifm.type in ("INT8", "UINT8"):
        emit_table(ctx, op, tables.requantised(ctx.quant(op, ifm), (scale, zero), ctx.at(op)), "requantise")
        return
    ctx.need_type(op, ifm, ("FLOAT32",))
    name = ctx.declare(op, ofm, ctx.shape(ifm))
    ctx.ops.append(Quantize(name, (ctx.use(op, ifm),), (name,), scale, zero))


def dequantize(ctx: Context, op: FileOperator) -> None:
    """int8 -> float32 on the host."""
    ifm, ofm = ctx.file_tensor(op, 0), ctx.output(op)
    scale, zero = ctx.quant(op, ifm)
    ctx.need_type(op, ofm, ("FLOAT32",))
    name = ctx.declare(op, ofm, ctx.shape(ifm))
    ctx.ops.append(Dequantize(name, (ctx.use(op, ifm),), (name,), scale, zero))
