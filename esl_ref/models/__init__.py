# SPDX-License-Identifier: Apache-2.0
"""The embedded model: a small int8 digit classifier that every command can run without a file of the user's.

`python -m esl_ref.models.train_embedded` made it; `embedded/embedded.json` says how accurate it is and from what.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "EMBEDDED",
    "embedded_calibration",
    "embedded_float",
    "embedded_inputs",
    "embedded_labels",
    "embedded_metadata",
    "embedded_path",
    "embedded_stimuli",
]

EMBEDDED = Path(__file__).parent / "embedded"


def embedded_path() -> Path:
    """The int8 model, `embedded.tflite`."""
    return EMBEDDED / "embedded.tflite"


def _array(path: Path, key: str) -> npt.NDArray[Any]:
    with np.load(path) as archive:
        array: npt.NDArray[Any] = archive[key]
    return array


def embedded_inputs(folder: Path = EMBEDDED) -> npt.NDArray[np.int8]:
    """The held-out test images as the model takes them, int8 [n, 28, 28, 1]: grey value minus 128."""
    return _array(folder / "embedded_test.npz", "inputs")


def embedded_labels(folder: Path = EMBEDDED) -> npt.NDArray[np.uint8]:
    """The digit on each test image, uint8 [n]."""
    return _array(folder / "embedded_test.npz", "labels")


def embedded_stimuli() -> npt.NDArray[np.int8]:
    """Ten test images, one of each digit in order, int8 [10, 28, 28, 1]: for co-simulation, where each costs time."""
    return _array(EMBEDDED / "embedded_stimuli.npz", "image")


def embedded_calibration(folder: Path = EMBEDDED) -> npt.NDArray[np.uint8]:
    """Training images that activation ranges are taken from, uint8 [n, 28, 28, 1]."""
    return _array(folder / "embedded_calibration.npz", "images")


def embedded_float(folder: Path = EMBEDDED) -> dict[str, npt.NDArray[np.float32]]:
    """The trained float parameters, `<layer>/weight` and `<layer>/bias`."""
    with np.load(folder / "embedded_float.npz") as archive:
        return {name: archive[name] for name in sorted(archive.files)}


def embedded_metadata(folder: Path = EMBEDDED) -> dict[str, Any]:
    """Measured accuracy, sizes and provenance."""
    metadata: dict[str, Any] = json.loads((folder / "embedded.json").read_text())
    return metadata
