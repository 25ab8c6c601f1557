# SPDX-License-Identifier: Apache-2.0
"""Conv, ConvInteger, QLinearConv, and BatchNormalization, which joins the convolution before it."""

from __future__ import annotations

import numpy as np

from esl_ref.floating.graph import Add, Conv, Mul, Parameter
from esl_ref.frontends.onnx import quant
from esl_ref.frontends.onnx.context import Context, Quantised, Value
from esl_ref.frontends.onnx.geometry import window_of
from esl_ref.frontends.onnx.parameters import bias_parameter, real_parameter, weight_parameter
from esl_ref.frontends.onnx.schema import Array, FileNode
from esl_ref.frontends.onnx.views import View, channels_last

__all__ = ["batch_normalization", "conv", "conv_integer", "map_of", "of_map", "qlinear_conv"]


def map_of(ctx: Context, node: FileNode, view: View) -> tuple[str, tuple[int, ...]]:
    """(name, spatial size in the file) of a tensor as an NHWC map; maps of one dimension are one row high."""
    rank = len(view.shape)
    if rank not in (3, 4) or view.shape[0] != 1:
        raise ctx.unsupported(node, f"an input of shape {list(view.shape)}", "maps with batch 1 and 1 or 2 dimensions")
    name = ctx.realise(view, channels_last(rank))
    if rank == 3:
        _, channels, length = view.shape
        name = ctx.realise(View.plain(name, (1, 1, length, channels)), range(4))
    return name, view.shape[2:]


def of_map(name: str, shape: tuple[int, ...], rank: int) -> View:
    """The file's view of an NHWC map, for files of maps of rank - 2 dimensions."""
    if rank == 3:
        return View.ordered(name, (1, shape[2], shape[3]), channels_last(3))
    return View.ordered(name, shape, channels_last(4))


def _conv(ctx: Context, node: FileNode, x: View, weight: Value, bias: Value | None, out: str) -> View:
    if isinstance(weight, View):
        raise ctx.unsupported(node, "weights that are computed", "constant weights are supported")
    rank = len(x.shape)
    name, size = map_of(ctx, node, x)
    if len(weight.shape) != rank or not all(weight.shape):
        raise ctx.bad(node, f"weights {list(weight.shape)} for an input {list(x.shape)}")
    groups, (units, depth, *kernel) = ctx.integer(node, "group", 1), weight.shape
    if ctx.ints(node, "kernel_shape", kernel) != kernel:
        raise ctx.bad(node, f"kernel_shape {node.attributes['kernel_shape']} for weights {list(weight.shape)}")
    if groups < 1 or depth * groups != x.shape[1] or units % groups:
        raise ctx.bad(node, f"weights {list(weight.shape)} in {groups} groups do not fit {x.shape[1]} channels")
    window = window_of(ctx, node, size, kernel)
    tall = (units, depth, *window.kernel)
    parameter = weight_parameter(ctx, node, weight, 0, (units, *window.kernel, depth),
                                 lambda w: w.reshape(tall).transpose(0, 2, 3, 1))  # fmt: skip
    shape = (1, *window.out, units)
    made = ctx.emit(
        Conv, out, (name,), shape, weight=parameter, bias=bias_parameter(ctx, node, bias, units), stride=window.stride,
        dilation=window.dilation, padding=window.padding, groups=groups,
    )  # fmt: skip
    return of_map(made, shape, rank)


def conv(ctx: Context, node: FileNode) -> None:
    """Convolution of one or two dimensions."""
    bias = ctx.value(node, 2) if ctx.given(node, 2) else None
    ctx.result(node, _conv(ctx, node, ctx.view(node, 0), ctx.value(node, 1), bias, node.outputs[0]))


def conv_integer(ctx: Context, node: FileNode) -> None:
    """int32 sums of products, zero points taken off."""
    x, weight = quant.unscaled(ctx, node, 0, 2), quant.unscaled(ctx, node, 1, 3)
    assert isinstance(x, View)
    ctx.result(node, _conv(ctx, node, x, weight, None, node.outputs[0]))


