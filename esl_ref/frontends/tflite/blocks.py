# SPDX-License-Identifier: Apache-2.0
"""Operators that repeat or regroup blocks of elements: TILE, SPACE_TO_DEPTH, DEPTH_TO_SPACE, UNPACK.

Each becomes the moves that the accelerator has: nearest resize, strided slices, concat and reshape.
"""

from __future__ import annotations

import math

from esl_ref.frontends.tflite.context import Context
from esl_ref.frontends.tflite.moves import same_kind
from esl_ref.frontends.tflite.schema import FileOperator
from esl_ref.ir import Concat, Reshape, ResizeNearest, Slice

__all__ = ["depth_to_space", "space_to_depth", "tile", "unpack"]

Shape = tuple[int, ...]
_MOST = 1 << 15
"""Repetitions, rows and columns."""


def _reshaped(ctx: Context, name: str, suffix: str, shape: Shape) -> str:
    """A tensor's bytes under another shape; itself if it has that shape."""
    if ctx.tensors[name].shape == shape:
        return name
    result = ctx.inner(name, suffix, shape)
    ctx.ops.append(Reshape(result, (name,), (result,)))
    return result


def _sliced(ctx: Context, name: str, suffix: str, begin: Shape, end: Shape, stride: Shape) -> str:
    """ifm[begin : end : stride] as a new tensor."""
    size = tuple(len(range(b, e, s)) for b, e, s in zip(begin, end, stride, strict=True))
    result = ctx.inner(name, suffix, size)
    ctx.ops.append(Slice(result, (name,), (result,), begin, end, stride))
    return result


def _repeated(ctx: Context, name: str, suffix: str, axis: int, count: int) -> str:
    """The tensor with everything from `axis` on repeated `count` times: rows or pixels of a map, each `count` times.

    What lies behind one index of the axes before `axis` is one block of bytes. As a row of pixels it is repeated by
    rows; where it is no more than the last axis it is a pixel, repeated by columns. Converters write an upsampling by
    two as two such operators with reshapes between.
    """
    shape = ctx.tensors[name].shape
    channels, block = shape[-1], math.prod(shape[axis:])
    outer = math.prod(shape[:axis])
    if block == channels:
        width = next((d for d in reversed(shape[:axis]) if d > 1), 1)
        size, factors = (1, outer // width, width, channels), (1, count)
    else:
        size, factors = (1, outer, block // channels, channels), (count, 1)
    source = _reshaped(ctx, name, f"{suffix}_map", size)
    result = ctx.inner(name, f"{suffix}_times", (1, size[1] * factors[0], size[2] * factors[1], channels))
    rows, columns = (tuple(i // f for i in range(n * f)) for n, f in zip(size[1:3], factors, strict=True))
    ctx.ops.append(ResizeNearest(result, (source,), (result,), rows, columns))
    return _reshaped(ctx, result, "tiled", (*shape[:axis], count * shape[axis], *shape[axis + 1 :]))


def tile(ctx: Context, op: FileOperator) -> None:
    """TILE: the input side by side with itself along axes, so many times each. Bytes are copied."""
    ifm, ofm = same_kind(ctx, op)
    shape = ctx.shape(ifm)
    times = ctx.integers(op, 1, len(shape))
    if any(not 1 <= t <= _MOST for t in times) or not shape:
        raise ctx.bad(op, f"multiples {times} of {list(shape)}")
    source = ctx.use(op, ifm)
    for axis in reversed([a for a, t in enumerate(times) if t > 1]):
        source = _repeated(ctx, source, f"tile_{op.index}_{axis}", axis, times[axis])
    name = ctx.declare(op, ofm, tuple(d * t for d, t in zip(shape, times, strict=True)))
    ctx.ops.append(Reshape(name, (source,), (name,)))


def _block(ctx: Context, op: FileOperator) -> tuple[Shape, int]:
    """(shape of the map, block size)."""
    shape, size = ctx.shape(ctx.file_tensor(op, 0)), int(op.options["BlockSize"])
    if len(shape) != 4 or shape[0] != 1:
        raise ctx.unsupported(op, f"an input of shape {list(shape)}", "NHWC maps with batch 1 are supported")
    if not 1 <= size <= _MOST:
        raise ctx.bad(op, f"a block size of {size}")
    return shape, size


def space_to_depth(ctx: Context, op: FileOperator) -> None:
    """out[y, x, (i * b + j) * C + c] = ifm[y * b + i, x * b + j, c]: b * b strided slices side by side."""
    ifm, ofm = same_kind(ctx, op)
    shape, b = _block(ctx, op)
    if shape[1] % b or shape[2] % b:
        raise ctx.bad(op, f"{shape[1]} x {shape[2]} is no whole number of blocks of {b}")
    source = ctx.use(op, ifm)
    parts = [
        _sliced(ctx, source, f"phase_{op.index}_{i}_{j}", (0, i, j, 0), shape, (1, b, b, 1))
        for i in range(b)
        for j in range(b)
    ]
    name = ctx.declare(op, ofm, (1, shape[1] // b, shape[2] // b, b * b * shape[3]))
    ctx.ops.append(Concat(name, tuple(parts), (name,), 3))


def depth_to_space(ctx: Context, op: FileOperator) -> None:
    """out[y * b + i, x * b + j, c] = ifm[y, x, (i * b + j) * C + c].

    The channels of one i are a whole row of the result, in its order: b such rows, one behind the other, are a row of
    the input regrouped.
    """
    ifm, ofm = same_kind(ctx, op)
    (_, height, width, channels), b = _block(ctx, op)
    if channels % (b * b):
        raise ctx.bad(op, f"{channels} channels do not fill blocks of {b} x {b}")
    source, part, rows = ctx.use(op, ifm), channels // b, []
    for i in range(b):
        begin, end = (0, 0, 0, i * part), (1, height, width, (i + 1) * part)
        row = _sliced(ctx, source, f"rows_{op.index}_{i}", begin, end, (1, 1, 1, 1))
        rows.append(_reshaped(ctx, row, "flat", (1, height, 1, width * part)))
    joined = ctx.inner(source, f"rows_{op.index}", (1, height, b, width * part))
    ctx.ops.append(Concat(joined, tuple(rows), (joined,), 2))
    name = ctx.declare(op, ofm, (1, height * b, width * b, part // b))
    ctx.ops.append(Reshape(name, (joined,), (name,)))


def unpack(ctx: Context, op: FileOperator) -> None:
    """UNPACK: one slice per index of an axis, which vanishes from the results."""
    shape = ctx.shape(ctx.file_tensor(op, 0))
    axis, count = int(op.options["Axis"]), len(op.outputs)
    if not -len(shape) <= axis < len(shape) or shape[axis] != count:
        raise ctx.bad(op, f"{count} outputs for axis {axis} of {list(shape)}")
    axis %= len(shape)
    for k in range(count):
        ifm, ofm = same_kind(ctx, op, 0, k)
        begin = tuple(k if a == axis else 0 for a in range(len(shape)))
        end = tuple(k + 1 if a == axis else d for a, d in enumerate(shape))
        part = _sliced(ctx, ctx.use(op, ifm), f"part_{op.index}_{k}", begin, end, (1,) * len(shape))
        name = ctx.declare(op, ofm, (*shape[:axis], *shape[axis + 1 :]))
        ctx.ops.append(Reshape(name, (part,), (name,)))
