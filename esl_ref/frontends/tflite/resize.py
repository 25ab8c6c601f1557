# SPDX-License-Identifier: Apache-2.0
"""RESIZE_NEAREST_NEIGHBOR."""

from __future__ import annotations

import numpy as np

from esl_ref.frontends.tflite.context import Context
from esl_ref.frontends.tflite.schema import FileOperator
from esl_ref.ir import ResizeNearest

__all__ = ["nearest_indices", "resize_nearest_neighbor"]


def nearest_indices(size: int, out: int, align_corners: bool, half_pixel: bool) -> tuple[int, ...]:
    """Source index of every output index along one axis, with the reference's float32 arithmetic."""
    if align_corners and out > 1:
        scale = np.float32(size - 1) / np.float32(out - 1)
    else:
        scale = np.float32(size) / np.float32(out)
    position = (np.arange(out, dtype=np.float32) + np.float32(0.5 if half_pixel else 0.0)) * scale
    # Both round half up and floor act on values that are not negative.
    index = np.floor(position.astype(np.float64) + 0.5) if align_corners else np.floor(position)
    return tuple(int(i) for i in np.clip(index, 0, size - 1))


def resize_nearest_neighbor(ctx: Context, op: FileOperator) -> None:
    """Height and width to a constant size; bytes are copied."""
    ifm, ofm = ctx.file_tensor(op, 0), ctx.output(op)
    ctx.need_type(op, ifm, ("INT8", "UINT8"))
    ctx.need_type(op, ofm, (ifm.type,))
    shape = ctx.shape(ifm)
    if len(shape) != 4 or shape[0] != 1:
        raise ctx.unsupported(op, f"an input of shape {list(shape)}", "NHWC maps with batch 1 are supported")
    height, width = ctx.integers(op, 1, 2)
    if not (1 <= height <= 1 << 15 and 1 <= width <= 1 << 15):
        raise ctx.bad(op, f"an output of {height} x {width}")
    name = ctx.declare(op, ofm, (1, height, width, shape[3]))
    flags = bool(op.options["AlignCorners"]), bool(op.options["HalfPixelCenters"])
    rows, columns = nearest_indices(shape[1], height, *flags), nearest_indices(shape[2], width, *flags)
    ctx.ops.append(ResizeNearest(name, (ctx.use(op, ifm),), (name,), rows, columns))
