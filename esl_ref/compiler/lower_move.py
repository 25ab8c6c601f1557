# SPDX-License-Identifier: Apache-2.0
"""Operators that move bytes: by views where that is enough, else by copies through the pooling unit."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from esl_ref import ir
from esl_ref.arch import Arch
from esl_ref.compiler.bind import Binder, contiguous
from esl_ref.compiler.context import Context
from esl_ref.compiler.packing import header_only
from esl_ref.compiler.tasks import Post, Task
from esl_ref.compiler.views import Storage, View, map_shape
from esl_ref.numerics import average_reciprocal
from esl_ref.program.fields import Opcode, Rounding

__all__ = ["concat", "copy", "cut", "packed", "packed_copy", "pad", "reshape", "resize", "table"]


def copy(arch: Arch, op: str, tensor: str, layer: int, ifm: View, ofm: View, lookup: bytes | None = None) -> Task:
    """A 1 x 1 maximum: ofm = ifm, or its image in a table."""
    reciprocal, scale = average_reciprocal(1)
    return Task(
        op, tensor, layer, Opcode.POOL, ifm, ofm, header_only(arch, 0, reciprocal, 31 - scale, op),
        Post(0, -128, 127, Rounding.AVERAGE, lookup), run_step=ifm.pixel_stride,
    )  # fmt: skip


def packed_copy(arch: Arch, binder: Binder, tensor: str, view: View, layer: int) -> Task:
    """Copy a tensor that lies with gaps to a dense storage, which becomes its place."""
    dense = View.dense(Storage(f"{tensor}:packed", view.nbytes), view.shape)
    binder.views[tensor] = dense
    return copy(arch, f"pack {tensor}", tensor, layer, view, dense)


def packed(ctx: Context, tensor: str, view: View) -> tuple[Task, View]:
    """A dense copy for one reader, leaving the tensor where it is."""
    name = f"{tensor}:packed:{ctx.layer}"
    dense = View.dense(Storage(name, view.nbytes), view.shape)
    ctx.binder.alias(name, dense)
    return copy(ctx.arch, f"pack {tensor}", name, ctx.layer, view, dense), dense


def table(ctx: Context, op: ir.Table) -> Iterator[Task]:
    """A table of its own, not fused into its producer."""
    ifm, ofm = ctx.ifm(op), ctx.ofm(op, in_place=True)
    yield copy(ctx.arch, op.name, op.outputs[0], ctx.layer, ifm, ofm, op.table.tobytes())


def pad(ctx: Context, op: ir.Pad) -> Iterator[Task]:
    """Rows and columns: reading outside the map. Channels before and behind: filled. No two tasks write the same bytes,
    so that they may stream in any order."""
    ifm, ofm = ctx.ifm(op), ctx.ofm(op)
    _, (top, _), (left, _), (before, after) = op.pads
    task = copy(ctx.arch, op.name, op.outputs[0], ctx.layer, ifm, ofm).replace(pad_value=op.value)
    nothing = dataclasses.replace(_repeat(ifm), height=0)
    for first, count in ((0, before), (before + ifm.channels, after)):
        if count:
            part = ofm.window(0, 0, first, (ofm.height, ofm.width, count))
            yield task.replace(ifm=dataclasses.replace(nothing, channels=count), ofm=part)
    inner = ofm.window(0, 0, before, (ofm.height, ofm.width, ifm.channels))
    yield task.replace(ofm=inner, origin=(-top, -left))


def _repeat(view: View) -> View:
    return dataclasses.replace(view, row_stride=0, pixel_stride=0)


def concat(ctx: Context, op: ir.Concat) -> Iterator[Task]:
    """Inputs already written in place cost nothing, the others are copied there; none is if they stay apart."""
    if op.outputs[0] in ctx.binder.apart:
        return
    for tensor, part in ctx.binder.concat_parts(op):
        source = ctx.binder.view(tensor)
        if source != part:
            yield copy(ctx.arch, op.name, op.outputs[0], ctx.layer, source, part)


def cut(ctx: Context, op: ir.Slice) -> Iterator[Task]:
    """A slice is a view; copied only where its result has a place of its own (in a concat)."""
    axes = list(zip(op.begin, op.end, op.stride, strict=True))[-3:]  # a fourth one is a batch of one
    axes = [(0, 1, 1)] * (3 - len(axes)) + axes
    (y, _, sy), (x, _, sx), (c, _, _) = axes
    height, width, channels = (len(range(*axis)) for axis in axes)
    area = ((height - 1) * sy + 1, (width - 1) * sx + 1, channels)
    view = ctx.ifm(op).window(y, x, c, area).strided(sy, sx)
    if not ctx.binder.alias(op.outputs[0], view):
        yield copy(ctx.arch, op.name, op.outputs[0], ctx.layer, view, ctx.binder.view(op.outputs[0]))


def reshape(ctx: Context, op: ir.Reshape) -> Iterator[Task]:
    """The same bytes under another shape, packed first if they have gaps."""
    name, source = op.outputs[0], ctx.ifm(op)
    shape = map_shape(ctx.graph.tensors[name].shape)
    view = contiguous(source, shape)
    if view is not None and name not in ctx.binder.views:
        ctx.binder.alias(name, view)
        return
    target = ctx.binder.target(name)
    if view is not None:
        if view != target:
            yield copy(ctx.arch, op.name, name, ctx.layer, view, target)
        return
    inner = contiguous(target, source.shape)
    if inner is not None:
        yield copy(ctx.arch, op.name, name, ctx.layer, source, inner)
        return
    task, dense = packed(ctx, op.inputs[0], source)
    yield task
    yield copy(ctx.arch, op.name, name, ctx.layer, dense.reshaped(shape), target)


def resize(ctx: Context, op: ir.ResizeNearest) -> Iterator[Task]:
    """Nearest by whole factors: one copy per phase, to every factor-th row and pixel. What is one row or one pixel is
    read again and again by a single copy."""
    ifm, ofm = ctx.ifm(op), ctx.ofm(op)
    if ifm.height == 1:
        ifm = dataclasses.replace(ifm, height=ofm.height, row_stride=0)
    if ifm.width == 1:
        ifm = dataclasses.replace(ifm, width=ofm.width, pixel_stride=0)
    fy, fx = ofm.height // ifm.height, ofm.width // ifm.width
    for y in range(fy):
        for x in range(fx):
            phase = ofm.window(y, x, 0, (ofm.height - y, ofm.width - x, ofm.channels)).strided(fy, fx)
            yield copy(ctx.arch, op.name, op.outputs[0], ctx.layer, ifm, phase)
