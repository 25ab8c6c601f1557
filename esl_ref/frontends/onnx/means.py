# SPDX-License-Identifier: Apache-2.0
"""Means: of the whole map, or of windows."""

from __future__ import annotations

from typing import Any

import numpy as np

from esl_ref import ir
from esl_ref.floating import graph as f
from esl_ref.frontends.onnx.builder import Builder
from esl_ref.frontends.onnx.byte_functions import emit_table
from esl_ref.frontends.onnx.scales import clamp_of, requant_of
from esl_ref.frontends.onnx.states import Pending, Real
from esl_ref.ir import Act

__all__ = ["mean_of"]


def mean_of(b: Builder, x: Pending, quant: tuple[float, int], offset: int, name: str) -> str:
    """sum(q - zero) * scale / (count * scale_out), rounded once."""
    op, (source,) = x.op, x.inputs
    if not isinstance(source, Real):
        raise b.unsupported(op, "its input is not quantised")
    act = clamp_of(x.activation, *quant)
    if act is None:
        raise b.unsupported(op, f"{x.activation.function.value} before the result is quantised")
    shape = b.middle.shapes[op.output]
    said: dict[str, Any] = {"quant": quant, "offset": offset}
    ifm = b.tensors[source.name].shape
    if isinstance(op, f.Mean):
        return _mean(b, op, source, ifm, shape, act, name, **said)
    assert isinstance(op, f.AveragePool)
    p = op.padding
    padded = any((p.top, p.bottom, p.left, p.right))
    if op.window == ifm[1:3] and not padded:
        whole = f.Mean(op.name, op.inputs, op.output, (1, 2), True)
        return _mean(b, whole, source, ifm, shape, act, name, **said)
    if padded and not op.count_padding:
        return _clipped(b, op, source, shape, quant, offset, act, name)
    taps = np.ones((*op.window, ifm[3]), np.int8)
    requant = requant_of([source.scale / (quant[0] * op.window[0] * op.window[1])], b.at(op))
    return b.emit(ir.DepthwiseConv2D, name, (source.name,), shape, weight=taps, bias=np.zeros(ifm[3], np.int64),
                  requant=requant, act=act, zero_in=source.zero, stride=op.stride, padding=p, **said)  # fmt: skip


def _mean(
    b: Builder, op: f.Mean, source: Real, ifm: tuple[int, ...], shape: tuple[int, ...], act: Act, name: str,
    **said: Any,
) -> str:  # fmt: skip
    count = int(np.prod([ifm[axis] for axis in op.axes], dtype=np.int64))
    requant = requant_of([source.scale / (said["quant"][0] * count)], b.at(op))
    return b.emit(ir.Mean, name, (source.name,), shape, axes=op.axes, keep_dims=op.keep_dims, requant=requant,
                  act=act, zero_in=source.zero, count=count, **said)  # fmt: skip


def _clipped(
    b: Builder, op: f.AveragePool, source: Real, shape: tuple[int, ...], quant: tuple[float, int], offset: int,
    act: Act, name: str,
) -> str:  # fmt: skip
    """Windows that count only what is inside the map: a mean of bytes, then a table where the scale changes, too."""
    same = source.quant == quant
    limits = Act(0, act.low, act.high) if same else Act()
    made = b.emit(
        ir.AveragePool, name if same else f"{name}_mean", (source.name,), shape, window=op.window, stride=op.stride,
        padding=op.padding, act=limits, quant=source.quant, offset=offset if same else 0,
    )  # fmt: skip
    if same:
        return made
    b.notes.append(f"operator '{op.name}': rounded twice, once as a mean and once to the result's scale")
    return emit_table(b, Real(made, *source.quant, 0), quant, offset, name)
