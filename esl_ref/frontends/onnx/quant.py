# SPDX-License-Identifier: Apache-2.0
"""QuantizeLinear, DequantizeLinear, Deeploy's RequantShift, and the (de)quantising that QLinear operators imply."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from esl_ref.frontends.onnx.context import Context, Quantised, Value
from esl_ref.frontends.onnx.middle import Dequantise, Quantise, RequantShift
from esl_ref.frontends.onnx.schema import Array, FileNode, Source
from esl_ref.frontends.onnx.views import View, channels_last

__all__ = [
    "dequantised", "dequantize_linear", "quantised", "quantize_linear", "requant_shift", "scale_of", "unscaled",
]  # fmt: skip

_BYTES = (np.dtype(np.int8), np.dtype(np.uint8))
_WIDEST = 1 << 24
"""div of RequantShift: a power of two up to here keeps every product of int32 values inside int64."""


def scale_of(ctx: Context, node: FileNode, position: int) -> Array:
    """Scales, finite and positive, as a vector of float32 values."""
    array = ctx.array(node, position)
    if array.ndim > 1 or not array.size or not np.issubdtype(array.dtype, np.floating):
        raise ctx.unsupported(node, f"scales {array.dtype}{list(array.shape)}", "one scale, or one per channel")
    flat = array.reshape(-1)
    bad = [float(s) for s in flat if not (math.isfinite(s) and s > 0)]
    if bad:
        raise ctx.bad(node, f"scale {bad[0]!r}; scales must be finite and positive")
    return flat


def _zero_of(ctx: Context, node: FileNode, position: int, count: int) -> tuple[Array, np.dtype[Any] | None]:
    """Zero points as int64 [1 or count], and the type the file gives them."""
    if not ctx.given(node, position):
        return np.zeros(1, np.int64), None
    array = ctx.array(node, position)
    if not np.issubdtype(array.dtype, np.integer) or array.size not in (1, count):
        raise ctx.bad(node, f"zero points {array.dtype}{list(array.shape)} for {count} scales")
    return array.reshape(-1).astype(np.int64), array.dtype


def _one(ctx: Context, node: FileNode, scale: Array, zero: Array) -> tuple[float, int]:
    if scale.size != 1 or zero.size != 1:
        raise ctx.unsupported(node, f"{scale.size} scales for a tensor that is computed", "activations need one scale")
    return float(scale[0]), int(zero[0])


def dequantised(ctx: Context, node: FileNode, position: int, axis: int = 1, out: str = "") -> Value:
    """The real value of input `position`, whose scale and zero point are the two inputs after it."""
    scale = scale_of(ctx, node, position + 1)
    zero, _ = _zero_of(ctx, node, position + 2, scale.size)
    return _real(ctx, node, position, scale, zero, axis, out)


def unscaled(ctx: Context, node: FileNode, position: int, zero_at: int) -> Value:
    """The same of an operator on plain integers: scale 1, zero point at `zero_at`."""
    value = ctx.value(node, position)
    zero, _ = _zero_of(ctx, node, zero_at, value.shape[0] if value.shape else 1)
    return _real(ctx, node, position, np.ones(zero.size, np.float32), zero, 0, "")


def _real(ctx: Context, node: FileNode, position: int, scale: Array, zero: Array, axis: int, out: str) -> Value:
    value = ctx.value(node, position)
    if isinstance(value, Quantised):
        raise ctx.bad(node, f"input {position} is dequantised twice")
    if isinstance(value, Source):
        if not np.issubdtype(value.dtype, np.integer):
            raise ctx.bad(node, f"input {position} is {value.dtype} and cannot be dequantised")
        rank = len(value.shape)
        if scale.size > 1 and not (-rank <= axis < rank and value.shape[axis] == scale.size):
            raise ctx.bad(node, f"{scale.size} scales along axis {axis} of {list(value.shape)}")
        return Quantised(value, scale.astype(np.float64), zero, axis % rank if rank else 0)
    name = out or f"{node.inputs[position]}#real"
    single = _one(ctx, node, scale, zero)
    source, name = ctx.laid(value, name)
    made = ctx.emit(Dequantise, name, (source,), ctx.shapes[source], scale=single[0], zero=single[1])
    return View(made, value.base, value.perm, value.tail)


def dequantize_linear(ctx: Context, node: FileNode) -> None:
    """x = (q - zero) * scale: of a constant it stays with the constant."""
    if ctx.integer(node, "block_size", 0):
        raise ctx.unsupported(node, "blocked quantisation")
    ctx.result(node, dequantised(ctx, node, 0, ctx.integer(node, "axis", 1), node.outputs[0]))


def quantised(ctx: Context, node: FileNode, real: View, position: int) -> View:
    """The node's output: `real` on the scale and zero point at inputs `position` and the next."""
    scale = scale_of(ctx, node, position)
    zero, dtype = _zero_of(ctx, node, position + 1, scale.size)
    dtype = np.dtype(np.uint8) if dtype is None else dtype
    if dtype not in _BYTES:
        raise ctx.unsupported(node, f"activations of type {dtype}", "int8 and uint8 are supported")
    factor, zero_point = _one(ctx, node, scale, zero)
    source, name = ctx.laid(real, node.outputs[0])
    made = ctx.emit(Quantise, name, (source,), ctx.shapes[source], scale=factor, zero=zero_point,
                    signed=dtype == np.int8)  # fmt: skip
    return View(made, real.base, real.perm, real.tail)


