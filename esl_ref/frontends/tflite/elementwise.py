# SPDX-License-Identifier: Apache-2.0
"""ADD, SUB, MUL, MAXIMUM, MINIMUM."""

from __future__ import annotations

import numpy as np

from esl_ref.frontends.tflite.context import Context
from esl_ref.frontends.tflite.scales import clamp, f32, requant_of
from esl_ref.frontends.tflite.schema import FileOperator, FileTensor
from esl_ref.ir import Add, Maximum, Minimum, Mul, Sub

__all__ = ["add", "maximum", "minimum", "mul", "sub"]

_LEFT_SHIFT = 20
"""Headroom of the int8 sum: 9 bits of difference, 20 of fraction, and one more for the sum stay under 31."""


def _operands(ctx: Context, op: FileOperator) -> tuple[FileTensor, FileTensor, FileTensor]:
    a, b, out = ctx.file_tensor(op, 0), ctx.file_tensor(op, 1), ctx.output(op)
    if a.type != b.type or a.type != out.type:
        raise ctx.unsupported(op, f"{a.type} and {b.type} to {out.type}")
    try:
        shape = np.broadcast_shapes(ctx.shape(a), ctx.shape(b))
    except ValueError:
        raise ctx.bad(op, f"shapes {list(ctx.shape(a))} and {list(ctx.shape(b))} do not broadcast") from None
    ctx.declare(op, out, shape)
    return a, b, out


def _sum(ctx: Context, op: FileOperator, kind: type[Add]) -> None:
    a, b, out = _operands(ctx, op)
    (scale_a, zero_a), (scale_b, zero_b), (scale, zero) = (ctx.quant(op, t) for t in (a, b, out))
    twice_largest = 2.0 * max(scale_a, scale_b)
    where = ctx.at(op)
    ctx.ops.append(kind(
        name=ctx.use(op, out), inputs=(ctx.use(op, a), ctx.use(op, b)), outputs=(ctx.use(op, out),),
        zero=(zero_a, zero_b), left_shift=_LEFT_SHIFT,
        requant_in=(requant_of([scale_a / twice_largest], where), requant_of([scale_b / twice_largest], where)),
        requant=requant_of([twice_largest / ((1 << _LEFT_SHIFT) * scale)], where),
        act=clamp(op.options["FusedActivationFunction"], scale, zero, where),
    ))  # fmt: skip


def add(ctx: Context, op: FileOperator) -> None:
    """Rescaled sum, with broadcasting."""
    _sum(ctx, op, Add)


def sub(ctx: Context, op: FileOperator) -> None:
    """Rescaled difference, with broadcasting."""
    _sum(ctx, op, Sub)


def mul(ctx: Context, op: FileOperator) -> None:
    """Rescaled product, with broadcasting."""
    a, b, out = _operands(ctx, op)
    (scale_a, zero_a), (scale_b, zero_b), (scale, zero) = (ctx.quant(op, t) for t in (a, b, out))
    # TFLM computes the scale in double, LiteRT (the reference of uint8 models) in float32, step by step.
    real = f32(f32(scale_a * scale_b) / scale) if a.type == "UINT8" else scale_a * scale_b / scale
    ctx.ops.append(Mul(
        name=ctx.use(op, out), inputs=(ctx.use(op, a), ctx.use(op, b)), outputs=(ctx.use(op, out),),
        zero=(zero_a, zero_b), requant=requant_of([real], ctx.at(op)),
        act=clamp(op.options["FusedActivationFunction"], scale, zero, ctx.at(op)),
    ))  # fmt: skip


def _extremum(ctx: Context, op: FileOperator, kind: type[Maximum] | type[Minimum]) -> None:
    a, b, out = _operands(ctx, op)
    if len({ctx.quant(op, t) for t in (a, b, out)}) != 1:
        raise ctx.unsupported(op, "operands of different quantisation", "the reference compares bytes")
    name = ctx.use(op, out)
    ctx.ops.append(kind(name, (ctx.use(op, a), ctx.use(op, b)), (name,)))


def maximum(ctx: Context, op: FileOperator) -> None:
    """Larger of two bytes."""
    _extremum(ctx, op, Maximum)


def minimum(ctx: Context, op: FileOperator) -> None:
    """Smaller of two bytes."""
    _extremum(ctx, op, Minimum)
