# SPDX-License-Identifier: Apache-2.0
"""Heads as JSON, boxes by hand, suppression, and pictures in and out of the letterbox."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from esl_ref.detection import DetectionHead, RegionHead, YoloHead, from_plain, to_plain
from esl_ref.detection.decode import decode
from esl_ref.detection.letterbox import Fit, letterbox, resize, stretch
from esl_ref.detection.objects import find, read_names
from esl_ref.detection.suppress import overlap, suppress
from esl_ref.errors import EslError, InputError, ModelError, UnsupportedError
from esl_ref.picture import read_pixels

YOLO = YoloHead("t", (64, 32), 2, ((8.0, 16.0), (4.0, 4.0)))
REGION = RegionHead("t", (64, 32), 2, ((1.0, 2.0),), softmax=True)
DETECTION = DetectionHead("t", (64, 64), 2, 3, 2, root=True)


@pytest.mark.parametrize("head", [YOLO, REGION, DETECTION])
def test_heads_survive_json(head) -> None:
    assert from_plain(json.loads(json.dumps(to_plain(head)))) == head


@pytest.mark.parametrize(
    ("plain", "match"),
    [
        ({}, "no detection head is called 'None'"),
        ({**to_plain(YOLO), "colour": 1}, "has no field 'colour'"),
        ({"kind": "yolo", "tensor": "t"}, "is incomplete"),
        ({**to_plain(YOLO), "anchors": [1]}, "is incomplete"),
    ],
)
def test_damaged_heads(plain: dict, match: str) -> None:
    with pytest.raises(ModelError, match=match):
        from_plain(plain)


def test_a_yolo_box_by_hand() -> None:
    values = np.full((1, 2, 4, 14), -9.0, np.float32)  # 2 x 4 cells of a 64 x 32 input
    values[0, 1, 2, 7:] = (0.0, 0.0, np.log(2), 0.0, 3.0, -1.0, 2.0)  # second anchor, 4 x 4
    found = decode(YOLO, values, 0.5)
    np.testing.assert_allclose(found.boxes, [[2.5 / 4, 1.5 / 2, 2 * 4 / 32, 4 / 64]], rtol=1e-6)
    sigmoid = 1 / (1 + np.exp(-np.array([3.0, 2.0])))
    np.testing.assert_allclose(found.probabilities, [[0, sigmoid[0] * sigmoid[1]]], rtol=1e-6)


def test_centres_reach_further_with_scale_and_sizes_with_squares() -> None:
    values = np.full((1, 1, 1, 7), 0.5, np.float32)
    wide = YoloHead("t", (8, 8), 2, ((4.0, 2.0),), scale_xy=2.0, squared=True)
    (box,) = decode(wide, values, 0.2).boxes
    np.testing.assert_allclose(box, [0.5 * 2 - 0.5, 0.5 * 2 - 0.5, 4 / 8, 2 / 8])


def test_wild_values_give_finite_boxes() -> None:
    for head, shape in ((YOLO, (1, 2, 2, 14)), (REGION, (1, 2, 2, 7))):
        for value in (-1e30, 1e30):
            with np.errstate(over="ignore", invalid="raise"):
                assert np.isfinite(decode(head, np.full(shape, value, np.float32), 0.1).boxes).all()


def test_heads_refuse_what_does_not_fit() -> None:
    for head, shape in ((YOLO, (1, 2, 2, 13)), (REGION, (2, 2, 7)), (DETECTION, (1, 5))):
        with pytest.raises(InputError, match="needed"):
            decode(head, np.zeros(shape, np.float32), 0.5)
    with pytest.raises(UnsupportedError, match="9k.tree"):
        decode(RegionHead("t", (8, 8), 2, ((1.0, 1.0),), tree="9k.tree"), np.zeros((1, 1, 1, 7)), 0.5)
    with pytest.raises(ModelError, match="disagree"):
        find([YOLO, YoloHead("u", (8, 8), 3, ((1.0, 1.0),))], {}, Fit.boxed((8, 8), (8, 8)))


def test_overlap_and_suppression() -> None:
    boxes = np.array([[0.5, 0.5, 1, 1], [0.5, 0.75, 1, 0.5], [0.9, 0.5, 1, 1], [0.5, 0.5, 0, 0]])
    np.testing.assert_allclose(overlap(boxes[0], boxes), [1, 0.5, 0.6 / 1.4, 0])
    scores = np.array([[0.9, 0.1], [0.8, 0.6], [0.7, 0.5], [0.2, 0.2]])
    kept = suppress(boxes, scores, 0.45)
    # The second is beaten by the first in class 0, and beats it in class 1, where third and fourth stand alone.
    np.testing.assert_array_equal(kept, [[0.9, 0], [0, 0.6], [0.7, 0.5], [0.2, 0.2]])
    np.testing.assert_array_equal(suppress(boxes, scores, 1.0), scores)


@pytest.mark.parametrize("size", [(3, 5), (10, 4), (7, 7), (1, 9), (9, 1)])
@pytest.mark.parametrize("network", [(8, 8), (6, 12), (1, 1)])
def test_boxes_find_back_into_the_picture(size: tuple[int, int], network: tuple[int, int]) -> None:
    fit = Fit.boxed(size, network)
    assert max(a / b for a, b in zip(fit.inner, network, strict=True)) == 1
    whole = np.array([[0.5, 0.5, fit.inner[1] / network[1], fit.inner[0] / network[0]]])
    np.testing.assert_allclose(fit.to_picture(whole), [[0.5, 0.5, 1, 1]], rtol=1e-6)
    picture = np.random.default_rng(0).random((*size, 3)).astype(np.float32)
    for made, how in (letterbox(picture, network), stretch(picture, network)):
        assert made.shape == (*network, 3) and np.isfinite(made).all() and how.network == network


def test_resize_keeps_corners_and_lines() -> None:
    ramp = np.broadcast_to(np.arange(9, dtype=np.float32)[:, None, None], (9, 5, 1)).copy()
    made = resize(ramp, (17, 3))
    np.testing.assert_allclose(made[:, 0, 0], np.arange(17) / 2, rtol=1e-6)
    np.testing.assert_array_equal(resize(ramp, (9, 5)), ramp)


def test_pictures_and_names(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    picture = Image.fromarray(pixels)
    exif = picture.getexif()
    exif[0x0112] = 6  # to be turned by a quarter
    picture.save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(read_pixels(tmp_path / "turned.png"), np.rot90(pixels, -1))
    assert read_pixels(tmp_path / "turned.png", 1).shape == (6, 4, 1)
    (tmp_path / "names").write_text("one\r\ntwo\n")
    assert read_names(tmp_path / "names") == ["one", "two"]
    (tmp_path / "cut.png").write_bytes((tmp_path / "turned.png").read_bytes()[:60])
    for path, channels in (("cut.png", 3), ("names", 3), ("none", 3), (".", 3), ("turned.png", 2)):
        with pytest.raises(EslError):
            read_pixels(tmp_path / path, channels)
