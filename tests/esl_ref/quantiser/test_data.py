# SPDX-License-Identifier: Apache-2.0
"""Calibration data from folders, pictures and arrays."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from esl_ref.errors import InputError
from esl_ref.quantiser.data import ENOUGH, from_path, from_seed
from tests.esl_ref.quantiser.nets import classifier, detector

GRAPH = detector()


def _pictures(folder, count=3, size=(40, 20)):
    for k in range(count):
        pixels = np.random.default_rng(k).integers(0, 256, (*size, 3), np.uint8)
        (folder / f"sub{k % 2}").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(folder / f"sub{k % 2}" / f"{k}.png")
    (folder / "notes.txt").write_text("no picture")


def test_a_folder_gives_its_pictures_as_run_takes_them(tmp_path):
    from esl_ref.detection.objects import network_input

    _pictures(tmp_path)
    data = from_path(GRAPH, tmp_path, crops=0)
    assert len(data) == 3 and data.input_range == (0.0, 1.0)
    first = next(iter(data))["x"]
    np.testing.assert_array_equal(first, network_input(tmp_path / "sub0" / "0.png", (1, 16, 16, 3), GRAPH.heads)[0])
    one = from_path(GRAPH, tmp_path / "sub0" / "2.png", crops=0, pixels=(-1.0, 1.0))
    assert len(one) == 1 and one.input_range == (-1.0, 1.0) and next(iter(one))["x"].min() < 0


def test_crops_are_parts_and_always_the_same(tmp_path):
    _pictures(tmp_path, 1, (16, 16))
    data = from_path(GRAPH, tmp_path, crops=3)
    samples, again = ([sample["x"] for sample in data] for _ in range(2))
    assert len(samples) == 4 and len({sample.tobytes() for sample in samples}) == 4
    for a, b in zip(samples, again, strict=True):
        np.testing.assert_array_equal(a, b)
    for part in samples[1:]:
        assert part.shape == (1, 16, 16, 3) and part.min() >= 0 and part.max() <= 1
        assert abs(part.mean() - samples[0].mean()) < 0.2  # a little darker or paler


def test_few_pictures_get_parts_until_they_are_enough(tmp_path):
    _pictures(tmp_path)
    assert len(from_path(GRAPH, tmp_path)) == ENOUGH == 24
    assert len(from_path(GRAPH, tmp_path / "sub0" / "0.png")) == ENOUGH


def test_some_crops_are_mirrored(tmp_path):
    """Brightness that rises from left to right falls in a mirrored part."""
    ramp = np.repeat(np.arange(16, dtype=np.uint8)[None, :, None] * 16, 16, axis=0).repeat(3, axis=2)
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    rises = [sample["x"][0, 0, -1, 0] > sample["x"][0, 0, 0, 0] for sample in from_path(GRAPH, tmp_path, crops=12)]
    assert rises[0] and 2 <= sum(rises[1:]) <= 10


def test_no_more_than_asked_for_evenly_spread(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(10.0)[:, None, None, None] * np.ones((10, 16, 16, 3)))
    data = from_path(GRAPH, tmp_path / "x.npy", limit=3)
    assert [sample["x"][0, 0, 0, 0] for sample in data] == [0.0, 3.0, 6.0]
    assert len(data.some(2)) == 2 and data.input_range is None


@pytest.mark.parametrize("shape", [(1, 16, 16, 3), (16, 16, 3), (5, 16, 16, 3), (5, 1, 16, 16, 3)])
def test_arrays_with_and_without_axes(tmp_path, shape):
    np.savez(tmp_path / "x.npz", anything=np.random.default_rng(0).random(shape))
    if shape == (16, 16, 3):
        with pytest.raises(InputError, match=r"\[16, 16, 3\]"):
            from_path(GRAPH, tmp_path / "x.npz")
        return
    data = from_path(GRAPH, tmp_path / "x.npz")
    assert len(data) == (5 if shape[0] == 5 else 1)
    assert all(sample["x"].shape == (1, 16, 16, 3) for sample in data)


def _array(folder, value):
    np.save(folder / "x.npy", value)
    return folder / "x.npy"


def _file(folder, name, content):
    (folder / name).write_bytes(content)
    return folder / name


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda d: d, "holds no pictures"),
        (lambda d: d / "absent", "no such file or folder"),
        (lambda d: _array(d, np.zeros((0, 16, 16, 3))), "holds no samples"),
        (lambda d: _array(d, np.zeros((4, 15, 16, 3))), r"has shape \[4, 15, 16, 3\]"),
        (lambda d: _array(d, np.full((1, 16, 16, 3), "a")), "real numbers"),
        (lambda d: _file(d, "x.npz", b"PK broken"), "cannot be read as numpy data"),
    ],
)
def test_bad_sets_are_refused(tmp_path, make, message):
    with pytest.raises(InputError, match=message):
        from_path(GRAPH, make(tmp_path))


def test_a_picture_that_does_not_decode_is_named(tmp_path):
    path = _file(tmp_path, "broken.jpg", b"\xff\xd8\xff nonsense")
    with pytest.raises(InputError, match="broken.jpg"):
        next(iter(from_path(GRAPH, tmp_path)))
    assert path.exists()


def test_noise_is_seeded_and_says_so():
    data = from_seed(classifier(), 3, 2)
    assert len({sample["x"].tobytes() for sample in data}) == 2
    np.testing.assert_array_equal(next(iter(data))["x"], next(iter(from_seed(classifier(), 3)))["x"])