def quantize_linear(ctx: Context, node: FileNode) -> None:
    """Of a computed tensor, or of constant weights that the file keeps in float."""
    value = ctx.value(node, 0)
    if ctx.integer(node, "block_size", 0):
        raise ctx.unsupported(node, "blocked quantisation")
    if isinstance(value, View):
        ctx.result(node, quantised(ctx, node, value, 1))
        return
    if isinstance(value, Quantised):
        raise ctx.unsupported(node, "a constant that is dequantised and quantised again")
    scale, axis, rank = scale_of(ctx, node, 1), ctx.integer(node, "axis", 1), len(value.shape)
    zero, dtype = _zero_of(ctx, node, 2, scale.size)
    dtype = np.dtype(np.uint8) if dtype is None else dtype
    if scale.size > 1 and not (-rank <= axis < rank and value.shape[axis] == scale.size):
        raise ctx.bad(node, f"{scale.size} scales along axis {axis} of {list(value.shape)}")
    along = [1] * rank
    if scale.size > 1:
        along[axis] = -1
    info = np.iinfo(dtype)

    def read() -> Array:
        values = value.read().astype(np.float32)
        if not np.isfinite(values).all():
            raise ctx.bad(node, "a constant that holds NaN or infinity")
        steps = zero.reshape(along if zero.size > 1 else [1] * rank)
        with np.errstate(over="ignore"):
            rounded = np.rint(values / scale.reshape(along)).astype(np.float64) + steps
        return np.clip(rounded, info.min, info.max).astype(dtype)

    ctx.result(node, Source(value.name, value.shape, dtype, read))


def _whole(ctx: Context, node: FileNode, values: Array, what: str) -> Array:
    if not np.isfinite(values).all() or (values != np.rint(values)).any() or (np.abs(values) >= 1 << 31).any():
        raise ctx.unsupported(node, f"{what} that are not int32 numbers")
    return values.astype(np.int64)


def requant_shift(ctx: Context, node: FileNode) -> None:
    """clip(floor((x * mul + add) / div + 0.5)) to n_levels integers, signed or not (Deeploy, NE16)."""
    view = ctx.view(node, 0)
    div = ctx.number_in_tensor(node, "div", None)
    levels = ctx.number_in_tensor(node, "n_levels_out" if "n_levels_out" in node.attributes else "n_levels", 256)
    signed = ctx.number_in_tensor(node, "signed", None)
    if not 1 <= div <= _WIDEST or math.frexp(div)[0] != 0.5:
        raise ctx.unsupported(node, f"div {div}", f"powers of two up to {_WIDEST} are supported")
    if not 2 <= levels <= 256 or levels % 2 or signed not in (0.0, 1.0):
        raise ctx.unsupported(node, f"{levels} levels, signed {signed}", "int8 or uint8 and narrower are supported")
    low = -int(levels) // 2 if signed else 0
    factors = [_whole(ctx, node, ctx.array(node, k), what) for k, what in ((1, "factors"), (2, "addends"))]
    if view.tail is not None and any(f.size > 1 for f in factors):
        view = View.plain(ctx.realise(view, range(len(view.shape))), view.shape)
    rank, order = len(view.shape), view.order
    if any(f.size > 1 for f in factors) and ctx.shapes[view.name] != view.base:
        order = channels_last(rank)
        view = View.ordered(ctx.realise(view, order), tuple(view.shape[axis] for axis in order), order)
    laid: list[Array] = []
    for values in factors:
        if values.size == 1:
            laid.append(values.reshape(-1))
            continue
        if values.ndim > rank:
            raise ctx.bad(node, f"factors of shape {list(values.shape)} for {list(view.shape)}")
        wide = values.reshape((1,) * (rank - values.ndim) + values.shape)
        if any(d not in (1, n) for d, n in zip(wide.shape, view.shape, strict=True)):
            raise ctx.bad(node, f"factors of shape {list(values.shape)} for {list(view.shape)}")
        laid.append(wide.transpose(order))
    source, name = ctx.laid(view, node.outputs[0])
    made = ctx.emit(RequantShift, name, (source,), ctx.shapes[source], mul=laid[0], add=laid[1], div=int(div),
                    low=low, high=low + int(levels) - 1)  # fmt: skip
    ctx.result(node, View(made, view.base, view.perm, view.tail))
