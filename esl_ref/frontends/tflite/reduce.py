# SPDX-License-Identifier: Apache-2.0
"""MEAN and REDUCE_MAX."""

from __future__ import annotations

import math

import numpy as np

from esl_ref.frontends.tflite.context import Context
from esl_ref.frontends.tflite.schema import FileOperator
from esl_ref.ir import Act, MaxPool, Mean, Reshape
from esl_ref.numerics import Requant, quantise_multiplier

__all__ = ["mean", "mean_requant", "reduce_max"]


def mean_requant(scale_in: float, scale_out: float, count: int, where: str) -> Requant:
    """Scale of sum(q - zero): scale_in / scale_out / count, the division folded into the integer multiplier.

    The multiplier is shifted left as far as the count allows, so that the truncating division by it keeps its bits.
    """
    multiplier, shift = quantise_multiplier(scale_in / scale_out, where)
    left = min(count.bit_length() - 1, 32, 31 + shift)
    return Requant(np.array([(multiplier << left) // count], np.int64), np.array([shift - left], np.int64))


def _reduced(ctx: Context, op: FileOperator) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(the input's shape, the sorted axes that are reduced)."""
    shape = ctx.shape(ctx.file_tensor(op, 0))
    raw = ctx.integers(op, 1)
    if not raw or any(not -len(shape) <= axis < len(shape) for axis in raw):
        raise ctx.bad(op, f"axes {raw} of a tensor of rank {len(shape)}")
    return shape, tuple(sorted({axis % len(shape) for axis in raw}))


def mean(ctx: Context, op: FileOperator) -> None:
    """Mean over constant axes."""
    ifm, ofm = ctx.file_tensor(op, 0), ctx.output(op)
    (scale_in, zero_in), (scale_out, zero_out) = ctx.quant(op, ifm), ctx.quant(op, ofm)
    if ifm.type != ofm.type:
        raise ctx.unsupported(op, f"{ifm.type} to {ofm.type}")
    shape, axes = _reduced(ctx, op)
    count = int(np.prod([shape[axis] for axis in axes], dtype=np.int64))
    keep = bool(op.options["KeepDims"])
    kept = tuple(1 if axis in axes else d for axis, d in enumerate(shape) if keep or axis not in axes)
    name = ctx.declare(op, ofm, kept)
    requant = mean_requant(scale_in, scale_out, count, ctx.at(op))
    ctx.ops.append(Mean(name, (ctx.use(op, ifm),), (name,), axes, keep, requant, Act(zero_out), zero_in, count))


def reduce_max(ctx: Context, op: FileOperator) -> None:
    """Largest byte over neighbouring axes: a maximum pool whose window is the whole map.

    A map keeps its rows and columns; other axes are taken as the rows of a map one pixel wide.
    """
    ifm, ofm = ctx.file_tensor(op, 0), ctx.output(op)
    if ifm.type != ofm.type or ctx.quant(op, ifm) != ctx.quant(op, ofm):
        raise ctx.unsupported(op, "input and output of different quantisation", "the reference compares bytes")
    shape, axes = _reduced(ctx, op)
    first, last = axes[0], axes[-1]
    if axes != tuple(range(first, last + 1)):
        raise ctx.unsupported(op, f"a maximum over axes {axes}", "axes that follow one another are supported")
    before, window, behind = (math.prod(d) for d in (shape[:first], shape[first : last + 1], shape[last + 1 :]))
    rows = (1, before, window, behind)
    size, kernel = (shape, shape[1:3]) if len(shape) == 4 and axes == (1, 2) else (rows, (1, window))
    kept = tuple(1 if axis in axes else d for axis, d in enumerate(shape) if op.options["KeepDims"] or axis not in axes)
    source, name = ctx.use(op, ifm), ctx.declare(op, ofm, kept)
    as_map = ctx.inner(source, f"map_{op.index}", size)
    largest = ctx.inner(source, f"largest_{op.index}", (1, size[1] // kernel[0], size[2] // kernel[1], size[3]))
    ctx.ops += [
        Reshape(as_map, (source,), (as_map,)),
        MaxPool(largest, (as_map,), (largest,), (kernel[0], kernel[1]), (kernel[0], kernel[1])),
        Reshape(name, (largest,), (name,)),
    ]
