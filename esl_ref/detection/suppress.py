# SPDX-License-Identifier: Apache-2.0
"""Non-maximum suppression: of boxes of one class that overlap, only the most probable stays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["overlap", "suppress"]

Array = npt.NDArray[Any]


def _edges(boxes: Array, axis: int) -> tuple[Array, Array]:
    half = boxes[..., axis + 2] / 2
    return boxes[..., axis] - half, boxes[..., axis] + half


def overlap(one: Array, many: Array) -> Array:
    """Intersection over union of box [4] with boxes [N, 4], all (centre x, y, width, height); 0 for empty boxes."""
    sides = []
    for axis in (0, 1):
        (low, high), (lows, highs) = _edges(one, axis), _edges(many, axis)
        sides.append(np.maximum(np.minimum(high, highs) - np.maximum(low, lows), 0))
    shared = sides[0] * sides[1]
    union = one[2] * one[3] + many[:, 2] * many[:, 3] - shared
    return np.where(union > 0, shared / np.where(union > 0, union, 1), 0)


def suppress(boxes: Array, probabilities: Array, limit: float) -> Array:
    """Probabilities [N, classes] with those set to zero whose box overlaps a more probable one of the class by more
    than `limit`."""
    result = probabilities.copy()
    for k in range(result.shape[1]):
        column = result[:, k]
        order = np.argsort(-column, kind="stable")
        order = order[: np.count_nonzero(column)]
        while len(order) > 1:
            first, rest = order[0], order[1:]
            beaten = overlap(boxes[first], boxes[rest]) > limit
            column[rest[beaten]] = 0
            order = rest[~beaten]
    return result
