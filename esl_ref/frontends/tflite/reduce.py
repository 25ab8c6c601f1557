# SPDX-License-Identifier: Apache-2.0
"""MEAN."""

from __future__ import annotations

import numpy as np

from esl_ref.frontends.tflite.context import Context
from esl_ref.frontends.tflite.schema import FileOperator
from esl_ref.ir import Act, Mean
from esl_ref.numerics import Requant, quantise_multiplier

__all__ = ["mean", "mean_requant"]


def mean_requant(scale_in: float, scale_out: float, count: int, where: str) -> Requant:
    """Scale of sum(q - zero): scale_in / scale_out / count, the division folded into the integer multiplier.

    The multiplier is shifted left as far as the count allows, so that the truncating division by it keeps its bits.
    """
    multiplier, shift = quantise_multiplier(scale_in / scale_out, where)
    left = min(count.bit_length() - 1, 32, 31 + shift)
    return Requant(np.array([(multiplier << left) // count], np.int64), np.array([shift - left], np.int64))


def mean(ctx: Context, op: FileOperator) -> None:
    """Mean over constant axes."""
    ifm, ofm = ctx.file_tensor(op, 0), ctx.output(op)
    (scale_in, zero_in), (scale_out, zero_out) = ctx.quant(op, ifm), ctx.quant(op, ofm)
    if ifm.type != ofm.type:
        raise ctx.unsupported(op, f"{ifm.type} to {ofm.type}")
    shape = ctx.shape(ifm)
    rank = len(shape)
    raw = ctx.integers(op, 1)
    if not raw or any(not -rank <= axis < rank for axis in raw):
        raise ctx.bad(op, f"axes {raw} of a tensor of rank {rank}")
    axes = tuple(sorted({axis % rank for axis in raw}))
    count = int(np.prod([shape[axis] for axis in axes], dtype=np.int64))
    keep = bool(op.options["KeepDims"])
    kept = tuple(1 if axis in axes else d for axis, d in enumerate(shape) if keep or axis not in axes)
    name = ctx.declare(op, ofm, kept)
    requant = mean_requant(scale_in, scale_out, count, ctx.at(op))
    ctx.ops.append(Mean(name, (ctx.use(op, ifm),), (name,), axes, keep, requant, Act(zero_out), zero_in, count))
