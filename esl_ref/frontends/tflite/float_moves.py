# SPDX-License-Identifier: Apache-2.0
"""Operators of float `.tflite` files that move elements. Where bytes and floats move alike, the integer importer does
the work, and its operator is taken over."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from esl_ref import ir
from esl_ref.floating import graph as f
from esl_ref.frontends.tflite import blocks, moves
from esl_ref.frontends.tflite.context import Context
from esl_ref.frontends.tflite.float_context import FloatContext
from esl_ref.frontends.tflite.resize import nearest_indices
from esl_ref.frontends.tflite.schema import FileOperator

__all__ = ["MOVES"]


def _float_form(op: ir.Op) -> f.FloatOp:
    base = (op.name, op.inputs, op.outputs[0])
    match op:
        case ir.Reshape():
            return f.Reshape(*base)
        case ir.Slice():
            return f.Slice(*base, op.begin, op.end, op.stride)
        case ir.Transpose():
            return f.Transpose(*base, op.perm)
        case ir.Concat():
            return f.Concat(*base, op.axis)
        case ir.ResizeNearest():
            return f.ResizeNearest(*base, op.rows, op.columns)
    raise AssertionError(f"{op.kind} is no operator that moves elements")


def _taken_over(importer: Callable[[Context, FileOperator], None], ctx: FloatContext, op: FileOperator) -> None:
    importer(ctx, op)
    ctx.float_ops += map(_float_form, ctx.ops)
    ctx.ops.clear()


def _concatenation(ctx: FloatContext, op: FileOperator) -> None:
    if op.options["FusedActivationFunction"] != 0:
        raise ctx.unsupported(op, "a fused activation")
    names, shapes = zip(*(ctx.operand(op, k) for k in range(len(op.inputs))), strict=True)
    rank, axis = len(shapes[0]), op.options["Axis"]
    axis = axis % rank if -rank <= axis < rank else rank
    if len({(len(s), *s[:axis], *s[axis + 1 :]) for s in shapes}) != 1 or axis == rank:
        raise ctx.bad(op, f"shapes {[list(s) for s in shapes]} do not concatenate along axis {op.options['Axis']}")
    total = sum(s[axis] for s in shapes)
    ctx.add(f.Concat, op, names, (*shapes[0][:axis], total, *shapes[0][axis + 1 :]), axis)


def _pad(ctx: FloatContext, op: FileOperator) -> None:
    name, shape = ctx.operand(op, 0)
    pads = ctx.integers(op, 1, 2 * len(shape))
    if any(not 0 <= p <= 1 << 15 for p in pads):
        raise ctx.bad(op, f"paddings {pads}")
    pairs = tuple(zip(pads[::2], pads[1::2], strict=True))
    given = ctx.optional(op, 2)
    values = [0.0] if given is None else ctx.floats(op, given).ravel()
    if len(values) != 1:
        raise ctx.bad(op, f"{len(values)} padding values")
    out = tuple(d + a + b for d, (a, b) in zip(shape, pairs, strict=True))
    ctx.add(f.Pad, op, (name,), out, pairs, float(values[0]))


def _resize(ctx: FloatContext, op: FileOperator) -> None:
    name, shape = ctx.operand(op, 0)
    if len(shape) != 4 or shape[0] != 1:
        raise ctx.unsupported(op, f"an input of shape {list(shape)}", "NHWC maps with batch 1 are supported")
    height, width = ctx.integers(op, 1, 2)
    if not (1 <= height <= 1 << 15 and 1 <= width <= 1 << 15):
        raise ctx.bad(op, f"an output of {height} x {width}")
    flags = bool(op.options["AlignCorners"]), bool(op.options["HalfPixelCenters"])
    indices = nearest_indices(shape[1], height, *flags), nearest_indices(shape[2], width, *flags)
    ctx.add(f.ResizeNearest, op, (name,), (1, height, width, shape[3]), *indices)


MOVES: dict[str, Callable[[FloatContext, FileOperator], None]] = {
    "CONCATENATION": _concatenation,
    "DEPTH_TO_SPACE": partial(_taken_over, blocks.depth_to_space),
    "EXPAND_DIMS": partial(_taken_over, moves.reshape),
    "PACK": partial(_taken_over, moves.pack),
    "PAD": _pad,
    "PADV2": _pad,
    "RESHAPE": partial(_taken_over, moves.reshape),
    "RESIZE_NEAREST_NEIGHBOR": _resize,
    "SLICE": partial(_taken_over, moves.slice_),
    "SPACE_TO_DEPTH": partial(_taken_over, blocks.space_to_depth),
    "SPLIT": partial(_taken_over, moves.split),
    "SPLIT_V": partial(_taken_over, moves.split),
    "SQUEEZE": partial(_taken_over, moves.reshape),
    "STRIDED_SLICE": partial(_taken_over, moves.strided_slice),
    "TILE": partial(_taken_over, blocks.tile),
    "TRANSPOSE": partial(_taken_over, moves.transpose),
    "UNPACK": partial(_taken_over, blocks.unpack),
}
