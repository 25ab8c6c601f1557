# SPDX-License-Identifier: Apache-2.0
"""Operators that move bytes: RESHAPE and its kin, PAD, CONCATENATION, SPLIT, SLICE, STRIDED_SLICE, TRANSPOSE."""

from __future__ import annotations

import numpy as np

from esl_ref.frontends.tflite import tables
from esl_ref.frontends.tflite.context import Context
from esl_ref.frontends.tflite.schema import FileOperator, FileTensor
from esl_ref.frontends.tflite.slicing import sliced, strided_box
from esl_ref.ir import Concat, Pad, Reshape, Slice, Table, Transpose

__all__ = ["concatenation", "pack", "pad", "reshape", "same_kind", "slice_", "split", "strided_slice", "transpose"]


def same_kind(ctx: Context, op: FileOperator, position: int = 0, out: int = 0) -> tuple[FileTensor, FileTensor]:
    """Input and output of a byte-moving operator; where their quantisation differs, the bytes are still copied."""
    ifm, ofm = ctx.file_tensor(op, position), ctx.output(op, out)
    ctx.need_type(op, ifm, ("INT8", "UINT8", "FLOAT32"))
    ctx.need_type(op, ofm, (ifm.type,))
    if ifm.type != "FLOAT32" and ctx.quant(op, ifm) != ctx.quant(op, ofm):
        ctx.note(op, "input and output quantisation differ; the reference copies the bytes, and so does this")
    return ifm, ofm


def reshape(ctx: Context, op: FileOperator) -> None:
    """RESHAPE, SQUEEZE, EXPAND_DIMS: the wanted shape if it is constant, else the declared one."""
    ifm, ofm = same_kind(ctx, op)
    elements = int(np.prod(ctx.shape(ifm), dtype=np.int64))
    shape = list(ofm.shape)
    wanted = ctx.optional(op, 1)
    if op.code == "RESHAPE" and wanted is not None and ctx.is_constant(wanted):
        shape = ctx.integers(op, 1)
        rest = int(np.prod([d for d in shape if d != -1], dtype=np.int64))
        if shape.count(-1) == 1 and rest > 0:
            shape[shape.index(-1)] = elements // rest
    if any(d < 1 for d in shape) or int(np.prod(shape, dtype=np.int64)) != elements:
        raise ctx.bad(op, f"{list(ctx.shape(ifm))} does not reshape to {shape}")
    name = ctx.declare(op, ofm, tuple(shape))
    ctx.ops.append(Reshape(name, (ctx.use(op, ifm),), (name,)))


def pad(ctx: Context, op: FileOperator) -> None:
    """PAD with the zero point, PADV2 with a given byte."""
    ifm, ofm = same_kind(ctx, op)
    ctx.need_type(op, ifm, ("INT8", "UINT8"))
    shape, pads = ctx.shape(ifm), ctx.integers(op, 1, 2 * len(ctx.shape(ifm)))
    pairs = tuple(zip(pads[::2], pads[1::2], strict=True))
    if any(not 0 <= p <= 1 << 15 for p in pads):
        raise ctx.bad(op, f"paddings {pads}")
    value = ctx.quant(op, ofm)[1]
    given = ctx.optional(op, 2)
    if given is not None:
        ctx.need_type(op, given, (ifm.type,))
        if given.data is None or given.data.size != 1:
            raise ctx.unsupported(op, "a padding value that is not one constant")
        value = int(ctx.int8_data(given).reshape(-1)[0])
    name = ctx.declare(op, ofm, tuple(d + a + b for d, (a, b) in zip(shape, pairs, strict=True)))
    ctx.ops.append(Pad(name, (ctx.use(op, ifm),), (name,), pairs, value))


def concatenation(ctx: Context, op: FileOperator) -> None:
    """Side by side along one axis. Only the legacy uint8 kernel rescales; that becomes a table before the concat."""
    if op.options["FusedActivationFunction"] != 0:
        raise ctx.unsupported(op, "a fused activation")
    ofm = ctx.output(op)
    quant_out = ctx.quant(op, ofm)
    parts = [ctx.file_tensor(op, k) for k in range(len(op.inputs))]
    shapes = [ctx.shape(part) for part in parts]
    rank = len(ofm.shape)
    axis = op.options["Axis"]
    if not parts or not -rank <= axis < rank or any(len(s) != rank for s in shapes):
        raise ctx.bad(op, f"shapes {[list(s) for s in shapes]} do not concatenate along axis {axis}")
    axis %= rank
    if len({(*s[:axis], *s[axis + 1 :]) for s in shapes}) != 1:
        raise ctx.bad(op, f"shapes {[list(s) for s in shapes]} do not concatenate along axis {axis}")
    names = []
    for k, part in enumerate(parts):
        ctx.need_type(op, part, (ofm.type,))
        source, quant = ctx.use(op, part), ctx.quant(op, part)
        if quant != quant_out:
            if ofm.type != "UINT8":
                raise ctx.unsupported(op, f"input {k} and the output have different quantisation",
                                      "LiteRT refuses it too, TFLM copies bytes of the wrong scale")  # fmt: skip
            rescaled = ctx.inner(source, f"rescaled_{op.index}_{k}")
            ctx.ops.append(
                Table(rescaled, (source,), (rescaled,), tables.concat_rescale(quant, quant_out), "requantise")
            )
            source = rescaled
        names.append(source)
    total = sum(s[axis] for s in shapes)
    name = ctx.declare(op, ofm, (*shapes[0][:axis], total, *shapes[0][axis + 1 :]))
    ctx.ops.append(Concat(name, tuple(names), (name,), axis))