def qlinear_conv(ctx: Context, node: FileNode) -> None:
    """x, its scale and zero point; the same of the weights; scale and zero point of the result; an int32 bias."""
    x, weight = quant.dequantised(ctx, node, 0), quant.dequantised(ctx, node, 3, axis=0)
    if not isinstance(x, View) or not isinstance(weight, Quantised):
        raise ctx.unsupported(node, "a constant input or computed weights")
    bias = None
    if ctx.given(node, 8):
        scale = quant.scale_of(ctx, node, 1).astype(np.float64) * weight.scale
        bias = Quantised(ctx.source(node, 8), scale, np.zeros(scale.size, np.int64))
    real = _conv(ctx, node, x, weight, bias, f"{node.outputs[0]}#real")
    ctx.result(node, quant.quantised(ctx, node, real, 6))


def _scaled(weight: Parameter, scale: Array) -> Parameter:
    """Weights times one factor per output channel, when they are read."""
    column = scale.reshape(-1, *(1,) * (len(weight.shape) - 1))
    return Parameter(weight.shape, lambda: (weight.load() * column).astype(np.float32))


def _moved(bias: Parameter, scale: Array, shift: Array) -> Parameter:
    return Parameter(bias.shape, lambda: (bias.load() * scale + shift).astype(np.float32))


def _vector(ctx: Context, node: FileNode, position: int, channels: int) -> Array:
    """A constant with one real number per channel."""
    value = ctx.value(node, position)
    if value.shape != (channels,) or isinstance(value, View):
        raise ctx.bad(node, f"input {position} of shape {list(value.shape)} for {channels} channels")
    if isinstance(value, Quantised):
        return (value.ints.read().astype(np.float64) - value.zero) * value.scale
    return np.asarray(value.read(), np.float64)


def _per_channel(ctx: Context, node: FileNode, x: View, scale: Array, shift: Array) -> View:
    """x * scale + shift as a depthwise convolution of one tap, which has an exact integer form, too."""
    name, _ = map_of(ctx, node, x)
    taps = real_parameter((scale.size, 1, 1, 1), lambda: scale)
    bias = real_parameter((shift.size,), lambda: shift)
    shape = ctx.shapes[name]
    made = ctx.emit(Conv, node.outputs[0], (name,), shape, weight=taps, bias=bias, groups=scale.size)
    return of_map(made, shape, len(x.shape))


def batch_normalization(ctx: Context, node: FileNode) -> None:
    """(x - mean) * scale / sqrt(variance + epsilon) + shift: into the convolution before, else one of its own."""
    if len([o for o in node.outputs if o]) > 1 or ctx.integer(node, "training_mode", 0):
        raise ctx.unsupported(node, "training mode")
    view = ctx.view(node, 0)
    if len(view.shape) < 2:
        raise ctx.bad(node, f"an input of shape {list(view.shape)}")
    channels = view.shape[1]
    gain, shift, mean, variance = (_vector(ctx, node, k, channels) for k in range(1, 5))
    spread = variance + ctx.real(node, "epsilon", 1e-5)
    if not all(np.isfinite(v).all() for v in (gain, shift, mean, spread)) or (spread <= 0).any():
        raise ctx.bad(node, "parameters that are not finite, or a variance that is not positive")
    scale = gain / np.sqrt(spread)
    index = ctx.alone(node)
    made = ctx.ops[index] if index is not None else None
    if isinstance(made, Conv) and index is not None and made.activation.function.value == "linear":
        name = ctx.change(index, node.outputs[0], weight=_scaled(made.weight, scale),
                          bias=_moved(made.bias, scale, shift - mean * scale))  # fmt: skip
        ctx.result(node, View(name, view.base, view.perm, view.tail))
        return
    if len(view.shape) > 2:
        ctx.result(node, _per_channel(ctx, node, view, scale, shift - mean * scale))
        return
    order, out = channels_last(len(view.shape)), node.outputs[0]
    name = ctx.realise(view, order)
    for kind, values, made_name in ((Mul, scale, f"{out}#scaled"), (Add, shift - mean * scale, out)):
        operand = ctx.constant(f"{made_name}_operand", _row(values, len(order)))
        name = ctx.emit(kind, made_name, (name, operand), ctx.shapes[name])
    ctx.result(node, View.ordered(name, ctx.shapes[name], order))


def _row(values: Array, rank: int) -> Parameter:
    return real_parameter((*(1,) * (rank - 1), values.size), lambda: values)
