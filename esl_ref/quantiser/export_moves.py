# SPDX-License-Identifier: Apache-2.0
"""Operators that move elements, as they are written to a `.tflite` file."""

from __future__ import annotations

import json

import numpy as np

from esl_ref.floating import graph as f
from esl_ref.frontends.tflite.resize import nearest_indices
from esl_ref.quantiser.export import Export

__all__ = ["concat", "pad", "reshape", "resize", "slice_", "transpose"]


def concat(out: Export, op: f.Concat) -> None:
    """A part of another scale is rescaled on its way in."""
    parts = []
    for index, name in enumerate(op.inputs):
        part = out.operand(name)
        if not out.is_float and out.scale(name) != out.scale(op.output):
            rescaled = out.inner(f"{op.output}/part{index}", out.shape(name), op.output)
            out.writer.add_op("QUANTIZE", [part], [rescaled])
            part = rescaled
        parts.append(part)
    out.writer.add_op("CONCATENATION", parts, [out.result(op.output)], axis=op.axis)


def slice_(out: Export, op: f.Slice) -> None:
    """SLICE where nothing is skipped, else STRIDED_SLICE."""
    source, shape = out.operand(op.inputs[0]), out.shape(op.inputs[0])
    if all(s == 1 for s in op.stride):
        sizes = [e - b for b, e in zip(op.begin, op.end, strict=True)]
        box = [out.integers(f"{op.output}/begin", op.begin), out.integers(f"{op.output}/size", sizes)]
        out.writer.add_op("SLICE", [source, *box], [out.result(op.output)])
        return
    if any(s < 1 for s in op.stride) or any(e > d for e, d in zip(op.end, shape, strict=True)):
        raise out.unsupported(op, f"strides {list(op.stride)} to {list(op.end)} of {list(shape)}")
    limits = (("begin", op.begin), ("end", op.end), ("strides", op.stride))
    box = [out.integers(f"{op.output}/{name}", values) for name, values in limits]
    out.writer.add_op("STRIDED_SLICE", [source, *box], [out.result(op.output)])


def pad(out: Export, op: f.Pad) -> None:
    """PAD with zeros, PADV2 with another value."""
    inputs = [out.operand(op.inputs[0]), out.integers(f"{op.output}/paddings", op.pads)]
    if op.value == 0.0:
        out.writer.add_op("PAD", inputs, [out.result(op.output)])
        return
    filler = out.constant(f"{op.output}/filler", np.array([op.value]), op.output)
    out.writer.add_op("PADV2", [*inputs, filler], [out.result(op.output)])


def reshape(out: Export, op: f.Reshape) -> None:
    """RESHAPE to the declared shape."""
    shape = out.shape(op.output)
    inputs = [out.operand(op.inputs[0]), out.integers(f"{op.output}/shape", shape)]
    out.writer.add_op("RESHAPE", inputs, [out.result(op.output)], new_shape=shape)


def transpose(out: Export, op: f.Transpose) -> None:
    """TRANSPOSE, which runs on the host."""
    inputs = [out.operand(op.inputs[0]), out.integers(f"{op.output}/permutation", op.perm)]
    out.writer.add_op("TRANSPOSE", inputs, [out.result(op.output)])


_FLAGS = ((False, False), (False, True), (True, False))


def resize(out: Export, op: f.ResizeNearest) -> None:
    """RESIZE_NEAREST_NEIGHBOR if some of its rules gives these indices, else two gathers of this product's own."""
    _, h, w, _ = out.shape(op.inputs[0])
    source = out.operand(op.inputs[0])
    for align, half in _FLAGS:
        if op.rows == nearest_indices(h, len(op.rows), align, half):
            if op.columns == nearest_indices(w, len(op.columns), align, half):
                size = out.integers(f"{op.output}/size", [len(op.rows), len(op.columns)])
                out.writer.add_op("RESIZE_NEAREST_NEIGHBOR", [source, size], [out.result(op.output)],
                                  align_corners=align, half_pixel_centers=half)  # fmt: skip
                return
    indices = json.dumps({"rows": op.rows, "columns": op.columns}).encode()
    out.writer.add_op("custom:ESL_RESIZE_NEAREST", [source], [out.result(op.output)], custom_options=indices)
