# SPDX-License-Identifier: Apache-2.0
"""Gemm, MatMul and their integer kin, on constant weights."""

from __future__ import annotations

import numpy as np

from esl_ref.floating.graph import Add, Dense
from esl_ref.frontends.onnx import quant
from esl_ref.frontends.onnx.context import Context, Quantised, Value
from esl_ref.frontends.onnx.parameters import bias_parameter, operand_parameter, weight_parameter
from esl_ref.frontends.onnx.schema import Array, FileNode, elements
from esl_ref.frontends.onnx.views import View

__all__ = ["gemm", "matmul", "matmul_integer", "qgemm", "qlinear_matmul"]


def _flat(ctx: Context, x: View, depth: int) -> tuple[str, Array | None]:
    """Rows of `depth` elements, and where memory does not have the file's order, its position of every element.

    Only a single row may be out of order: then the weights are permuted instead.
    """
    if not x.in_order and elements(x.shape) == depth:
        places = np.arange(depth).reshape(x.base).transpose(x.perm).reshape(-1)
        flat = View.plain(x.name, ctx.shapes[x.name])
        return ctx.realise(flat.reshaped((1, depth)), range(2)), places
    rows = View.plain(ctx.realise(x, range(len(x.shape))), x.shape)
    return ctx.realise(rows.reshaped((elements(x.shape) // depth, depth)), range(2)), None


def _dense(
    ctx: Context, node: FileNode, x: View, weight: Value, bias: Value | None, out: str, *, transposed: bool = False,
    alpha: float = 1.0, beta: float = 1.0,
) -> View:  # fmt: skip
    """x [..., K] times weight [K, O], or [O, K] where `transposed`."""
    if isinstance(weight, View):
        raise ctx.unsupported(node, "a product of two computed tensors", "constant weights are supported")
    if len(weight.shape) != 2 or not all(weight.shape) or not x.shape:
        raise ctx.unsupported(node, f"weights {list(weight.shape)}", "matrices are supported")
    units, depth = weight.shape if transposed else weight.shape[::-1]
    if x.shape[-1] != depth:
        raise ctx.bad(node, f"rows of {x.shape[-1]} elements for weights {list(weight.shape)}")
    name, places = _flat(ctx, x, depth)

    def change(values: Array) -> Array:
        rows = values if transposed else values.T
        if places is None:
            return rows
        moved = np.empty_like(rows)
        moved[:, places] = rows
        return moved

    parameter = weight_parameter(ctx, node, weight, 0 if transposed else 1, (units, depth), change, alpha)
    rows = elements(x.shape) // depth
    matrix = bias is not None and not isinstance(bias, View) and elements(bias.shape[:-1]) > 1
    made = ctx.emit(
        Dense, f"{out}#product" if matrix else out, (name,), (rows, units), weight=parameter,
        bias=bias_parameter(ctx, node, None if matrix else bias, units, beta),
    )  # fmt: skip
    if matrix and bias is not None:
        made = _add_matrix(ctx, node, made, bias, beta, out)
    return View.plain(made, (rows, units)).reshaped((*x.shape[:-1], units))


def _add_matrix(ctx: Context, node: FileNode, product: str, bias: Value, beta: float, out: str) -> str:
    """A bias that differs from row to row."""
    shape = ctx.shapes[product]
    if any(d not in (1, n) for d, n in zip(bias.shape[::-1], shape[::-1], strict=False)):
        raise ctx.bad(node, f"a bias of shape {list(bias.shape)} for {list(shape)}")
    operand = operand_parameter(ctx, node, bias, 2, (0, 1))
    if beta != 1.0:
        if isinstance(bias, Quantised):
            raise ctx.unsupported(node, f"a factor of {beta} on a quantised bias")
        load = operand.load
        operand = type(operand)(operand.shape, lambda: load() * np.float32(beta))
    return ctx.emit(Add, out, (product, ctx.constant(f"{out}_bias", operand)), shape)


def gemm(ctx: Context, node: FileNode) -> None:
    """alpha x W + beta bias."""
    if ctx.integer(node, "transA", 0):
        raise ctx.unsupported(node, "transA")
    x, bias = ctx.view(node, 0), ctx.value(node, 2) if ctx.given(node, 2) else None
    if len(x.shape) != 2:
        raise ctx.bad(node, f"an input of shape {list(x.shape)}")
    ctx.result(node, _dense(
        ctx, node, x, ctx.value(node, 1), bias, node.outputs[0], transposed=bool(ctx.integer(node, "transB", 0)),
        alpha=ctx.real(node, "alpha", 1.0), beta=ctx.real(node, "beta", 1.0),
    ))  # fmt: skip


def matmul(ctx: Context, node: FileNode) -> None:
    """x W."""
    ctx.result(node, _dense(ctx, node, ctx.view(node, 0), ctx.value(node, 1), None, node.outputs[0]))


def matmul_integer(ctx: Context, node: FileNode) -> None:
    """int32 sums of products, zero points taken off."""
    x, weight = quant.unscaled(ctx, node, 0, 2), quant.unscaled(ctx, node, 1, 3)
    if isinstance(weight, Quantised) and weight.zero.size > 1:
        weight = Quantised(weight.ints, weight.scale, weight.zero, 1)
    if not isinstance(x, View):
        raise ctx.unsupported(node, "a constant input")
    ctx.result(node, _dense(ctx, node, x, weight, None, node.outputs[0]))


def _operands(ctx: Context, node: FileNode, axis: int) -> tuple[View, Quantised]:
    x, weight = quant.dequantised(ctx, node, 0), quant.dequantised(ctx, node, 3, axis)
    if not isinstance(x, View) or not isinstance(weight, Quantised):
        raise ctx.unsupported(node, "a constant input or computed weights")
    return x, weight


def qlinear_matmul(ctx: Context, node: FileNode) -> None:
    """a, scale, zero point; b, the same; scale and zero point of the result."""
    x, weight = _operands(ctx, node, 1)
    real = _dense(ctx, node, x, weight, None, f"{node.outputs[0]}#real")
    ctx.result(node, quant.quantised(ctx, node, real, 6))


def qgemm(ctx: Context, node: FileNode) -> None:
    """com.microsoft: a, b as above, an int32 bias, and the result's scale and zero point, without which it is float."""
    if ctx.integer(node, "transA", 0):
        raise ctx.unsupported(node, "transA")
    transposed, alpha = bool(ctx.integer(node, "transB", 0)), ctx.real(node, "alpha", 1.0)
    x, weight = _operands(ctx, node, 0 if transposed else 1)
    bias = None
    if ctx.given(node, 6):
        scale = alpha * quant.scale_of(ctx, node, 1).astype(np.float64) * weight.scale
        bias = Quantised(ctx.source(node, 6), scale, np.zeros(scale.size, np.int64))
    last = ctx.given(node, 7)
    out = f"{node.outputs[0]}#real" if last else node.outputs[0]
    real = _dense(ctx, node, x, weight, bias, out, transposed=transposed, alpha=alpha)
    ctx.result(node, quant.quantised(ctx, node, real, 7) if last else real)
