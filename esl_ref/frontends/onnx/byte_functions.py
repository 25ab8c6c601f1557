# SPDX-License-Identifier: Apache-2.0
"""Functions of one byte, which the accelerator looks up: activations, and the change from one scale to another."""

from __future__ import annotations

from collections.abc import Callable

from esl_ref import ir
from esl_ref.frontends.onnx.builder import Builder
from esl_ref.frontends.onnx.scales import byte_table
from esl_ref.frontends.onnx.schema import Array
from esl_ref.frontends.onnx.states import Real

__all__ = ["emit_table"]


def emit_table(
    b: Builder, x: Real, quant: tuple[float, int], offset: int, name: str,
    function: Callable[[Array], Array] | None = None, what: str = "requantise",
) -> str:  # fmt: skip
    """Append the table of `function` (default: the value itself) from x's scale to `quant`; returns the tensor made."""
    values, shape = byte_table(x.quant, quant, function), b.tensors[x.name].shape
    return b.emit(ir.Table, name, (x.name,), shape, table=values, function=what, quant=quant, offset=offset)
