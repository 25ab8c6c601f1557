# SPDX-License-Identifier: Apache-2.0
"""Operators that choose or surround parts of a tensor: Concat, Slice, Split, Pad, Resize, Upsample."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from esl_ref.floating.graph import Concat, Pad, ResizeNearest, Slice
from esl_ref.frontends.onnx import quant
from esl_ref.frontends.onnx.context import Context
from esl_ref.frontends.onnx.conv import map_of, of_map
from esl_ref.frontends.onnx.schema import Array, FileNode
from esl_ref.frontends.onnx.views import View, channels_last

__all__ = ["concat", "pad", "qlinear_concat", "resize", "slice_", "split", "upsample"]


def _working_order(view: View) -> tuple[int, ...]:
    """Axis order to work in: the one in memory, channels last for a view that has none."""
    return view.order if view.tail is None else channels_last(len(view.shape))


def _concat(ctx: Context, node: FileNode, parts: list[View], out: str) -> View:
    rank = len(parts[0].shape) if parts else 0
    axis = ctx.integer(node, "axis", 1)
    if not rank or not -rank <= axis < rank or any(len(p.shape) != rank for p in parts):
        raise ctx.bad(node, f"shapes {[list(p.shape) for p in parts]} do not concatenate along axis {axis}")
    axis %= rank
    if len({(*p.shape[:axis], *p.shape[axis + 1 :]) for p in parts}) != 1:
        raise ctx.bad(node, f"shapes {[list(p.shape) for p in parts]} do not concatenate along axis {axis}")
    orders = [_working_order(p) for p in parts]
    usual = channels_last(rank)
    order = usual if usual in orders else orders[0]
    names = [ctx.realise(p, order) for p in parts]
    shape = list(ctx.shapes[names[0]])
    place = order.index(axis)
    shape[place] = sum(p.shape[axis] for p in parts)
    made = ctx.emit(Concat, out, names, tuple(shape), axis=place)
    return View.ordered(made, tuple(shape), order)


def concat(ctx: Context, node: FileNode) -> None:
    """Side by side along one axis."""
    ctx.result(node, _concat(ctx, node, [ctx.view(node, k) for k in range(len(node.inputs))], node.outputs[0]))


def qlinear_concat(ctx: Context, node: FileNode) -> None:
    """com.microsoft: scale and zero point of the result, then each part with its own."""
    if len(node.inputs) < 5 or (len(node.inputs) - 2) % 3:
        raise ctx.bad(node, f"{len(node.inputs)} inputs")
    parts = [quant.dequantised(ctx, node, k) for k in range(2, len(node.inputs), 3)]
    views = [p for p in parts if isinstance(p, View)]
    if len(views) != len(parts):
        raise ctx.unsupported(node, "constant parts")
    ctx.result(node, quant.quantised(ctx, node, _concat(ctx, node, views, f"{node.outputs[0]}#real"), 0))


def _cut(ctx: Context, view: View, box: dict[int, tuple[int, int, int]], out: str) -> View:
    """A part of a tensor: (first, past the last, step) of some file axes."""
    order = _working_order(view)
    name = ctx.realise(view, order)
    ranges = [box.get(axis, (0, view.shape[axis], 1)) for axis in order]
    shape = tuple(len(range(*r)) for r in ranges)
    begin, end, stride = zip(*ranges, strict=True)
    return View.ordered(ctx.emit(Slice, out, (name,), shape, begin=begin, end=end, stride=stride), shape, order)


def slice_(ctx: Context, node: FileNode) -> None:
    """Starts and ends (attributes, from operator set 10 on inputs), axes and steps; indices are clamped."""
    view = ctx.view(node, 0)
    shape, rank = view.shape, len(view.shape)
    by_input = ctx.given(node, 1)
    starts, ends = (
        (ctx.integers(node, 1), ctx.integers(node, 2)) if by_input
        else (ctx.ints(node, "starts", None), ctx.ints(node, "ends", None))
    )  # fmt: skip
    axes = ctx.integers(node, 3) if ctx.given(node, 3) else ctx.ints(node, "axes", list(range(len(starts))))
    steps = ctx.integers(node, 4) if ctx.given(node, 4) else [1] * len(starts)
    if len({len(starts), len(ends), len(axes), len(steps)}) != 1 or any(not -rank <= a < rank for a in axes):
        raise ctx.bad(node, f"starts {starts}, ends {ends}, axes {axes}, steps {steps} of rank {rank}")
    if any(s < 1 for s in steps):
        raise ctx.unsupported(node, f"steps {steps}", "positive steps are supported")
    box = {a % rank: slice(b, e, s).indices(shape[a]) for b, e, a, s in zip(starts, ends, axes, steps, strict=True)}
    if any(not len(range(*r)) for r in box.values()):
        raise ctx.bad(node, f"an empty slice of {list(shape)}")
    ctx.result(node, _cut(ctx, view, box, node.outputs[0]))


def split(ctx: Context, node: FileNode) -> None:
    """Parts along one axis: given sizes (attribute, from operator set 13 on an input), or equal ones."""
    view, count = ctx.view(node, 0), len(node.outputs)
    rank, axis = len(view.shape), ctx.integer(node, "axis", 0)
    if not -rank <= axis < rank:
        raise ctx.bad(node, f"axis {axis} of a tensor of rank {rank}")
    axis %= rank
    size = view.shape[axis]
    each = -(-size // count)
    sizes = [min(each, size - k * each) for k in range(count)]
    sizes = ctx.integers(node, 1) if ctx.given(node, 1) else ctx.ints(node, "split", sizes)
    if len(sizes) != count or any(s < 1 for s in sizes) or sum(sizes) != size:
        raise ctx.bad(node, f"parts {sizes} of {size} elements")
    start = 0
    for k, part in enumerate(sizes):
        if node.outputs[k]:
            ctx.result(node, _cut(ctx, view, {axis: (start, start + part, 1)}, node.outputs[k]), k)
        start += part


def pad(ctx: Context, node: FileNode) -> None:
    """With a constant: sizes and value are attributes, from operator set 11 on inputs."""
    view = ctx.view(node, 0)
    rank = len(view.shape)
    if ctx.text(node, "mode", "constant") != "constant":
        raise ctx.unsupported(node, f"mode '{ctx.text(node, 'mode', '')}'", "constant padding is supported")
    pads = ctx.integers(node, 1) if ctx.given(node, 1) else ctx.ints(node, "pads", None)
    value = float(ctx.array(node, 2).reshape(-1)[:1].sum()) if ctx.given(node, 2) else ctx.real(node, "value", 0.0)
    axes = ctx.integers(node, 3) if ctx.given(node, 3) else list(range(rank))
    if len(pads) != 2 * len(axes) or any(not -rank <= a < rank for a in axes) or not np.isfinite(value):
        raise ctx.bad(node, f"pads {pads} with {value} along axes {axes} of rank {rank}")
    if any(not 0 <= p <= 1 << 15 for p in pads):
        raise ctx.unsupported(node, f"pads {pads}", "0 to 32768 are supported")
    by_axis = {a % rank: (pads[k], pads[k + len(axes)]) for k, a in enumerate(axes)}
    order = channels_last(rank)
    name = ctx.realise(view, order)
    pairs = tuple(by_axis.get(axis, (0, 0)) for axis in order)
    shape = tuple(d + a + b for d, (a, b) in zip(ctx.shapes[name], pairs, strict=True))
    made = ctx.emit(Pad, node.outputs[0], (name,), shape, pads=pairs, value=value)
    ctx.result(node, View.ordered(made, shape, order))


def _source_index(scale: float, size: int, out: int, coordinates: str, nearest: str) -> tuple[int, ...]:
    """Source index of every output index along one axis, by the formulas of the Resize operator.

    In float32, as runtimes compute them: a place that is half between two in float32 is a little beside it in float64.
    """
    x, each = np.arange(out, dtype=np.float32), np.float32(scale)
    if coordinates == "align_corners":
        place = x * np.float32(size - 1) / np.float32(out - 1) if out > 1 else x * 0
    elif coordinates == "asymmetric":
        place = x / each
    elif coordinates == "pytorch_half_pixel" and out == 1:
        place = x * 0
    else:
        place = (x + np.float32(0.5)) / each - np.float32(0.5)
    rounding: dict[str, Callable[[Array], Array]] = {
        "floor": np.floor, "ceil": np.ceil,
        "round_prefer_floor": lambda v: np.ceil(v - 0.5), "round_prefer_ceil": lambda v: np.floor(v + 0.5),
    }  # fmt: skip
    if nearest.startswith("round"):
        # One place in float32 beside the middle is the middle: which side a division fell on differs by runtime.
        middle = np.rint(2 * place) / 2
        place = np.where(np.abs(place - middle) <= 2 * np.spacing(np.abs(place)), middle, place)
    return tuple(int(i) for i in np.clip(rounding[nearest](place.astype(np.float64)), 0, size - 1))


def _resized(ctx: Context, node: FileNode, scales: list[float], sizes: list[int], coordinates: str, near: str) -> None:
    view = ctx.view(node, 0)
    if len(view.shape) != 4 or len(scales) != 4 or sizes[:2] != list(view.shape[:2]):
        raise ctx.unsupported(node, f"{list(view.shape)} to {sizes}", "height and width of a map can be resized")
    if any(not 1 <= s <= 1 << 15 for s in sizes):
        raise ctx.bad(node, f"an output of {sizes}")
    name, _ = map_of(ctx, node, view)
    shape = (1, sizes[2], sizes[3], view.shape[1])
    tables = [_source_index(scales[a], view.shape[a], sizes[a], coordinates, near) for a in (2, 3)]
    made = ctx.emit(ResizeNearest, node.outputs[0], (name,), shape, rows=tables[0], columns=tables[1])
    ctx.result(node, of_map(made, shape, 4))


def _scales(ctx: Context, node: FileNode, position: int) -> list[float]:
    if not ctx.given(node, position) and "scales" in node.attributes:
        return [float(v) for v in node.attributes["scales"]]
    return [float(v) for v in ctx.array(node, position).reshape(-1)]


def _usable(ctx: Context, node: FileNode, scales: list[float]) -> None:
    if any(not 1e-4 <= s <= 1e4 for s in scales):
        raise ctx.bad(node, f"scales {scales}")


def _times(shape: tuple[int, ...], scales: list[float]) -> list[int]:
    """Sizes times scales, rounded down."""
    return [int(np.floor(d * s)) for d, s in zip(shape, scales, strict=False)]


def resize(ctx: Context, node: FileNode) -> None:
    """Nearest neighbour, to constant scales or sizes."""
    shape, old = ctx.view(node, 0).shape, ctx.model.opset < 11
    if ctx.text(node, "mode", "nearest") != "nearest":
        raise ctx.unsupported(node, f"mode '{ctx.text(node, 'mode', '')}'", "nearest is supported")
    if "axes" in node.attributes or ctx.integer(node, "antialias", 0):
        raise ctx.unsupported(node, "axes and antialias")
    coordinates = "asymmetric" if old else ctx.text(node, "coordinate_transformation_mode", "half_pixel")
    near = "floor" if old else ctx.text(node, "nearest_mode", "round_prefer_floor")
    if coordinates not in ("asymmetric", "half_pixel", "pytorch_half_pixel", "align_corners") or near not in (
        "floor", "ceil", "round_prefer_floor", "round_prefer_ceil",
    ):  # fmt: skip
        raise ctx.unsupported(node, f"{coordinates} with {near}")
    if ctx.given(node, 3):
        sizes = ctx.integers(node, 3)
        if len(sizes) != len(shape):
            raise ctx.bad(node, f"sizes {sizes} for {list(shape)}")
        scales = [s / d for s, d in zip(sizes, shape, strict=True)]
    else:
        scales = _scales(ctx, node, 1 if old else 2)
        _usable(ctx, node, scales)
        sizes = _times(shape, scales)
    _usable(ctx, node, scales)
    _resized(ctx, node, scales, sizes, coordinates, near)


def upsample(ctx: Context, node: FileNode) -> None:
    """Resize as it was called before operator set 10."""
    if ctx.text(node, "mode", "nearest") != "nearest":
        raise ctx.unsupported(node, f"mode '{ctx.text(node, 'mode', '')}'", "nearest is supported")
    shape, scales = ctx.view(node, 0).shape, _scales(ctx, node, 1)
    _usable(ctx, node, scales)
    _resized(ctx, node, scales, _times(shape, scales), "asymmetric", "floor")
