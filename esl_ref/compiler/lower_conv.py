# SPDX-License-Identifier: Apache-2.0
"""Convolution, depthwise convolution and fully connected layers as tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from esl_ref import ir
from esl_ref.arch import Arch
from esl_ref.compiler.bind import contiguous
from esl_ref.compiler.context import Context
from esl_ref.compiler.geometry import kernel_rows_inside
from esl_ref.compiler.lower_depthwise import as_depthwise, by_phases, cycles_of, spread_of
from esl_ref.compiler.lower_move import packed
from esl_ref.compiler.narrow import runs_as_one_row
from esl_ref.compiler.packing import addends, conv_runs, pack_conv
from esl_ref.compiler.side_by_side import best_count, repeated, widened
from esl_ref.compiler.tasks import Parts, Share, Task
from esl_ref.compiler.views import View
from esl_ref.compiler.wide import conv_parts
from esl_ref.macs import macs
from esl_ref.numerics import Requant
from esl_ref.ops.finish import slice_channels
from esl_ref.program.fields import Opcode

__all__ = ["conv2d", "depthwise", "fully_connected"]


def _task(ctx: Context, op: ir.Conv2D | ir.DepthwiseConv2D, layer_macs: int, ifm: View | None = None) -> Task:
    """A CONV task without weights: geometry and post-processing. `ifm`: what it reads, if not the operator's input."""
    ifm, ofm = ifm or ctx.ifm(op), ctx.ofm(op)
    kernel = (op.weight.shape[1], op.weight.shape[2]) if isinstance(op, ir.Conv2D) else op.weight.shape[:2]
    stride, dilation, origin = op.stride, op.dilation, (-op.padding.top, -op.padding.left)
    if runs_as_one_row(ctx.graph, op):
        ifm, ofm = ifm.transposed(), ofm.transposed()
        kernel, stride, dilation, origin = (1, kernel[0]), (1, stride[0]), (1, dilation[0]), (0, origin[0])
    return Task(
        op.name, ctx.tensor(op), ctx.layer, Opcode.CONV, ifm, ofm, None, ctx.post(op.act),  # type: ignore[arg-type]
        kernel=kernel, stride=stride, dilation=dilation, origin=origin, pad_value=op.zero_in, macs=layer_macs,
    )  # fmt: skip


