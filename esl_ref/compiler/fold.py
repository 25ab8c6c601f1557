# SPDX-License-Identifier: Apache-2.0
"""Graph-to-graph passes before lowering. Each is pure and leaves every remaining tensor's bytes as they were."""

from __future__ import annotations

import dataclasses

from esl_ref import ir
from esl_ref.ir import Graph, Padding

__all__ = ["fold_padding"]


def _takes(op: ir.Op, pad: ir.Pad) -> bool:
    """A convolution reads padding as its input zero point; a window never lies in the padding altogether."""
    if not isinstance(op, ir.Conv2D | ir.DepthwiseConv2D) or op.zero_in != pad.value:
        return False
    kernel = op.weight.shape[1:3] if isinstance(op, ir.Conv2D) else op.weight.shape[:2]
    (_, rows, columns, channels) = pad.pads
    p = op.padding
    reach = ((k - 1) * d for k, d in zip(kernel, op.dilation, strict=True))
    sums = ((rows[0] + p.top, rows[1] + p.bottom), (columns[0] + p.left, columns[1] + p.right))
    return channels == (0, 0) and all(max(s) <= r for s, r in zip(sums, reach, strict=True))


def _padded(op: ir.Conv2D | ir.DepthwiseConv2D, pad: ir.Pad) -> ir.Op:
    (_, (top, bottom), (left, right), _), p = pad.pads, op.padding
    padding = Padding(p.top + top, p.bottom + bottom, p.left + left, p.right + right)
    return dataclasses.replace(op, inputs=pad.inputs, padding=padding)


def fold_padding(graph: Graph) -> Graph:
    """A PAD whose readers are all convolutions with the same zero point becomes their padding."""
    consumers = graph.consumers()
    folded: dict[str, ir.Pad] = {}
    for op in graph.ops:
        if isinstance(op, ir.Pad) and len(op.pads) == 4 and op.outputs[0] not in graph.outputs:
            readers = consumers[op.outputs[0]]
            if readers and all(_takes(r, op) for r in readers):
                folded[op.outputs[0]] = op
    ops = []
    for op in graph.ops:
        if op.outputs[0] in folded:
            continue
        pad = folded.get(op.inputs[0]) if op.inputs else None
        ops.append(_padded(op, pad) if pad and isinstance(op, ir.Conv2D | ir.DepthwiseConv2D) else op)
    tensors = {n: t for n, t in graph.tensors.items() if n not in folded}
    return graph.replace(ops=tuple(ops), tensors=tensors)
