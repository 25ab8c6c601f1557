# SPDX-License-Identifier: Apache-2.0
"""Weights that leave int8 once their zero point is taken off, as sums of addends that do not.

The first addend is the weight, clipped: what is left is zero but for a few weights, and only the accesses that have
these run again, for the channel groups that have any.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from esl_ref import ir
from esl_ref.arch import Arch
from esl_ref.compiler.packing import Packed, addends, conv_runs, conv_slots, fits_int8
from esl_ref.compiler.tasks import Part

__all__ = ["conv_parts", "leaves_int8"]

Ints = npt.NDArray[np.int64]
Span = tuple[int, int]


def leaves_int8(op: ir.Op) -> bool:
    """Whether an operator has weights that int8 does not hold."""
    if not isinstance(op, ir.Conv2D | ir.DepthwiseConv2D | ir.FullyConnected):
        return False
    return bool(np.any(op.weight_zero)) and not fits_int8(op.weight.astype(np.int64) - op.weight_zero)


def conv_parts(arch: Arch, weight: Ints, *, dense: bool) -> tuple[list[Packed], list[Part]]:
    """Weights [O, KH, KW, I] of a convolution and the parts that take them: the whole kernel, then what is left."""
    (kh, kw), (_, run) = weight.shape[1:3], conv_runs(weight, dense)
    first, *rest = addends(weight)
    packed = [conv_slots(arch, first, dense=dense)]
    parts = [Part((kh, kw), chunks=-(-run // arch.lanes), run=(0, run))]
    for addend in rest:
        by_row = addend.reshape(weight.shape[0], kh, -1, run)
        for (top, bottom), (low, high) in _accesses(by_row, arch.lanes):
            size = min(run, high * arch.lanes) - low * arch.lanes
            left = by_row[:, top:bottom, :, low * arch.lanes : low * arch.lanes + size]
            groups = frozenset((np.flatnonzero(left.any(axis=(1, 2, 3))) // arch.lanes).tolist())
            word = sum(slots.shape[1] for slots, _ in packed)
            packed.append(conv_slots(arch, left, dense=False))
            parts.append(Part(
                (bottom - top, kw), (top, 0), word=word, chunks=high - low, run=(low * arch.lanes, size), groups=groups
            ))  # fmt: skip
    return packed, parts


def _accesses(by_row: Ints, lanes: int) -> Iterator[tuple[Span, Span]]:
    """Kernel rows and accesses of a run [first, last) with weights [O, KH, runs, bytes] other than zero: every stretch
    of them in a kernel of one row, else all of a run in the rows that have any."""
    _, kh, _, run = by_row.shape
    count = -(-run // lanes)
    rows = np.flatnonzero(by_row.any(axis=(0, 2, 3)))
    if kh > 1:
        yield (int(rows[0]), int(rows[-1]) + 1), (0, count)
        return
    used = [bool(by_row[..., k * lanes : (k + 1) * lanes].any()) for k in range(count)]
    first = 0
    for k in range(count + 1):
        if k == count or not used[k]:
            if first < k:
                yield (0, 1), (first, k)
            first = k + 1
