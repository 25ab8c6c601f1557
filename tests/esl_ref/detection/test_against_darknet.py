# SPDX-License-Identifier: Apache-2.0
"""Trained networks on pictures, from the file to the boxes, against Debian's darknet."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from esl_ref.detection.letterbox import letterbox
from esl_ref.detection.objects import find, network_input, read_names
from esl_ref.floating.executor import run
from esl_ref.frontends.darknet import load_file, read_network
from esl_ref.picture import read_pixels
from tests.helpers.darknet_oracle import Job, detect, need_darknet, predict

NETWORKS = (("yolo-fastest-1.1", "dog"), ("MobileNetV2-YOLO-Fastest-voc", "dog"), ("yoloface-50k", "person"))
TOLERANCE = 2e-4
"""Largest difference of any element of a head's tensor, whose values go to some ten: sums of up to 4000 products in
another order, through up to 130 layers."""


def files(data_dir: Path, name: str) -> tuple[Path, Path]:
    folder = data_dir / "darknet" / "weights"
    return folder / f"{name}.cfg", folder / f"{name}.weights"


def cut_after(cfg: Path, layer: int, folder: Path) -> Path:
    """The configuration up to and including a layer: the library shows its last layer only."""
    network, lines = read_network(cfg), cfg.read_text().splitlines()
    end = network.layers[layer + 1].section.line - 1 if layer + 1 < len(network.layers) else len(lines)
    path = folder / f"{cfg.stem}-{layer}.cfg"
    path.write_text("\n".join(lines[:end]) + "\n")
    return path


@pytest.mark.parametrize(("name", "picture"), NETWORKS)
def test_head_tensors(name: str, picture: str, data_dir: Path, tmp_path: Path) -> None:
    need_darknet()
    cfg, weights = files(data_dir, name)
    graph = load_file(cfg, weights)
    image, _ = network_input(data_dir / "darknet" / "data" / f"{picture}.jpg", graph.shapes["input"], graph.heads)
    got = run(graph, {"input": image})
    jobs = [
        Job(cut_after(cfg, int(output.removeprefix("convolutional")), tmp_path), weights, image[0],
            graph.shapes[output][1:])
        for output in graph.outputs
    ]  # fmt: skip
    for output, want in zip(graph.outputs, predict(jobs, tmp_path), strict=True):
        assert np.abs(got[output][0] - want).max() < TOLERANCE


@pytest.mark.parametrize(("name", "picture"), NETWORKS)
def test_objects(name: str, picture: str, data_dir: Path, tmp_path: Path) -> None:
    need_darknet()
    cfg, weights = files(data_dir, name)
    path = data_dir / "darknet" / "data" / f"{picture}.jpg"
    graph = load_file(cfg, weights)
    image, fit = network_input(path, graph.shapes["input"], graph.heads)
    # Debian's version does not know `scale_x_y`.
    heads = [dataclasses.replace(head, scale_xy=1.0) for head in graph.heads]
    found = find(heads, run(graph, {"input": image}), fit, threshold=0.2)
    want = detect(cfg, weights, path, heads[0].classes, 0.2, tmp_path)
    np.testing.assert_allclose(image[0], want["letterboxed"], atol=1e-6)
    rows = sorted(want["objects"], key=lambda row: -row[5])
    assert len(rows) == len(found) > 0
    got = [(*each.box, each.number, each.probability) for each in found]
    np.testing.assert_allclose(got, rows, rtol=1e-4, atol=1e-4)


def test_the_dog_the_car_and_the_bicycle(data_dir: Path) -> None:
    """With the network's own `scale_x_y`; no oracle needed."""
    graph = load_file(*files(data_dir, "yolo-fastest-1.1"))
    image, fit = network_input(data_dir / "darknet" / "data" / "dog.jpg", graph.shapes["input"], graph.heads)
    names = read_names(data_dir / "darknet" / "data" / "coco.names")
    found = find(graph.heads, run(graph, {"input": image}), fit, names)
    assert [(each.name, round(each.probability, 2)) for each in found] == [
        ("dog", 0.61), ("bicycle", 0.60), ("car", 0.54)]  # fmt: skip


@pytest.mark.parametrize("picture", ["eagle", "horses"])
def test_pictures_are_read_and_letterboxed_alike(picture: str, data_dir: Path, tmp_path: Path) -> None:
    need_darknet()
    path = data_dir / "darknet" / "data" / f"{picture}.jpg"
    want = detect(*files(data_dir, "yoloface-50k"), path, 1, 0.9, tmp_path)
    pixels = (read_pixels(path) / 255.0).astype(np.float32)
    np.testing.assert_array_equal(pixels, want["picture"])
    made, fit = letterbox(pixels, (56, 56))
    assert max(fit.inner) == 56
    np.testing.assert_allclose(made, want["letterboxed"], atol=2e-7)
