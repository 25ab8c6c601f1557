# SPDX-License-Identifier: Apache-2.0
"""From a picture to a network's input, and from the network's outputs to the objects in the picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from esl_ref.detection.decode import decode
from esl_ref.detection.heads import DetectionHead, Head
from esl_ref.detection.letterbox import Fit, letterbox, stretch
from esl_ref.detection.suppress import suppress
from esl_ref.errors import InputError, ModelError
from esl_ref.picture import read_pixels

__all__ = ["OVERLAP", "THRESHOLD", "Found", "find", "network_input", "read_names"]

THRESHOLD, OVERLAP = 0.5, 0.45
"""Darknet's own defaults: least probability, and most intersection over union of two boxes of a class."""


@dataclass(frozen=True)
class Found:
    """One object: its class, probability, and box (centre x, y, width, height) in parts of the picture."""

    number: int
    name: str
    probability: float
    box: tuple[float, float, float, float]

    def corners(self, size: tuple[int, int]) -> tuple[int, int, int, int]:
        """(left, top, right, bottom) in pixels of a picture of `size` (height, width), within it."""
        x, y, wide, high = self.box
        h, w = size
        return (max(0, int((x - wide / 2) * w)), max(0, int((y - high / 2) * h)),
                min(w - 1, int((x + wide / 2) * w)), min(h - 1, int((y + high / 2) * h)))  # fmt: skip


def network_input(path: Path, shape: Sequence[int], heads: Sequence[Head]) -> tuple[npt.NDArray[np.float32], Fit]:
    """[1, H, W, C] of real numbers 0..1 from a picture, and how it lies there: letterboxed, for YOLOv1 stretched."""
    _, h, w, c = shape
    picture = (read_pixels(path, c) / 255.0).astype(np.float32)
    place = stretch if any(isinstance(head, DetectionHead) for head in heads) else letterbox
    values, fit = place(picture, (h, w))
    return values[None], fit


def find(
    heads: Sequence[Head], outputs: Mapping[str, npt.NDArray[Any]], fit: Fit, names: Sequence[str] = (),
    threshold: float = THRESHOLD, limit: float = OVERLAP,
) -> list[Found]:  # fmt: skip
    """Objects that the heads see in their tensors' real values, the most probable first."""
    if len({head.classes for head in heads}) > 1:
        raise ModelError(f"heads disagree on the number of classes {[head.classes for head in heads]}")
    found = [decode(head, outputs[head.tensor], threshold) for head in heads]
    if not found:
        return []
    boxes = fit.to_picture(np.concatenate([each.boxes for each in found]))
    kept = suppress(boxes, np.concatenate([each.probabilities for each in found]), limit)
    objects = [
        Found(int(k), names[k] if k < len(names) else f"class {k}", float(kept[n, k]),
              (float(boxes[n, 0]), float(boxes[n, 1]), float(boxes[n, 2]), float(boxes[n, 3])))
        for n, k in np.argwhere(kept > threshold)
    ]  # fmt: skip
    return sorted(objects, key=lambda each: -each.probability)


def read_names(path: Path) -> list[str]:
    """Class names, one per line."""
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path)) from error
