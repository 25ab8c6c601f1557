# SPDX-License-Identifier: Apache-2.0
"""Heads of all kinds on seeded networks against Debian's darknet: boxes, probabilities, suppression."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from esl_ref.detection.objects import find, network_input
from esl_ref.floating.executor import run
from tests.esl_ref.frontends.darknet.nets import made, net
from tests.helpers.darknet_oracle import detect, need_darknet

LEAST = 0.08  # of random weights little is probable
BODY = "convolutional filters=8 size=3 stride=4 pad=1 activation=leaky; "
HEADS = {
    "yolo": net(32, 32, 3, BODY + "convolutional filters=27 activation=linear;"
                "yolo classes=4 num=4 mask=3,0,1 anchors=10,12,20,9,30,40,5,6"),
    "yolo_default": net(32, 32, 3, BODY + "convolutional filters=8 activation=linear; yolo classes=3"),
    "region": net(32, 32, 3, BODY + "convolutional filters=18 activation=linear;"
                  "region classes=4 num=2 softmax=1 anchors=1,2,3.5,2.5"),
    "region_logistic": net(32, 32, 3, BODY + "convolutional filters=18 activation=linear;"
                           "region classes=4 num=2 anchors=1,2,3.5,2.5"),
    "detection": net(32, 32, 3, BODY + "connected output=117 activation=logistic;"
                     "detection classes=3 coords=4 num=2 side=3 sqrt=1"),
    "detection_softmax": net(32, 32, 3, BODY + "connected output=72 activation=logistic;"
                             "detection classes=3 coords=4 num=1 side=3 softmax=1"),
}  # fmt: skip


@pytest.mark.parametrize("kind", HEADS)
def test_objects(kind: str, tmp_path: Path) -> None:
    need_darknet()
    _, cfg, weights, graph = made(tmp_path, HEADS[kind], seed=5)
    path = tmp_path / "noise.png"
    Image.fromarray(np.random.default_rng(2).integers(0, 256, (40, 40, 3), np.uint8)).save(path)
    image, fit = network_input(path, graph.shapes["input"], graph.heads)
    want = detect(cfg, weights, path, graph.heads[0].classes, LEAST, tmp_path)["objects"]
    if kind.startswith("detection"):
        want[:, :4] /= 40  # Darknet's are in pixels of the picture
    found = find(graph.heads, run(graph, {"input": image}), fit, threshold=LEAST)
    got = np.array(sorted((*each.box, each.number, each.probability) for each in found)).reshape(-1, 6)
    assert len(want) > 3
    np.testing.assert_allclose(got, sorted(map(tuple, want)), rtol=2e-4, atol=1e-5)
