# SPDX-License-Identifier: Apache-2.0
"""Padding of sliding windows, in a file format that knows only SAME and VALID."""

from __future__ import annotations

from typing import Any

import numpy as np

from esl_ref.floating import graph as f
from esl_ref.ir import Padding
from esl_ref.quantiser.export import Export

__all__ = ["window"]

_Along = tuple[int, int]


def _reached(size: int, out: int, reach: int, stride: int, before: int) -> _Along:
    """(before, after): padding that some window really touches; negative where the last elements are not reached."""
    return before, (out - 1) * stride + reach - size - before


def _is_same(size: int, out: int, reach: int, stride: int, pads: _Along) -> bool:
    total = max((out - 1) * stride + reach - size, 0)
    return out == -(-size // stride) and pads[0] == total // 2 and max(pads[1], 0) == total - total // 2


def _is_valid(pads: _Along) -> bool:
    """No padding, and no whole window left unused."""
    return pads[0] == 0 and pads[1] <= 0


def _padded(out: Export, op: f.FloatOp, pads: tuple[_Along, _Along], value: float) -> int:
    """A PAD before the operator; PADV2 where the padding is not zero."""
    n, h, w, c = out.shape(op.inputs[0])
    (top, bottom), (left, right) = ((a, max(b, 0)) for a, b in pads)
    source = out.operand(op.inputs[0])
    amounts = out.integers(f"{op.output}/paddings", [[0, 0], [top, bottom], [left, right], [0, 0]])
    name = f"{op.output}/padded"
    padded = out.inner(name, (n, h + top + bottom, w + left + right, c), op.inputs[0])
    if value == 0.0:
        out.writer.add_op("PAD", [source, amounts], [padded])
    else:
        filler = out.constant(f"{op.output}/filler", np.array([value]), op.inputs[0])
        out.writer.add_op("PADV2", [source, amounts, filler], [padded])
    return padded


def window(
    out: Export, op: f.Conv | f.MaxPool | f.AveragePool, kernel: tuple[int, int], dilation: tuple[int, int]
) -> tuple[int, dict[str, Any]] | None:
    """(the tensor to read, options padding and stride), with a padding operator added where the schema needs one.

    None for an average that does not count padding which the schema cannot say: no operator before it can say it.
    """
    (_, h, w, _), (_, oh, ow, _) = out.shape(op.inputs[0]), out.shape(op.output)
    p: Padding = op.padding
    reach = ((kernel[0] - 1) * dilation[0] + 1, (kernel[1] - 1) * dilation[1] + 1)
    along = ((h, oh, reach[0], op.stride[0]), (w, ow, reach[1], op.stride[1]))
    pads = tuple(_reached(*a, before) for a, before in zip(along, (p.top, p.left), strict=True))
    options: dict[str, Any] = {"stride_h": op.stride[0], "stride_w": op.stride[1]}
    fitting = {
        "VALID": all(map(_is_valid, pads)),
        "SAME": all(_is_same(*a, pair) for a, pair in zip(along, pads, strict=True)),
    }
    # Where both fit, what converters write: SAME for convolutions, VALID for pools.
    order = ("SAME", "VALID") if isinstance(op, f.Conv) else ("VALID", "SAME")
    for scheme in order:
        if fitting[scheme]:
            return out.operand(op.inputs[0]), options | {"padding": scheme}
    options["padding"] = "VALID"
    if isinstance(op, f.AveragePool):
        return None
    # Padding never wins in a max pool: it is the lowest value that there is.
    lowest = float(np.finfo(np.float32).min)
    return _padded(out, op, (pads[0], pads[1]), lowest if isinstance(op, f.MaxPool) else 0.0), options
