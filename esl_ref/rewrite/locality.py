# SPDX-License-Identifier: Apache-2.0
"""Operators on boxes: which box of each input a box of the output needs, and the operator that computes just that.

Everything that computes an output position from a bounded neighbourhood of its inputs is here; whatever needs whole
maps (a mean, a fully connected layer, a reshape) is refused by name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from esl_ref import ir
from esl_ref.errors import PlanError
from esl_ref.ir import Op, Padding
from esl_ref.rewrite.boxes import Box, Reach, reach

__all__ = ["Local", "local"]


@dataclass(frozen=True)
class Local:
    """The operator for one box, the box of its output that it really computes, and the box of every input.

    The computed box may be larger than the one asked for (an upsampling makes whole pixels).
    """

    op: Op
    box: Box
    inputs: tuple[Box, ...]


Shape: TypeAlias = tuple[int, ...]
_Rule: TypeAlias = Callable[[Any, Box, tuple[Shape, ...]], Local]


def local(op: Op, box: Box, shapes: tuple[Shape, ...]) -> Local:
    """`op` restricted to `box` of its output. `shapes`: NHWC shapes of its inputs. PlanError if it needs whole maps."""
    rule = _RULES.get(type(op))
    if rule is None:
        raise PlanError(f"{op.kind} cannot be tiled: it needs whole maps", where=f"operator '{op.name}'")
    made = rule(op, box, shapes)
    if any(min(part.size) < 1 for part in made.inputs):
        raise PlanError("cannot be tiled: a tile would lie in the padding altogether", where=f"operator '{op.name}'")
    return made


def _windowed(op: Op, box: Box, shape: Shape, kernel: tuple[int, int], stride: tuple[int, int],
              dilation: tuple[int, int], padding: Padding) -> Local:  # fmt: skip
    rows = reach((box.top, box.bottom), kernel[0], stride[0], dilation[0], padding.top, shape[1])
    columns = reach((box.left, box.right), kernel[1], stride[1], dilation[1], padding.left, shape[2])
    pad = Padding(rows.before, rows.after, columns.before, columns.after)
    return Local(dataclasses.replace(op, padding=pad), box, (_box(rows, columns),))  # type: ignore[call-arg]


def _box(rows: Reach, columns: Reach) -> Box:
    return Box(rows.first, rows.last, columns.first, columns.last)


def _conv(op: ir.Conv2D, box: Box, shapes: tuple[Shape, ...]) -> Local:
    kernel = (int(op.weight.shape[1]), int(op.weight.shape[2]))
    return _windowed(op, box, shapes[0], kernel, op.stride, op.dilation, op.padding)


def _depthwise(op: ir.DepthwiseConv2D, box: Box, shapes: tuple[Shape, ...]) -> Local:
    kernel = (int(op.weight.shape[0]), int(op.weight.shape[1]))
    return _windowed(op, box, shapes[0], kernel, op.stride, op.dilation, op.padding)


def _pool(op: ir.AveragePool | ir.MaxPool, box: Box, shapes: tuple[Shape, ...]) -> Local:
    return _windowed(op, box, shapes[0], op.window, op.stride, (1, 1), op.padding)


def _pointwise(op: Op, box: Box, shapes: tuple[Shape, ...]) -> Local:
    """Elementwise: the same box of every input, or the one row or column that an operand repeats."""
    return Local(op, box, tuple(_repeated(box, shape) for shape in shapes))


def _repeated(box: Box, shape: Shape) -> Box:
    """An operand of one row or column, or of fewer axes than a map, repeats it everywhere."""
    padded = (1,) * (4 - len(shape)) + tuple(shape)
    rows = (0, 1) if padded[1] == 1 else (box.top, box.bottom)
    columns = (0, 1) if padded[2] == 1 else (box.left, box.right)
    return Box(*rows, *columns)


def _concat(op: ir.Concat, box: Box, shapes: tuple[Shape, ...]) -> Local:
    if op.axis % 4 != 3:
        raise PlanError("cannot be tiled: it joins rows or columns", where=f"operator '{op.name}'")
    return Local(op, box, (box,) * len(shapes))


def _pad(op: ir.Pad, box: Box, shapes: tuple[Shape, ...]) -> Local:
    if len(op.pads) != 4 or op.pads[0] != (0, 0):
        raise PlanError("cannot be tiled: it pads the batch", where=f"operator '{op.name}'")
    rows = reach((box.top, box.bottom), 1, 1, 1, op.pads[1][0], shapes[0][1])
    columns = reach((box.left, box.right), 1, 1, 1, op.pads[2][0], shapes[0][2])
    pads = ((0, 0), (rows.before, rows.after), (columns.before, columns.after), op.pads[3])
    return Local(dataclasses.replace(op, pads=pads), box, (_box(rows, columns),))


def _slice(op: ir.Slice, box: Box, shapes: tuple[Shape, ...]) -> Local:
    """Just the part that the output takes comes in, so the slice begins with it."""
    if len(op.begin) != 4 or min(op.stride) < 1:
        raise PlanError("cannot be tiled: it reverses or has no rows and columns", where=f"operator '{op.name}'")
    (y, x), (sy, sx) = op.begin[1:3], op.stride[1:3]
    part = Box(y + box.top * sy, y + (box.bottom - 1) * sy + 1, x + box.left * sx, x + (box.right - 1) * sx + 1)
    begin, end = (op.begin[0], 0, 0, op.begin[3]), (op.end[0], *part.size, op.end[3])
    return Local(dataclasses.replace(op, begin=begin, end=end), box, (part,))


def _resize(op: ir.ResizeNearest, box: Box, shapes: tuple[Shape, ...]) -> Local:
    """Whole source pixels, so that a tile is upsampled by the same factor as the map."""
    rows = _sources(op.rows, box.top, box.bottom)
    columns = _sources(op.columns, box.left, box.right)
    made = Box(*_images(op.rows, rows), *_images(op.columns, columns))
    part = dataclasses.replace(
        op,
        rows=tuple(r - rows[0] for r in op.rows[made.top : made.bottom]),
        columns=tuple(c - columns[0] for c in op.columns[made.left : made.right]),
    )
    return Local(part, made, (Box(*rows, *columns),))


def _sources(table: tuple[int, ...], first: int, last: int) -> tuple[int, int]:
    used = table[first:last]
    return min(used), max(used) + 1


def _images(table: tuple[int, ...], span: tuple[int, int]) -> tuple[int, int]:
    """Output positions that come from source positions [span)."""
    hits = np.flatnonzero((np.asarray(table) >= span[0]) & (np.asarray(table) < span[1]))
    return int(hits[0]), int(hits[-1]) + 1


_RULES: dict[type[Op], _Rule] = {
    ir.Conv2D: _conv, ir.DepthwiseConv2D: _depthwise, ir.AveragePool: _pool, ir.MaxPool: _pool,
    ir.Add: _pointwise, ir.Sub: _pointwise, ir.Mul: _pointwise, ir.Maximum: _pointwise, ir.Minimum: _pointwise,
    ir.Table: _pointwise, ir.Concat: _concat, ir.Pad: _pad, ir.Slice: _slice, ir.ResizeNearest: _resize,
}  # fmt: skip
