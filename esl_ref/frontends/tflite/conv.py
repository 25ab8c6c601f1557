# SPDX-License-Identifier: Apache-2.0
"""CONV_2D and DEPTHWISE_CONV_2D."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from esl_ref.frontends.tflite.context import Context
from esl_ref.frontends.tflite.geometry import padding_of, window_options
from esl_ref.frontends.tflite.scales import clamp, f32, requant_of
from esl_ref.frontends.tflite.schema import FileOperator, FileTensor
from esl_ref.ir import Conv2D, DepthwiseConv2D
from esl_ref.numerics import Requant
from esl_ref.ops.conv2d import out_shape as conv_shape
from esl_ref.ops.depthwise_conv2d import out_shape as depthwise_shape

__all__ = ["bias_of", "conv_2d", "depthwise_conv_2d", "make_scales_positive", "weights_of"]

Array = npt.NDArray[Any]


def weights_of(ctx: Context, op: FileOperator, rank: int) -> tuple[FileTensor, Array, int]:
    """(tensor, int8 weights, their zero point) of input 1."""
    tensor = ctx.file_tensor(op, 1)
    ctx.need_type(op, tensor, ("INT8", "UINT8", "INT4"))
    if tensor.data is None:
        raise ctx.unsupported(op, f"weights '{tensor.name}' are not constant")
    if tensor.data.ndim != rank:
        raise ctx.bad(op, f"weights '{tensor.name}' have {tensor.data.ndim} dimensions, not {rank}")
    _, zeros = ctx.quant_vector(op, tensor, signed=True)
    if np.unique(zeros).size != 1:
        raise ctx.unsupported(op, f"weights '{tensor.name}' have zero points that differ per channel")
    return tensor, ctx.int8_data(tensor), int(zeros[0])


def make_scales_positive(
    ctx: Context, op: FileOperator, scales: Array, weight: Array, bias: Array, axis: int
) -> tuple[Array, Array, Array]:
    """(|scales|, weights, bias) with the sign of negative scales moved into the weights and biases of their channels.

    Exact: the accumulator only ever meets the scale in one product, acc * -m == -acc * m, and a multiplier is
    rounded symmetrically. It keeps multipliers positive, as hardware wants them.
    """
    if not (scales < 0).any():
        return scales, weight, bias
    sign = np.where(np.broadcast_to(scales, bias.shape) < 0, -1, 1)
    shape = [1] * weight.ndim
    shape[axis] = -1
    flipped = weight.astype(np.int16) * sign.reshape(shape).astype(np.int16)
    if int(flipped.max()) > 127:
        raise ctx.unsupported(
            op, "a weight of -128 in a channel with a negative scale", "its negative does not fit int8"
        )
    ctx.note(op, f"{int((sign < 0).sum())} channels have negative scales; their weights and biases are negated instead")
    return np.abs(scales), flipped.astype(np.int8), bias.astype(np.int64) * sign


def bias_of(ctx: Context, op: FileOperator, channels: int) -> Array:
    """The bias of input 2, zeros if it is left out. The references read the bytes of a wider one as int32: refused."""
    tensor = ctx.optional(op, 2)
    if tensor is None:
        return np.zeros(channels, np.int32)
    ctx.need_type(op, tensor, ("INT32",))
    if tensor.data is None:
        raise ctx.unsupported(op, f"bias '{tensor.name}' is not constant")
    if tensor.data.size != channels:
        raise ctx.bad(op, f"bias '{tensor.name}' has {tensor.data.size} entries for {channels} channels")
    return tensor.data.reshape(channels)


def _parameters(
    ctx: Context, op: FileOperator, weights: FileTensor, data: Array, axis: int
) -> tuple[Array, Array, Requant]:
    """(weights, bias, scales input * weight / output per channel).

    int8 kernels multiply in double; the legacy uint8 ones round the product of the two scales to float32 first.
    """
    channels = data.shape[axis]
    ifm, ofm = ctx.file_tensor(op, 0), ctx.output(op)
    scale_in, scale_out = ctx.quant(op, ifm)[0], ctx.quant(op, ofm)[0]
    scales, zeros = ctx.quant_vector(op, weights, signed=True)
    if scales.size not in (1, channels):
        raise ctx.bad(op, f"weights '{weights.name}' have {scales.size} scales for {channels} channels")
    if scales.size > 1 and weights.axis != axis:
        raise ctx.unsupported(op, f"weights '{weights.name}' are quantised along axis {weights.axis}, not {axis}")
    if weights.type != "UINT8" and zeros[0] != 0:
        # The int8 kernels never subtract a weight zero point: such a file means something else than it says.
        raise ctx.unsupported(
            op, f"weights '{weights.name}' have zero point {zeros[0]}", "int8 weights must be symmetric"
        )
    scales, data, bias = make_scales_positive(ctx, op, scales, data, bias_of(ctx, op, channels), axis)
    legacy = ifm.type == "UINT8"
    products = [f32(scale_in * float(s)) if legacy else scale_in * float(s) for s in scales]
    return data, bias, requant_of([p / scale_out for p in products], ctx.at(op))


def _common(ctx: Context, op: FileOperator) -> tuple[FileTensor, tuple[int, ...], int, FileTensor]:
    ifm, ofm = ctx.file_tensor(op, 0), ctx.output(op)
    shape = ctx.shape(ifm)
    if len(shape) != 4:
        raise ctx.unsupported(op, f"input '{ifm.name}' has {len(shape)} dimensions", "NHWC maps are supported")
    if shape[0] != 1:
        raise ctx.unsupported(op, f"a batch of {shape[0]}", "batch 1 is supported")
    if ofm.type != ifm.type:
        raise ctx.unsupported(op, f"{ifm.type} to {ofm.type}")
    return ifm, shape, ctx.quant(op, ifm)[1], ofm


def conv_2d(ctx: Context, op: FileOperator) -> None:
    """Input NHWC, weights [O, KH, KW, I / groups], optional bias."""
    ifm, shape, zero_in, ofm = _common(ctx, op)
    weights, data, weight_zero = weights_of(ctx, op, 4)
    channels, kh, kw, depth = data.shape
    if shape[3] % depth or channels % (shape[3] // depth):
        raise ctx.bad(op, f"{shape[3]} input channels do not split into groups of {depth} for {channels} outputs")
    weight, bias, requant = _parameters(ctx, op, weights, data, 0)
    scheme, stride, dilation = window_options(dict(op.options), ctx.at(op))
    scale_out, zero_out = ctx.quant(op, ofm)
    result = Conv2D(
        name=ctx.use(op, ofm), inputs=(ctx.use(op, ifm),), outputs=(ctx.use(op, ofm),),
        weight=weight, bias=bias, requant=requant,
        act=clamp(op.options["FusedActivationFunction"], scale_out, zero_out, ctx.at(op)),
        zero_in=zero_in, weight_zero=weight_zero, stride=stride, dilation=dilation,
        padding=padding_of(scheme, (shape[1], shape[2]), (kh, kw), stride, dilation), groups=shape[3] // depth,
    )  # fmt: skip
    ctx.declare(op, ofm, conv_shape(result, shape))
    ctx.ops.append(result)


def depthwise_conv_2d(ctx: Context, op: FileOperator) -> None:
    """Input NHWC, weights [1, KH, KW, I * multiplier], optional bias."""
    ifm, shape, zero_in, ofm = _common(ctx, op)
    weights, data, weight_zero = weights_of(ctx, op, 4)
    one, kh, kw, channels = data.shape
    if one != 1 or channels % shape[3]:
        raise ctx.bad(op, f"weights {list(data.shape)} do not fit {shape[3]} input channels")
    weight, bias, requant = _parameters(ctx, op, weights, data, 3)
    scheme, stride, dilation = window_options(dict(op.options), ctx.at(op))
    scale_out, zero_out = ctx.quant(op, ofm)
    result = DepthwiseConv2D(
        name=ctx.use(op, ofm), inputs=(ctx.use(op, ifm),), outputs=(ctx.use(op, ofm),),
        weight=weight[0], bias=bias, requant=requant,
        act=clamp(op.options["FusedActivationFunction"], scale_out, zero_out, ctx.at(op)),
        zero_in=zero_in, weight_zero=weight_zero, stride=stride, dilation=dilation,
        padding=padding_of(scheme, (shape[1], shape[2]), (kh, kw), stride, dilation), multiplier=channels // shape[3],
    )  # fmt: skip
    ctx.declare(op, ofm, depthwise_shape(result, shape))
    ctx.ops.append(result)