def _as_conv(
    arch: Arch, task: Task, weight: np.ndarray, bias: np.ndarray, zero_in: int, requant: Requant, slots: int = 0
) -> Task:
    """Complete a CONV task with weights int64 [O, KH, KW, I] (in the task's own orientation).

    `slots`: accumulator slots that its sums may use, if its weights leave int8.
    """
    at_once = best_count(arch, task, weight.shape[0], weight.shape[3])
    if at_once > 1:
        task, weight = widened(task, weight, at_once)
        bias, requant = np.tile(bias, at_once), repeated(requant, at_once)
    dense = task.ifm.pixel_stride == weight.shape[3] and task.dilation[1] == 1 or weight.shape[2] == 1
    runs, run = conv_runs(weight, dense)
    chunks = -(-run // arch.lanes)
    packed, parts = conv_parts(arch, weight, dense=dense)
    summed = bool(task.share) or len(parts) > 1  # rows left out would shift the slots
    variants = () if summed else _variants(arch, task, runs * chunks)
    packed_weights = pack_conv(arch, weight, packed, bias, zero_in, requant, task.op, variants)
    step = 0 if dense else task.dilation[1] * task.ifm.pixel_stride
    together = Parts(tuple(parts), slots, min(slots, task.ofm.width), 0) if len(parts) > 1 else None
    return task.replace(
        weights=packed_weights, run=run, runs=runs, run_step=step, chunks=chunks, opcode=Opcode.CONV, parts=together
    )


def _variants(arch: Arch, task: Task, cycles_per_row: int) -> tuple[tuple[int, int], ...]:
    """Kernel row ranges that deserve commands and records of their own, the whole kernel first.

    Leaving out padding rows saves array cycles, and costs the load of one more set of records per group: worth it from
    twice that load on.
    """
    if task.origin[0] == 0 and task.ifm.height >= task.kernel[0]:
        return ()
    saved: dict[tuple[int, int], int] = {}
    for y in range(task.ofm.height):
        low, high = kernel_rows_inside(task, y)
        gain = task.ofm.width * cycles_per_row * (task.kernel[0] - (high - low))
        saved[low, high] = saved.get((low, high), 0) + gain
    cost = 2 * arch.header_words * arch.word_bytes // arch.axi_bytes
    worth = [used for used, gain in saved.items() if gain >= cost]
    return ((0, task.kernel[0]), *worth) if worth else ()


def conv2d(ctx: Context, op: ir.Conv2D) -> Iterator[Task]:
    """One task per convolution group, or per part of the channels that it sums over."""
    if op.name in ctx.fan_ins:
        yield from _shares(ctx, op, lambda view, work: _task(ctx, op, work, view))
        return
    task = _task(ctx, op, macs(op, ctx.graph) // op.groups)
    o, _, _, i = op.weight.shape
    weight = (op.weight.astype(np.int64) - op.weight_zero).reshape(o, *task.kernel, i)
    per = o // op.groups
    for g in range(op.groups):
        part = slice(g * per, (g + 1) * per)
        views = {
            "ifm": task.ifm.window(0, 0, g * i, (task.ifm.height, task.ifm.width, i)),
            "ofm": task.ofm.window(0, 0, g * per, (task.ofm.height, task.ofm.width, per)),
        } if op.groups > 1 else {}  # fmt: skip
        one, requant = task.replace(**views), slice_channels(op.requant, part)
        if i == 1:
            yield _from_one_channel(ctx, one, weight[part], op.bias[part], op.zero_in, requant)
        else:
            yield _as_conv(ctx.arch, one, weight[part], op.bias[part], op.zero_in, requant, ctx.slots)


def _shares(ctx: Context, op: ir.Conv2D | ir.FullyConnected, make: Callable[[View, int], Task]) -> Iterator[Task]:
    """One task per part of the input's channels, from `make(view, macs)`, and addend of its weights; all sum into the
    same slots.

    The last one's record is for all of them: it holds the bias, less what the input's zero point adds to every sum.
    """
    fan_in, depth, first = ctx.fan_ins[op.name], op.weight.shape[-1], 0
    found: list[tuple[View, np.ndarray]] = []
    for name in fan_in.parts:
        view = ctx.binder.view(name)
        part = op.weight[..., first : first + view.channels].astype(np.int64) - op.weight_zero
        found += [(view, addend) for addend in addends(part)]
        first += view.channels
    others = np.zeros(op.weight.shape[0], np.int64)
    for number, (view, addend) in enumerate(found):
        task = make(view, macs(op, ctx.graph) * view.channels // depth)
        task = task.replace(share=Share(number, len(found), fan_in.base))
        bias = op.bias.astype(np.int64) - op.zero_in * others  # records count in the last share only
        weight = addend.reshape(-1, *task.kernel, view.channels)
        yield _as_conv(ctx.arch, task, weight, bias, op.zero_in, op.requant)
        others += weight.sum(axis=(1, 2, 3))


def depthwise(ctx: Context, op: ir.DepthwiseConv2D) -> Iterator[Task]:
    """Multiplier 1: the fastest depthwise mapping. Else the fastest of these: one whose output channels share input
    channels as the lanes can, one layer per input channel, convolutions of a few input channels each."""
    task = _task(ctx, op, macs(op, ctx.graph))
    weight = (op.weight.astype(np.int64) - op.weight_zero).reshape(*task.kernel, -1)
    if op.multiplier == 1:
        yield from by_phases(ctx.arch, task, weight, op.bias, op.zero_in, op.requant, ctx.slots)
        return
    channels = weight.shape[2] // op.multiplier
    ways = [[_from_one_channel(ctx, *each) for each in _by_channels(op, task, weight, 1)]]
    together = _channels_together(ctx.arch, task.kernel, channels, op.multiplier)
    if together > 1:
        ways.append([_as_conv(ctx.arch, *each, ctx.slots) for each in _by_channels(op, task, weight, together)])
    spread = spread_of(ctx.arch, channels, op.multiplier)
    if spread is not None and task.dilation == (1, 1) and ctx.slots:
        shared = task.replace(spread=spread)
        ways.append([as_depthwise(ctx.arch, shared, weight, op.bias, op.zero_in, op.requant, ctx.slots)])
    yield from min(ways, key=lambda tasks: sum(cycles_of(ctx.arch, made) for made in tasks))


def _by_channels(
    op: ir.DepthwiseConv2D, task: Task, weight: np.ndarray, together: int
) -> Iterator[tuple[Task, np.ndarray, np.ndarray, int, Requant]]:
    """The layer as convolutions of `together` input channels each, with zeros between channels in their weights
    [O, KH, KW, I]: tasks, weights, biases, zero point and scales."""
    m, channels = op.multiplier, weight.shape[2] // op.multiplier
    for c in range(0, channels, together):
        count = min(together, channels - c)
        part = slice(c * m, (c + count) * m)
        one = task.replace(
            ifm=task.ifm.window(0, 0, c, (task.ifm.height, task.ifm.width, count)),
            ofm=task.ofm.window(0, 0, c * m, (task.ofm.height, task.ofm.width, count * m)),
            macs=task.macs * count // channels,
        )
        own = np.repeat(np.eye(count, dtype=np.int64), m, axis=0)  # [output, input]: whether it is its own
        taps = weight[:, :, part].transpose(2, 0, 1)[..., None] * own[:, None, None]
        yield one, taps, op.bias[part], op.zero_in, slice_channels(op.requant, part)


def _from_one_channel(
    ctx: Context, task: Task, weight: np.ndarray, bias: np.ndarray, zero_in: int, requant: Requant
) -> Task:
    """Weights [O, KH, KW, 1]: a convolution, or depthwise windows that give the channel to every lane.

    Windows in parts begin anew with every strip of rows unless line buffers have room for all they read: there the
    convolution may still be faster.
    """
    conv = _as_conv(ctx.arch, task, weight, bias, zero_in, requant, ctx.slots)
    if task.kernel[1] > ctx.arch.window_cols or task.dilation != (1, 1) or not ctx.slots:
        return conv
    shared = task.replace(spread=ctx.arch.lanes.bit_length() - 1)
    taps = weight[..., 0].transpose(1, 2, 0)
    window = as_depthwise(ctx.arch, shared, taps, bias, zero_in, requant, ctx.slots)
    if cycles_of(ctx.arch, conv) <= cycles_of(ctx.arch, window):
        return conv
    return window.replace(streamed=conv if window.parts else None)


def _channels_together(arch: Arch, kernel: tuple[int, int], channels: int, multiplier: int) -> int:
    """Input channels per convolution of a depthwise layer with a multiplier, for the fewest array cycles."""

    def cycles(count: int) -> int:
        bytes_, runs = (kernel[1] * channels, 1) if count == channels else (count, kernel[1])
        slices = -(-channels // count)
        return slices * -(-count * multiplier // arch.lanes) * kernel[0] * runs * -(-bytes_ // arch.lanes)

    return min(range(1, channels + 1), key=cycles)


def fully_connected(ctx: Context, op: ir.FullyConnected) -> Iterator[Task]:
    """A 1 x 1 convolution over as many pixels as there are rows; the input is read as it lies, or packed first."""
    if op.name in ctx.fan_ins:
        yield from _shares(ctx, op, lambda view, work: _dense(ctx, op, view, work))
        return
    o, i = op.weight.shape
    source = ctx.ifm(op)
    rows = source.nbytes // i
    ifm = contiguous(source, (1, rows, i))
    if ifm is None:
        copy, view = packed(ctx, op.inputs[0], source)
        yield copy
        ifm = view.reshaped((1, rows, i))
    task = _dense(ctx, op, ifm, macs(op, ctx.graph))
    weight = (op.weight.astype(np.int64) - op.weight_zero).reshape(o, 1, 1, i)
    yield _as_conv(ctx.arch, task, weight, op.bias, op.zero_in, op.requant, ctx.slots)


def _dense(ctx: Context, op: ir.FullyConnected, ifm: View, work: int) -> Task:
    """A CONV task without weights that reads one row of pixels."""
    ofm = ctx.ofm(op).reshaped((1, ifm.width, op.weight.shape[0]))
    return Task(
        op.name, ctx.tensor(op), ctx.layer, Opcode.CONV, ifm, ofm, None,  # type: ignore[arg-type]
        ctx.post(op.act, ctx.rounding(op.requant)), pad_value=op.zero_in, macs=work,
    )  # fmt: skip
