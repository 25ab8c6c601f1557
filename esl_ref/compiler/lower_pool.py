# SPDX-License-Identifier: Apache-2.0
"""Pooling, mean and elementwise operators as tasks."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from esl_ref import ir
from esl_ref.compiler.context import Context
from esl_ref.compiler.packing import header_only, scale_only
from esl_ref.compiler.tasks import Operands, Task, Weights
from esl_ref.compiler.views import View
from esl_ref.ir import Act
from esl_ref.macs import macs
from esl_ref.numerics import Requant, average_reciprocal
from esl_ref.program.fields import Opcode, Rounding

__all__ = ["add", "average", "divider", "identity", "largest", "mean", "multiply"]


def divider(ctx: Context, count: int, where: str) -> Weights:
    """Records that divide by `count`, half away from zero (rounding AVERAGE)."""
    reciprocal, scale = average_reciprocal(count)
    return header_only(ctx.arch, count // 2, reciprocal, 31 - scale, where)


def rounder(ctx: Context, op: ir.AveragePool, count: int) -> Weights:
    """Records that divide sum(q - zero_in), never negative, by `count`, half up (rounding ONCE): of uint8 models.

    `average_reciprocal` says why that is exact.
    """
    reciprocal, scale = average_reciprocal(count)
    return header_only(ctx.arch, -op.zero_in * count, reciprocal, 31 - scale, op.name)


def identity(ctx: Context, where: str) -> Weights:
    """Records that change nothing: division by 1, whatever the profile."""
    return divider(ctx, 1, where)


def _scale(ctx: Context, bias: int, requant: Requant, where: str) -> Weights:
    return scale_only(ctx.arch, bias, requant, where)


def _pool(ctx: Context, op: ir.AveragePool | ir.MaxPool, pad_value: int, weights: Weights) -> Task:
    ifm = ctx.ifm(op)
    return Task(
        op.name, ctx.tensor(op), ctx.layer, Opcode.POOL, ifm, ctx.ofm(op), weights,
        ctx.post(dataclasses.replace(op.act, zero_point=0), Rounding.AVERAGE), kernel=op.window, stride=op.stride,
        origin=(-op.padding.top, -op.padding.left), pad_value=pad_value, runs=op.window[1],
        run_step=ifm.pixel_stride, macs=macs(op, ctx.graph),
    )  # fmt: skip


def largest(ctx: Context, op: ir.MaxPool) -> Iterator[Task]:
    """Padding reads as -128, which never wins against an element of the map."""
    yield _pool(ctx, op, -128, identity(ctx, op.name))


def _equal_counts(size: int, out: int, window: int, stride: int, origin: int) -> list[tuple[int, int, int]]:
    """Ranges (first, last, elements inside the map) of output positions whose windows meet equally many elements."""
    ranges: list[tuple[int, int, int]] = []
    for o in range(out):
        start = origin + o * stride
        count = min(start + window, size) - max(start, 0)
        if ranges and ranges[-1][2] == count:
            ranges[-1] = (ranges[-1][0], o + 1, count)
        else:
            ranges.append((o, o + 1, count))
    return ranges


def average(ctx: Context, op: ir.AveragePool) -> Iterator[Task]:
    """One task per region of equal divisor: borders of a padded map divide by fewer elements."""
    whole = _pool(ctx, op, 0, identity(ctx, op.name)).replace(pool_sum=True)
    if op.zero_in:
        whole = whole.replace(post=ctx.post(op.act, Rounding.ONCE))
    (sy, sx), (y0, x0) = op.stride, whole.origin
    rows = _equal_counts(whole.ifm.height, whole.ofm.height, op.window[0], sy, y0)
    columns = _equal_counts(whole.ifm.width, whole.ofm.width, op.window[1], sx, x0)
    for top, bottom, high in rows:
        for left, right, wide in columns:
            shape = (bottom - top, right - left, whole.ofm.channels)
            yield whole.replace(
                ofm=whole.ofm.window(top, left, 0, shape),
                origin=(y0 + top * sy, x0 + left * sx),
                weights=rounder(ctx, op, high * wide) if op.zero_in else divider(ctx, high * wide, op.name),
                macs=whole.macs // (len(rows) * len(columns)),
            )


def mean(ctx: Context, op: ir.Mean) -> Iterator[Task]:
    """A sum over the whole axes, requantised with the scale that holds 1 / count."""
    ifm = ctx.ifm(op)
    window = (ifm.height if 1 in op.axes else 1, ifm.width if 2 in op.axes else 1)
    shape = (ifm.height // window[0], ifm.width // window[1], ifm.channels)
    yield Task(
        op.name, ctx.tensor(op), ctx.layer, Opcode.POOL, ifm, ctx.ofm(op).reshaped(shape),
        _scale(ctx, -op.count * op.zero_in, op.requant, op.name), ctx.post(op.act), kernel=window, stride=window,
        runs=window[1], run_step=ifm.pixel_stride, pool_sum=True, macs=macs(op, ctx.graph),
    )  # fmt: skip


def _broadcast(view: View, shape: tuple[int, int, int]) -> View:
    """An operand of shape 1 along rows or columns repeats there."""
    return dataclasses.replace(
        view,
        height=shape[0],
        width=shape[1],
        row_stride=view.row_stride if view.height == shape[0] else 0,
        pixel_stride=view.pixel_stride if view.width == shape[1] else 0,
    )


def _binary(ctx: Context, op: ir.Add | ir.Mul, operands: Operands, act: Act) -> Task:
    a, b = ctx.ifm(op, 0), ctx.ifm(op, 1)
    ofm = ctx.ofm(op, in_place=True)
    return Task(
        op.name, ctx.tensor(op), ctx.layer, Opcode.ELTWISE, _broadcast(a, ofm.shape), ofm,
        _scale(ctx, 0, op.requant, op.name), ctx.post(act), ifm2=_broadcast(b, ofm.shape), operands=operands,
        macs=macs(op, ctx.graph),
    )  # fmt: skip


def add(ctx: Context, op: ir.Add) -> Iterator[Task]:
    """Both inputs rescaled to a common scale, then summed or subtracted."""
    pair = [(int(r.multiplier.flat[0]), -int(r.shift.flat[0])) for r in op.requant_in]
    operands = Operands(op.zero, (pair[0][0], pair[1][0]), (pair[0][1], pair[1][1]), sub=op.sign < 0)
    yield _binary(ctx, op, operands, op.act)


def multiply(ctx: Context, op: ir.Mul) -> Iterator[Task]:
    """The product of both inputs less their zero points."""
    yield _binary(ctx, op, Operands(op.zero, mul=True), op.act)