def pack(ctx: Context, op: FileOperator) -> None:
    """Stack equal shapes along a new axis: a reshape of every part, then a concat."""
    parts = [same_kind(ctx, op, k) for k in range(len(op.inputs))]
    if not parts or len({(part.type, ctx.shape(part)) for part, _ in parts}) != 1:
        raise ctx.bad(op, "parts of different types or shapes")
    shape, ofm = ctx.shape(parts[0][0]), parts[0][1]
    axis = op.options["Axis"]
    if not -len(shape) - 1 <= axis <= len(shape):
        raise ctx.bad(op, f"axis {axis} of a tensor of rank {len(shape)}")
    axis %= len(shape) + 1
    name = ctx.declare(op, ofm, (*shape[:axis], len(parts), *shape[axis:]))
    names = []
    for k, (part, _) in enumerate(parts):
        source = ctx.use(op, part)
        names.append(ctx.inner(source, f"packed_{op.index}_{k}", (*shape[:axis], 1, *shape[axis:])))
        ctx.ops.append(Reshape(names[-1], (source,), (names[-1],)))
    ctx.ops.append(Concat(name, tuple(names), (name,), axis))


def split(ctx: Context, op: FileOperator) -> None:
    """SPLIT (axis first) into equal parts, SPLIT_V (axis last) into given ones: one slice per output."""
    even = op.code == "SPLIT"
    data_at, axis_at = (1, 0) if even else (0, 2)
    shape = ctx.shape(ctx.file_tensor(op, data_at))
    (axis,) = ctx.integers(op, axis_at, 1)
    if not -len(shape) <= axis < len(shape):
        raise ctx.bad(op, f"axis {axis} of a tensor of rank {len(shape)}")
    axis %= len(shape)
    count = len(op.outputs)
    if even and (count < 1 or shape[axis] % count):
        raise ctx.bad(op, f"{shape[axis]} elements do not split into {count} equal parts")
    sizes = [shape[axis] // count] * count if even else ctx.integers(op, 1, count)
    if -1 in sizes and sizes.count(-1) == 1:
        sizes[sizes.index(-1)] = shape[axis] - sum(s for s in sizes if s != -1)
    if any(s < 1 for s in sizes) or sum(sizes) != shape[axis]:
        raise ctx.bad(op, f"parts {sizes} of {shape[axis]} elements")
    start = 0
    for k, size in enumerate(sizes):
        ifm, ofm = same_kind(ctx, op, data_at, k)
        begin = tuple(start if a == axis else 0 for a in range(len(shape)))
        end = tuple(start + size if a == axis else d for a, d in enumerate(shape))
        name = ctx.declare(op, ofm, tuple(e - b for b, e in zip(begin, end, strict=True)))
        ctx.ops.append(Slice(name, (ctx.use(op, ifm),), (name,), begin, end, (1,) * len(shape)))
        start += size


def slice_(ctx: Context, op: FileOperator) -> None:
    """SLICE: begin and size per axis, size -1 to the end."""
    ifm, ofm = same_kind(ctx, op)
    shape = ctx.shape(ifm)
    begin, size = ctx.integers(op, 1, len(shape)), ctx.integers(op, 2, len(shape))
    end = [d if s == -1 else b + s for b, s, d in zip(begin, size, shape, strict=True)]
    if any(not 0 <= b < e <= d for b, e, d in zip(begin, end, shape, strict=True)):
        raise ctx.bad(op, f"begin {begin} and size {size} of {list(shape)}")
    name = ctx.declare(op, ofm, tuple(e - b for b, e in zip(begin, end, strict=True)))
    ctx.ops.append(Slice(name, (ctx.use(op, ifm),), (name,), tuple(begin), tuple(end), (1,) * len(shape)))


def strided_slice(ctx: Context, op: FileOperator) -> None:
    """STRIDED_SLICE with positive strides; axes that it leaves out leave in a reshape of their own."""
    ifm, ofm = same_kind(ctx, op)
    shape = ctx.shape(ifm)
    begin, end, stride = (ctx.integers(op, k) for k in (1, 2, 3))
    box = strided_box(shape, begin, end, stride, op.options, ctx.at(op))
    if any(s < 1 for s in box.stride):
        raise ctx.unsupported(op, f"strides {list(box.stride)}", "positive strides are supported")
    name, source = ctx.declare(op, ofm, sliced(box)), ctx.use(op, ifm)
    kept = tuple(len(range(*axis)) for axis in zip(box.begin, box.end, box.stride, strict=True))
    cut = name if kept == sliced(box) else ctx.inner(source, f"cut_{op.index}", kept)
    ctx.ops.append(Slice(cut, (source,), (cut,), box.begin, box.end, box.stride))
    if cut != name:
        ctx.ops.append(Reshape(name, (cut,), (name,)))


def transpose(ctx: Context, op: FileOperator) -> None:
    """Permutation of axes (host)."""
    ifm, ofm = same_kind(ctx, op)
    shape = ctx.shape(ifm)
    perm = [p % len(shape) if -len(shape) <= p else p for p in ctx.integers(op, 1, len(shape))]
    if sorted(perm) != list(range(len(shape))):
        raise ctx.bad(op, f"permutation {perm} of {len(shape)} axes")
    name = ctx.declare(op, ofm, tuple(shape[p] for p in perm))
    ctx.ops.append(Transpose(name, (ctx.use(op, ifm),), (name,), tuple(perm)))
