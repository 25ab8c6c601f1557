# SPDX-License-Identifier: Apache-2.0
"""Operators element by element: sums, products, activation functions, softmax."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from esl_ref.floating.activation import Activation, Function
from esl_ref.floating.graph import Activate, Add, Conv, Dense, Mul, Softmax, Sub
from esl_ref.frontends.onnx import quant
from esl_ref.frontends.onnx.context import Context, Quantised, Value
from esl_ref.frontends.onnx.middle import ClampBytes, Unplanned
from esl_ref.frontends.onnx.parameters import operand_parameter
from esl_ref.frontends.onnx.schema import FileNode, Source
from esl_ref.frontends.onnx.views import View, channels_last

__all__ = ["BINARY", "UNARY", "clip", "lrn", "qlinear_binary", "qlinear_unary", "softmax", "qlinear_softmax"]

Importer = Callable[[Context, FileNode], None]
_FUSES = (Conv, Dense, Add, Sub, Mul)


def _common_order(views: list[View], rank: int) -> tuple[int, ...]:
    """Axis order in which most operands lie already; channels last where they disagree."""
    orders = [view.order for view in views if len(view.shape) == rank and view.tail is None]
    usual = channels_last(rank)
    return usual if not orders or usual in orders else orders[0]


def _binary(
    ctx: Context, node: FileNode, kind: type[Add] | type[Mul] | type[Sub], a: Value, b: Value, out: str
) -> View:
    views = [v for v in (a, b) if isinstance(v, View)]
    if not views:
        raise ctx.unsupported(node, "two constant operands")
    try:
        shape = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        raise ctx.bad(node, f"shapes {list(a.shape)} and {list(b.shape)} do not broadcast") from None
    rank = len(shape)
    if len(views) == 2 and _same_layout(views):
        sources = [ctx.laid(v, out) for v in views]
        made = ctx.emit(kind, sources[0][1], [name for name, _ in sources], ctx.shapes[sources[0][0]])
        return View(made, views[0].base, views[0].perm, views[0].tail)
    order = _common_order(views, rank)
    names = []
    for k, value in enumerate((a, b)):
        if isinstance(value, View):
            wide = value.reshaped((*(1,) * (rank - len(value.shape)), *value.shape))
            names.append(ctx.realise(wide, order))
        else:
            names.append(
                ctx.constant(f"{node.inputs[k] or out}_operand", operand_parameter(ctx, node, value, rank, order))
            )
    laid = tuple(shape[axis] for axis in order)
    return View.ordered(ctx.emit(kind, out, names, laid), laid, order)


def _same_layout(views: list[View]) -> bool:
    a, b = views
    return (a.base, a.perm, a.tail) == (b.base, b.perm, b.tail)


def _joins_bias(ctx: Context, node: FileNode) -> int | None:
    """The convolution or dense layer whose bias a sum with a constant vector of its channels is."""
    constant = next((k for k in (0, 1) if isinstance(ctx.values[node.inputs[k]], Source)), None)
    if constant is None:
        return None
    value, vector = ctx.values[node.inputs[1 - constant]], ctx.values[node.inputs[constant]]
    index = ctx.alone(node, 1 - constant)
    if index is None or not isinstance(value, View) or not isinstance(ctx.ops[index], Conv | Dense):
        return None
    made = ctx.ops[index]
    channel = 1 if isinstance(made, Conv) else len(value.shape) - 1
    units = value.shape[channel]
    wanted = tuple(units if axis == channel else 1 for axis in range(len(value.shape)))
    padded = (*(1,) * (len(wanted) - len(vector.shape)), *vector.shape)
    fits = padded == wanted and made.activation.function is Function.LINEAR  # type: ignore[attr-defined]
    return index if fits else None


def _add(ctx: Context, node: FileNode) -> None:
    if len(node.inputs) != 2:
        raise ctx.bad(node, f"{len(node.inputs)} inputs")
    a, b = ctx.value(node, 0), ctx.value(node, 1)
    index = _joins_bias(ctx, node)
    if index is not None:
        constant = a if isinstance(a, Source) else b
        view = b if isinstance(a, Source) else a
        assert isinstance(view, View) and isinstance(constant, Source)
        before = ctx.ops[index].bias  # type: ignore[attr-defined]
        extra = operand_parameter(ctx, node, constant, len(constant.shape), tuple(range(len(constant.shape))))
        joined = type(extra)(before.shape, lambda: before.load() + extra.load().reshape(-1))
        name = ctx.change(index, node.outputs[0], bias=joined)
        ctx.result(node, View(name, view.base, view.perm, view.tail))
        return
    ctx.result(node, _binary(ctx, node, Add, a, b, node.outputs[0]))


def _plain(kind: type[Add] | type[Mul] | type[Sub]) -> Importer:
    def importer(ctx: Context, node: FileNode) -> None:
        ctx.result(node, _binary(ctx, node, kind, ctx.value(node, 0), ctx.value(node, 1), node.outputs[0]))

    return importer


def _div(ctx: Context, node: FileNode) -> None:
    """By a constant: a product with its reciprocal."""
    divisor = ctx.source(node, 1)

    def reciprocal(values: Any) -> Any:
        with np.errstate(divide="ignore"):
            return (1.0 / values.astype(np.float64)).astype(np.float32)

    ctx.result(node, _binary(
        ctx, node, Mul, ctx.view(node, 0), divisor.mapped(divisor.shape, reciprocal), node.outputs[0]))  # fmt: skip


BINARY: dict[str, Importer] = {"Add": _add, "Sum": _add, "Sub": _plain(Sub), "Mul": _plain(Mul), "Div": _div}


def qlinear_binary(kind: type[Add] | type[Mul]) -> Importer:
    """com.microsoft: a and b with scale and zero point each, then those of the result."""

    def importer(ctx: Context, node: FileNode) -> None:
        a, b = quant.dequantised(ctx, node, 0), quant.dequantised(ctx, node, 3)
        real = _binary(ctx, node, kind, a, b, f"{node.outputs[0]}#real")
        ctx.result(node, quant.quantised(ctx, node, real, 6))

    return importer


def _activate(ctx: Context, node: FileNode, activation: Activation, x: View, out: str, fuse: bool = True) -> View:
    """Into the operator before, where nothing else reads that; else an operator of its own."""
    index = ctx.alone(node) if fuse else None
    made = ctx.ops[index] if index is not None else None
    if index is not None and isinstance(made, _FUSES) and made.activation.function is Function.LINEAR:
        name = ctx.change(index, out, activation=activation)
    else:
        source, out = ctx.laid(x, out)
        name = ctx.emit(Activate, out, (source,), ctx.shapes[source], activation=activation)
    return View(name, x.base, x.perm, x.tail)


Chooser = Callable[[Context, FileNode], Activation]


def _leaky(ctx: Context, node: FileNode) -> Activation:
    return Activation(Function.LEAKY, ctx.real(node, "alpha", 0.01))


def _hard_sigmoid(ctx: Context, node: FileNode) -> Activation:
    if ctx.real(node, "beta", 0.5) != 0.5:
        raise ctx.unsupported(node, f"beta {node.attributes['beta']}", "0.5 is supported")
    return Activation(Function.HARD_SIGMOID, ctx.real(node, "alpha", 0.2))


def _elu(ctx: Context, node: FileNode) -> Activation:
    return Activation(Function.ELU, ctx.real(node, "alpha", 1.0))


def _always(function: Function) -> Chooser:
    return lambda ctx, node: Activation(function)


UNARY: dict[str, Chooser] = {
    "Relu": _always(Function.RELU), "LeakyRelu": _leaky, "Sigmoid": _always(Function.LOGISTIC),
    "Tanh": _always(Function.TANH), "Elu": _elu, "HardSigmoid": _hard_sigmoid,
    "HardSwish": _always(Function.HARD_SWISH),
    "Mish": _always(Function.MISH),
}  # fmt: skip


def unary(choose: Chooser) -> Importer:
    """An activation function."""

    def importer(ctx: Context, node: FileNode) -> None:
        ctx.result(node, _activate(ctx, node, choose(ctx, node), ctx.view(node, 0), node.outputs[0]))

    return importer


def qlinear_unary(choose: Chooser) -> Importer:
    """com.microsoft: x, its scale and zero point, and those of the result."""

    def importer(ctx: Context, node: FileNode) -> None:
        x = quant.dequantised(ctx, node, 0)
        if not isinstance(x, View):
            raise ctx.unsupported(node, "a constant input")
        real = _activate(ctx, node, choose(ctx, node), x, f"{node.outputs[0]}#real", fuse=False)
        ctx.result(node, quant.quantised(ctx, node, real, 3))

    return importer


def _clip_integers(ctx: Context, node: FileNode) -> None:
    """Of a constant when it is read, of bytes by a table."""
    given = [ctx.array(node, k).reshape(-1) if ctx.given(node, k) else np.zeros(0, np.int64) for k in (1, 2)]
    low, high = (int(v[0]) if v.size else end for v, end in zip(given, (-(1 << 31), (1 << 31) - 1), strict=True))
    value = ctx.value(node, 0)
    if low > high or isinstance(value, Quantised):
        raise ctx.bad(node, f"bounds {low} and {high}")
    if isinstance(value, Source):
        ctx.result(node, value.mapped(value.shape, lambda v: np.clip(v.astype(np.int64), low, high).astype(v.dtype)))
        return
    source, out = ctx.laid(value, node.outputs[0])
    name = ctx.emit(ClampBytes, out, (source,), ctx.shapes[source], low=low, high=high)
    ctx.result(node, View(name, value.base, value.perm, value.tail))


_CLAMPS = {(0.0, math.inf): Function.RELU, (0.0, 6.0): Function.RELU6, (-1.0, 1.0): Function.HARDTAN}
"""Bounds that have names of their own, in other formats, too."""


def clip(ctx: Context, node: FileNode) -> None:
    """Between bounds, which are attributes up to operator set 10, inputs after it."""
    if any(ctx.given(node, k) and ctx.source(node, k).dtype.kind in "iu" for k in (1, 2)):
        _clip_integers(ctx, node)
        return
    low, high = ctx.real(node, "min", -math.inf), ctx.real(node, "max", math.inf)
    if ctx.given(node, 1):
        low = float(ctx.array(node, 1).reshape(-1)[:1].sum())
    if ctx.given(node, 2):
        high = float(ctx.array(node, 2).reshape(-1)[:1].sum())
    low, high = (math.copysign(math.inf, end) if abs(end) > 1e30 else end for end in (low, high))
    if not low <= high:
        raise ctx.bad(node, f"bounds {low} and {high}")
    function = _CLAMPS.get((low, high))
    activation = Activation(function) if function else Activation(Function.CLIP, low=low, high=high)
    ctx.result(node, _activate(ctx, node, activation, ctx.view(node, 0), node.outputs[0]))


def _softmax(ctx: Context, node: FileNode, x: View, axis: int, flat: bool, out: str) -> View:
    rank = len(x.shape)
    if not -rank <= axis < rank:
        raise ctx.bad(node, f"axis {axis} of a tensor of rank {rank}")
    axis %= rank
    if flat and any(d != 1 for d in x.shape[axis + 1 :]):
        raise ctx.unsupported(node, f"axes {axis} and up taken as one", "the last axis is supported there")
    order = (*(k for k in range(rank) if k != axis), axis)
    name = ctx.realise(x, order)
    shape = ctx.shapes[name]
    return View.ordered(ctx.emit(Softmax, out, (name,), shape), shape, order)


def softmax(ctx: Context, node: FileNode) -> None:
    """Over one axis; before operator set 13 over all from `axis` on."""
    old = ctx.model.opset < 13
    axis = ctx.integer(node, "axis", 1 if old else -1)
    ctx.result(node, _softmax(ctx, node, ctx.view(node, 0), axis, old, node.outputs[0]))


def qlinear_softmax(ctx: Context, node: FileNode) -> None:
    """com.microsoft: x, its scale and zero point, and those of the result."""
    x = quant.dequantised(ctx, node, 0)
    if not isinstance(x, View):
        raise ctx.unsupported(node, "a constant input")
    old = ctx.integer(node, "opset", 13) < 13
    real = _softmax(ctx, node, x, ctx.integer(node, "axis", -1), old, f"{node.outputs[0]}#real")
    ctx.result(node, quant.quantised(ctx, node, real, 3))


def lrn(ctx: Context, node: FileNode) -> None:
    """Local response normalisation: its shape only."""
    x = ctx.view(node, 0)
    source, out = ctx.laid(x, node.outputs[0])
    name = ctx.emit(Unplanned, out, (source,), ctx.shapes[source], what="LRN")
    ctx.result(node, View(name, x.base, x.perm, x.tail))
