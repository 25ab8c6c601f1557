# SPDX-License-Identifier: Apache-2.0
"""FULLY_CONNECTED."""

from __future__ import annotations

import dataclasses

import numpy as np

from esl_ref.frontends.tflite.context import Context
from esl_ref.frontends.tflite.conv import bias_of, make_scales_positive, weights_of
from esl_ref.frontends.tflite.scales import clamp, requant_of
from esl_ref.frontends.tflite.schema import FileOperator
from esl_ref.ir import FullyConnected
from esl_ref.numerics import Profile

__all__ = ["fully_connected"]


def fully_connected(ctx: Context, op: FileOperator) -> None:
    """Input of any rank, weights [units, depth]; the input is taken as rows of `depth` elements."""
    ifm, ofm = ctx.file_tensor(op, 0), ctx.output(op)
    scale_in, zero_in = ctx.quant(op, ifm)
    scale_out, zero_out = ctx.quant(op, ofm)
    if ofm.type != ifm.type:
        raise ctx.unsupported(op, f"{ifm.type} to {ofm.type}")
    if op.options["WeightsFormat"] != 0:
        raise ctx.unsupported(op, "shuffled weights", "the default weight format is supported")
    weights, data, weight_zero = weights_of(ctx, op, 2)
    units, depth = data.shape
    shape = ctx.shape(ifm)
    elements = int(np.prod(shape, dtype=np.int64))
    if elements % depth:
        raise ctx.bad(op, f"{elements} input elements are not rows of {depth}")
    rows = elements // depth
    keep = op.options["KeepNumDims"] and shape[-1] == depth
    scales, _ = ctx.quant_vector(op, weights, signed=True)
    if scales.size not in (1, units):
        raise ctx.bad(op, f"weights '{weights.name}' have {scales.size} scales for {units} units")
    if weight_zero and (scales < 0).any():
        raise ctx.unsupported(op, "a negative weight scale together with a weight zero point")
    scales, data, bias = make_scales_positive(ctx, op, scales, data, bias_of(ctx, op, units), 0)
    # In double: so do TFLM and (checked against both) LiteRT, whatever the scales' own type.
    requant = requant_of([scale_in * float(s) / scale_out for s in scales], ctx.at(op))
    if ifm.type == "UINT8":  # LiteRT's kernel rounds once, and it alone
        requant = dataclasses.replace(requant, profile=Profile.SINGLE)
    ctx.declare(op, ofm, (*shape[:-1], units) if keep or len(ofm.shape) == len(shape) != 2 else (rows, units))
    ctx.ops.append(FullyConnected(
        name=ctx.use(op, ofm), inputs=(ctx.use(op, ifm),), outputs=(ctx.use(op, ofm),),
        weight=data, bias=bias, requant=requant,
        act=clamp(op.options["FusedActivationFunction"], scale_out, zero_out, ctx.at(op)),
        zero_in=zero_in, weight_zero=weight_zero,
    ))  # fmt: skip
