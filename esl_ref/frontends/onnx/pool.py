# SPDX-License-Identifier: Apache-2.0
"""Pooling and means."""

from __future__ import annotations

from esl_ref.floating.graph import AveragePool, MaxPool, Mean
from esl_ref.frontends.onnx import quant
from esl_ref.frontends.onnx.context import Context
from esl_ref.frontends.onnx.conv import map_of, of_map
from esl_ref.frontends.onnx.geometry import window_of
from esl_ref.frontends.onnx.schema import FileNode
from esl_ref.frontends.onnx.views import View, channels_last

__all__ = [
    "average_pool", "global_average_pool", "global_max_pool", "max_pool", "qlinear_average_pool",
    "qlinear_global_average_pool", "reduce_mean",
]  # fmt: skip


def _windowed(ctx: Context, node: FileNode, x: View, kind: type[AveragePool] | type[MaxPool], out: str) -> View:
    name, size = map_of(ctx, node, x)
    kernel = ctx.ints(node, "kernel_shape", None, len(size))
    ceil = bool(ctx.integer(node, "ceil_mode", 0))
    if ceil:  # the package lets a last window begin beyond the map before operator set 22; the standard does not
        ctx.overrule()
    window = window_of(ctx, node, size, kernel, ceil=ceil)
    if window.dilation != (1, 1):
        raise ctx.unsupported(node, f"dilations {list(window.dilation)}")
    p, more = window.padding, {}
    if any(a >= k for a, k in zip((p.top, p.left), window.kernel, strict=True)):
        raise ctx.unsupported(node, "padding as large as the window")
    if kind is AveragePool:
        counted = bool(ctx.integer(node, "count_include_pad", 0)) and any((p.top, p.bottom, p.left, p.right))
        if counted and window.ceiled:
            raise ctx.unsupported(node, "count_include_pad together with ceil_mode")
        more = {"count_padding": counted}
    shape = (1, *window.out, x.shape[1])
    made = ctx.emit(kind, out, (name,), shape, window=window.kernel, stride=window.stride, padding=p, **more)
    return of_map(made, shape, len(x.shape))


def max_pool(ctx: Context, node: FileNode) -> None:
    """Largest element of each window."""
    if len(node.outputs) > 1 and node.outputs[1]:
        raise ctx.unsupported(node, "the second output, indices")
    ctx.result(node, _windowed(ctx, node, ctx.view(node, 0), MaxPool, node.outputs[0]))


def average_pool(ctx: Context, node: FileNode) -> None:
    """Mean of each window."""
    ctx.result(node, _windowed(ctx, node, ctx.view(node, 0), AveragePool, node.outputs[0]))


def _global(ctx: Context, node: FileNode, x: View, out: str) -> View:
    name, _ = map_of(ctx, node, x)
    shape = (1, 1, 1, x.shape[1])
    return of_map(ctx.emit(Mean, out, (name,), shape, axes=(1, 2), keep_dims=True), shape, len(x.shape))


def global_average_pool(ctx: Context, node: FileNode) -> None:
    """Mean of the whole map."""
    ctx.result(node, _global(ctx, node, ctx.view(node, 0), node.outputs[0]))


def global_max_pool(ctx: Context, node: FileNode) -> None:
    """Largest element of the whole map."""
    x = ctx.view(node, 0)
    name, _ = map_of(ctx, node, x)
    _, height, width, channels = ctx.shapes[name]
    shape = (1, 1, 1, channels)
    made = ctx.emit(MaxPool, node.outputs[0], (name,), shape, window=(height, width), stride=(1, 1))
    ctx.result(node, of_map(made, shape, len(x.shape)))


def _input(ctx: Context, node: FileNode) -> View:
    """The real value of a com.microsoft operator's first input."""
    x = quant.dequantised(ctx, node, 0)
    if not isinstance(x, View):
        raise ctx.unsupported(node, "a constant input")
    if ctx.integer(node, "channels_last", 0):
        raise ctx.unsupported(node, "channels_last")
    return x


def qlinear_average_pool(ctx: Context, node: FileNode) -> None:
    """com.microsoft: x, its scale and zero point, and those of the result."""
    real = _windowed(ctx, node, _input(ctx, node), AveragePool, f"{node.outputs[0]}#real")
    ctx.result(node, quant.quantised(ctx, node, real, 3))


def qlinear_global_average_pool(ctx: Context, node: FileNode) -> None:
    """com.microsoft: the same over the whole map."""
    real = _global(ctx, node, _input(ctx, node), f"{node.outputs[0]}#real")
    ctx.result(node, quant.quantised(ctx, node, real, 3))


def reduce_mean(ctx: Context, node: FileNode) -> None:
    """Mean over constant axes: an attribute, from operator set 18 on an input."""
    x, rank = ctx.view(node, 0), len(ctx.view(node, 0).shape)
    raw = ctx.integers(node, 1) if ctx.given(node, 1) else ctx.ints(node, "axes", [])
    if not raw and not ctx.integer(node, "noop_with_empty_axes", 0):
        raw = list(range(rank))
    if not raw or any(not -rank <= axis < rank for axis in raw):
        raise ctx.unsupported(node, f"axes {raw} of a tensor of rank {rank}")
    axes = {axis % rank for axis in raw}
    order = channels_last(rank) if rank > 3 else tuple(range(rank))
    name = ctx.realise(x, order)
    kept = tuple(1 if axis in axes else x.shape[axis] for axis in order)
    places = tuple(sorted(order.index(axis) for axis in axes))
    made = View.ordered(ctx.emit(Mean, node.outputs[0], (name,), kept, axes=places, keep_dims=True), kept, order)
    if not ctx.integer(node, "keepdims", 1):
        made = made.reshaped(tuple(d for axis, d in enumerate(x.shape) if axis not in axes))
    ctx.result(node, made)
