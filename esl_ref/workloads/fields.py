# SPDX-License-Identifier: Apache-2.0
"""Fields of shape nodes that integer and float operators of one name share: their attributes have the same meaning."""

from __future__ import annotations

from typing import Any, TypeAlias

from esl_ref import ir
from esl_ref.floating import graph as f
from esl_ref.workloads.graph import Kind

__all__ = ["concat", "pad", "pool", "resize", "sides", "slice_"]

Fields: TypeAlias = dict[str, Any]


def sides(padding: ir.Padding) -> tuple[int, int, int, int]:
    """(top, bottom, left, right)."""
    return (padding.top, padding.bottom, padding.left, padding.right)


def pool(op: ir.MaxPool | ir.AveragePool | f.MaxPool | f.AveragePool) -> Fields:
    """Maximum or average pool."""
    kind = Kind.MAX_POOL if isinstance(op, ir.MaxPool | f.MaxPool) else Kind.AVG_POOL
    return {"kind": kind, "kernel": op.window, "stride": op.stride, "pad": sides(op.padding)}


def pad(op: ir.Pad | f.Pad) -> Fields:
    """Rows and columns of padding; that of other axes is nothing to a shape graph."""
    rows, columns = (op.pads[1], op.pads[2]) if len(op.pads) == 4 else ((0, 0), (0, 0))
    return {"kind": Kind.PAD, "pad": (*rows, *columns)}


def concat(op: ir.Concat | f.Concat, rank: int) -> Fields:
    """`rank`: of the output."""
    return {"kind": Kind.CONCAT if op.axis % rank == rank - 1 else Kind.STACK}


def slice_(op: ir.Slice | f.Slice) -> Fields:
    """Of maps; nothing for other ranks."""
    if len(op.begin) != 4:
        return {}
    return {"kind": Kind.SLICE, "stride": op.stride[1:3], "pad": (-op.begin[1], 0, -op.begin[2], 0)}


def resize(op: ir.ResizeNearest | f.ResizeNearest, height: int, source: int) -> Fields:
    """From `source` rows to `height`; rows that are not all repeated alike are moved like a transposition."""
    scale = height // source
    even = scale > 0 and all(row == y // scale for y, row in enumerate(op.rows))
    return {"kind": Kind.UPSAMPLE if even else Kind.TRANSPOSE, "scale": max(scale, 1)}
