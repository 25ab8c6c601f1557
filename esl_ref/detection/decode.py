# SPDX-License-Identifier: Apache-2.0
"""What the maps of detection heads mean: boxes, and a probability for every class.

Redmon and Farhadi, "YOLOv3: an incremental improvement" (2018), "YOLO9000" (CVPR 2017); Redmon et al., "You only look
once" (CVPR 2016); with the details of Darknet's layers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from esl_ref.detection.heads import TREE, Anchors, DetectionHead, Head, RegionHead, YoloHead
from esl_ref.errors import InputError, UnsupportedError

__all__ = ["Candidates", "decode"]

FloatArray = npt.NDArray[np.float32]
_LARGEST_EXPONENT = np.float32(80)
"""exp() of more than 88 is infinite in float32; such a box is the whole picture many times over in any case."""


@dataclass(frozen=True)
class Candidates:
    """Boxes [N, 4] (centre x, y, width, height, in parts of the network's input) and probabilities [N, classes]."""

    boxes: FloatArray
    probabilities: FloatArray

    def __len__(self) -> int:
        return len(self.boxes)


def decode(head: Head, values: npt.NDArray[Any], threshold: float) -> Candidates:
    """Boxes of one head, in Darknet's order, whose objectness is above `threshold`; lower probabilities are zero.

    `values` is the head's tensor, a map [1, H, W, C] or for YOLOv1 any shape of the right size.
    """
    if isinstance(head, DetectionHead):
        return _detection(head, np.asarray(values, np.float32), threshold)
    array = np.asarray(values, np.float32)
    if array.ndim != 4 or array.shape[3] != head.channels:
        raise InputError(f"has shape {list(array.shape)}", where=f"tensor '{head.tensor}'",
                         hint=f"[1, H, W, {head.channels}] is needed")  # fmt: skip
    return _yolo(head, array[0], threshold) if isinstance(head, YoloHead) else _region(head, array[0], threshold)


def _logistic(x: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-x.astype(np.float64))), np.float32)


def _exp(x: FloatArray) -> FloatArray:
    return np.exp(np.minimum(x, _LARGEST_EXPONENT))


def _cells(shape: tuple[int, int], anchors: int) -> tuple[FloatArray, FloatArray]:
    """Column and row of every candidate: cell by cell, anchor by anchor."""
    rows, columns = np.divmod(np.arange(shape[0] * shape[1]), shape[1])
    return np.repeat(columns, anchors).astype(np.float32), np.repeat(rows, anchors).astype(np.float32)


def _anchors(anchors: Anchors, cells: int, size: tuple[int, int]) -> FloatArray:
    """(width, height) of every candidate's anchor, in parts of `size` (height, width)."""
    parts = np.asarray(anchors, np.float32) / np.asarray(size[::-1], np.float32)
    return np.tile(parts, (cells, 1))


def _assembled(centres: FloatArray, sizes: FloatArray, shape: tuple[int, int], scores: FloatArray,
               threshold: float) -> Candidates:  # fmt: skip
    """Centres (within their cells) and sizes, of the candidates that `sizes` and `scores` have."""
    columns, rows = _cells(shape, len(centres) // (shape[0] * shape[1]))
    x, y = (columns + centres[:, 0]) / shape[1], (rows + centres[:, 1]) / shape[0]
    boxes = np.stack([x, y, sizes[:, 0], sizes[:, 1]], axis=1).astype(np.float32)
    return Candidates(boxes, np.where(scores > np.float32(threshold), scores, np.float32(0)))


def _kept(found: Candidates, objectness: FloatArray, threshold: float) -> Candidates:
    keep = objectness > np.float32(threshold)
    return Candidates(found.boxes[keep], found.probabilities[keep])


def _yolo(head: YoloHead, values: FloatArray, threshold: float) -> Candidates:
    h, w, _ = values.shape
    raw = values.reshape(-1, 5 + head.classes)
    active = raw if head.squared else _logistic(raw)
    scale = np.float32(head.scale_xy)
    centres = active[:, :2] * scale - np.float32(0.5) * (scale - np.float32(1))
    anchors = _anchors(head.anchors, h * w, head.size)
    sizes = (raw[:, 2:4] * 2) ** 2 * anchors if head.squared else _exp(raw[:, 2:4]) * anchors
    objectness = active[:, 4]
    found = _assembled(centres, sizes, (h, w), objectness[:, None] * active[:, 5:], threshold)
    return _kept(found, objectness, threshold)


def _softmax(x: FloatArray) -> FloatArray:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), np.float32)


def _region(head: RegionHead, values: FloatArray, threshold: float) -> Candidates:
    if head.tree:
        raise UnsupportedError(TREE, where=f"head on '{head.tensor}', {head.tree}")
    h, w, _ = values.shape
    raw = values.reshape(-1, head.coords + 1 + head.classes)
    anchors = _anchors(head.anchors, h * w, (h, w))
    objectness = _logistic(raw[:, head.coords])
    classes = raw[:, head.coords + 1 :]
    scores = objectness[:, None] * (_softmax(classes) if head.softmax else _logistic(classes))
    found = _assembled(_logistic(raw[:, :2]), _exp(raw[:, 2:4]) * anchors, (h, w), scores, threshold)
    return _kept(found, objectness, threshold)


def _detection(head: DetectionHead, values: FloatArray, threshold: float) -> Candidates:
    if values.size != head.elements:
        raise InputError(f"has {values.size} elements", where=f"tensor '{head.tensor}'",
                         hint=f"{head.elements} are needed")  # fmt: skip
    # Darknet flattens maps channel by channel.
    flat = values[0].transpose(2, 0, 1).reshape(-1) if values.ndim == 4 else values.reshape(-1)
    cells, per = head.side * head.side, head.boxes
    classes = flat[: cells * head.classes].reshape(cells, 1, head.classes)
    if head.softmax:
        classes = _softmax(classes)
    confidence = flat[cells * head.classes : cells * (head.classes + per)].reshape(cells, per, 1)
    raw = flat[cells * (head.classes + per) :].reshape(-1, 4)
    sizes = raw[:, 2:] ** 2 if head.root else raw[:, 2:]
    scores = (confidence * classes).reshape(-1, head.classes)
    return _assembled(raw[:, :2], sizes, (head.side, head.side), scores, threshold)
