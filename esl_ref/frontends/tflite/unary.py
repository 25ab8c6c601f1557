# SPDX-License-Identifier: Apache-2.0
"""Unary int8 operators as tables: RELU, RELU_N1_TO_1, RELU6, LEAKY_RELU, LOGISTIC, TANH, HARD_SWISH."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy.typing as npt

from esl_ref.frontends.tflite import tables
from esl_ref.frontends.tflite.context import Context
from esl_ref.frontends.tflite.schema import FileOperator
from esl_ref.ir import Table

__all__ = ["hard_swish", "leaky_relu", "logistic", "relu", "relu6", "relu_n1_to_1", "tanh"]

Quantisation = tuple[float, int]


def emit_table(ctx: Context, op: FileOperator, table: npt.NDArray[Any], function: str) -> None:
    """Append a table operator from input 0 to output 0."""
    ifm, ofm = ctx.file_tensor(op, 0), ctx.output(op)
    name = ctx.declare(op, ofm, ctx.shape(ifm))
    ctx.ops.append(Table(name, (ctx.use(op, ifm),), (name,), table, function))


def _ends(ctx: Context, op: FileOperator) -> tuple[Quantisation, Quantisation]:
    ifm, ofm = ctx.file_tensor(op, 0), ctx.output(op)
    if ifm.type != ofm.type:
        raise ctx.unsupported(op, f"{ifm.type} to {ofm.type}")
    return ctx.quant(op, ifm), ctx.quant(op, ofm)


def _legacy(ctx: Context, op: FileOperator) -> bool:
    """True for uint8 models, whose reference is LiteRT."""
    return ctx.file_tensor(op, 0).type == "UINT8"


def _clamping(fused: int, function: str) -> Callable[[Context, FileOperator], None]:
    def convert(ctx: Context, op: FileOperator) -> None:
        quant_in, quant_out = _ends(ctx, op)
        emit_table(ctx, op, tables.relu(quant_in, quant_out, fused, ctx.at(op), _legacy(ctx, op)), function)

    return convert


relu = _clamping(1, "relu")
relu_n1_to_1 = _clamping(2, "relu_n1_to_1")


def relu6(ctx: Context, op: FileOperator) -> None:
    """min(max(x, 0), 6), for equal quantisations: with unequal ones the references disagree."""
    quant_in, quant_out = _ends(ctx, op)
    if quant_in != quant_out:
        raise ctx.unsupported(op, "input and output of different quantisation", "TFLM ignores the output's")
    emit_table(ctx, op, tables.relu(quant_in, quant_out, 3, ctx.at(op)), "relu6")


def leaky_relu(ctx: Context, op: FileOperator) -> None:
    """x, or alpha * x where x is negative."""
    quant_in, quant_out = _ends(ctx, op)
    table = tables.leaky_relu(quant_in, quant_out, op.options["Alpha"], ctx.at(op), _legacy(ctx, op))
    emit_table(ctx, op, table, "leaky_relu")


def _into(ctx: Context, op: FileOperator, scale: float, zero: int) -> Quantisation:
    """The input's quantisation, for functions whose output quantisation is fixed."""
    quant_in, quant_out = _ends(ctx, op)
    if quant_out != (scale, zero):
        raise ctx.unsupported(
            op, f"output quantisation {quant_out}", f"scale {scale} and zero point {zero} is supported"
        )
    return quant_in


def logistic(ctx: Context, op: FileOperator) -> None:
    """1 / (1 + exp(-x))."""
    quant_in = _into(ctx, op, 1 / 256, -128)
    table = tables.legacy_logistic(quant_in) if _legacy(ctx, op) else tables.logistic(quant_in, ctx.at(op))
    emit_table(ctx, op, table, "logistic")


def tanh(ctx: Context, op: FileOperator) -> None:
    """Hyperbolic tangent."""
    quant_in = _into(ctx, op, 1 / 128, 0)
    table = tables.legacy_tanh(quant_in) if _legacy(ctx, op) else tables.tanh(quant_in, ctx.at(op))
    emit_table(ctx, op, table, "tanh")


def hard_swish(ctx: Context, op: FileOperator) -> None:
    """x * relu6(x + 3) / 6."""
    quant_in, quant_out = _ends(ctx, op)
    emit_table(ctx, op, tables.hard_swish(quant_in, quant_out, ctx.at(op), _legacy(ctx, op)), "hard_swish")
