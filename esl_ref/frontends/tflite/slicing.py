# SPDX-License-Identifier: Apache-2.0
"""The box that a strided slice cuts, from its begin, end, strides and masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from esl_ref.errors import ModelError, UnsupportedError

__all__ = ["Box", "sliced", "strided_box"]


@dataclass(frozen=True)
class Box:
    """begin, end, stride per axis with every index inside the tensor; axes in `shrunk` vanish from the result."""

    begin: tuple[int, ...]
    end: tuple[int, ...]
    stride: tuple[int, ...]
    shrunk: frozenset[int]


def sliced(box: Box) -> tuple[int, ...]:
    """Shape of the result."""
    sizes = [len(range(b, e, s)) for b, e, s in zip(box.begin, box.end, box.stride, strict=True)]
    return tuple(size for axis, size in enumerate(sizes) if axis not in box.shrunk)


def strided_box(
    shape: Sequence[int], begin: list[int], end: list[int], stride: list[int], masks: Mapping[str, Any], where: str
) -> Box:
    """Resolve negative indices and masks. Axes beyond the given ones are taken whole."""
    if masks["EllipsisMask"] or masks["NewAxisMask"] or masks["Offset"]:
        raise UnsupportedError("ellipsis, new-axis and offset masks", where=where)
    rank, given = len(shape), len(begin)
    if len(end) != given or len(stride) != given or given > rank or 0 in stride:
        raise ModelError(f"begin {begin}, end {end}, strides {stride} of rank {rank}", where=where)
    starts, stops, steps, shrunk = [], [], [], set()
    for axis, size in enumerate(shape):
        step = stride[axis] if axis < given else 1
        whole = slice(None, None, step)
        first = None if axis >= given or masks["BeginMask"] >> axis & 1 else begin[axis]
        last = None if axis >= given or masks["EndMask"] >> axis & 1 else end[axis]
        if axis < given and masks["ShrinkAxisMask"] >> axis & 1:
            index = begin[axis] + size if begin[axis] < 0 else begin[axis]
            if not 0 <= index < size:
                raise ModelError(f"index {begin[axis]} of an axis of {size}", where=where)
            shrunk.add(axis)
            bounds = (index, index + 1, 1)
        else:
            bounds = slice(first, last, whole.step).indices(size)
        if len(range(*bounds)) == 0:
            raise ModelError(f"an empty slice of axis {axis}", where=where)
        starts.append(bounds[0])
        stops.append(bounds[1])
        steps.append(bounds[2])
    return Box(tuple(starts), tuple(stops), tuple(steps), frozenset(shrunk))
