# SPDX-License-Identifier: Apache-2.0
"""PRELU: as operators that the accelerator has."""

from __future__ import annotations

import numpy as np

from esl_ref.frontends.tflite import tables
from esl_ref.frontends.tflite.context import Context
from esl_ref.frontends.tflite.scales import f32, requant_of
from esl_ref.frontends.tflite.schema import FileOperator
from esl_ref.ir import Act, Add, Mul, Table
from esl_ref.numerics import Requant

__all__ = ["prelu"]

_HEADROOM = 20
"""Left shift of an operand of a sum, as elsewhere."""
_HALF = Requant(np.array([1 << 30]), np.array([0]))
_BACK = Requant(np.array([1 << 30]), np.array([2 - _HEADROOM]))
"""(a << 20) / 2 + (b << 20) / 2, times 2 ** -19: the exact sum of two bytes."""


def prelu(ctx: Context, op: FileOperator) -> None:
    """x, or alpha * x where x is negative; alpha broadcasts, usually one slope per channel.

    The kernel rescales x and the product by multipliers of their own. Here a table does the first for what is not
    negative, a multiplication the second for what is; the other one of the two is zero everywhere, so that
    their sum is one of them, exactly.
    """
    ifm, slopes, ofm = ctx.file_tensor(op, 0), ctx.file_tensor(op, 1), ctx.output(op)
    for tensor in (ifm, slopes, ofm):
        ctx.need_type(op, tensor, ("INT8", "UINT8"))
    if slopes.data is None:
        raise ctx.unsupported(op, f"slopes '{slopes.name}' are not constant")
    shape = ctx.shape(ifm)
    if len(slopes.shape) > len(shape) or any(
        a not in (1, d) for a, d in zip(reversed(slopes.shape), reversed(shape), strict=False)
    ):
        raise ctx.bad(op, f"slopes {list(slopes.shape)} do not broadcast to {list(shape)}")
    quant_in, (scale, zero), (steep, zero_slope) = (ctx.quant(op, t) for t in (ifm, ofm, slopes))
    x, name = ctx.use(op, ifm), ctx.declare(op, ofm, shape)
    above, below, scaled = (f"{part}_{op.index}" for part in ("above", "below", "scaled"))
    above, below, scaled = ctx.inner(name, above), ctx.inner(x, below), ctx.inner(name, scaled)
    legacy = ifm.type == "UINT8"  # LiteRT's kernel, in float32 step by step
    real = f32(f32(quant_in[0] * steep) / scale) if legacy else quant_in[0] * steep / scale
    both = requant_of([real], ctx.at(op))
    ctx.ops += [
        Table(above, (x,), (above,), tables.positive(quant_in, (scale, zero), ctx.at(op), legacy), "positive part"),
        Table(below, (x,), (below,), np.minimum(tables.BYTES, quant_in[1]).astype(np.int8), "negative part"),
        Mul(scaled, (below, ctx.use(op, slopes)), (scaled,), (quant_in[1], zero_slope), both, Act(zero)),
        Add(name, (above, scaled), (name,), (zero, zero), _HEADROOM, (_HALF, _HALF), _BACK, Act(zero)),
    ]
