# SPDX-License-Identifier: Apache-2.0
"""What Darknet's forks add and Debian's version does not know, against the equations in numpy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from esl_ref.floating.executor import run
from esl_ref.frontends.darknet import read_cfg
from tests.esl_ref.frontends.darknet.nets import image, made, net

CONV = "convolutional filters=4 size=3 pad=1 activation=linear"


def all_tensors(tmp_path: Path, text: str) -> dict[str, np.ndarray]:
    """Every tensor by name, without the batch; the shape graph has the same sizes."""
    network, cfg, _, graph = made(tmp_path, text)
    shapes = [node.shape for node in read_cfg(cfg).graph.nodes]
    assert {layer.shape for layer in network.layers} <= set(shapes)
    return {name: value[0] for name, value in run(graph, {"input": image(network)[None]}, keep="all").items()}


def test_channels_scaled_by_what_they_hold(tmp_path: Path) -> None:
    """Squeeze and excitation: the map times a vector, which is the layer before."""
    t = all_tensors(tmp_path, net(6, 5, 3, f"{CONV}; avgpool; convolutional filters=4 activation=logistic;"
                                           "scale_channels from=-3 activation=leaky"))  # fmt: skip
    product = t["convolutional0"] * t["convolutional2"]
    np.testing.assert_allclose(t["scale_channels3"], np.where(product > 0, product, 0.1 * product), rtol=1e-6)


def test_two_maps_multiplied(tmp_path: Path) -> None:
    t = all_tensors(tmp_path, net(6, 5, 3, f"{CONV}; {CONV}; sam from=-2"))
    np.testing.assert_allclose(t["sam2"], t["convolutional0"] * t["convolutional1"], rtol=1e-6)


def test_routes_of_parts(tmp_path: Path) -> None:
    t = all_tensors(tmp_path, net(6, 5, 3, f"{CONV}; {CONV}; route layers=-1,-2 groups=2 group_id=1;"
                                           "route layers=0 groups=4"))  # fmt: skip
    joined = np.concatenate([t["convolutional1"][..., 2:], t["convolutional0"][..., 2:]], axis=-1)
    np.testing.assert_array_equal(t["route2"], joined)
    np.testing.assert_array_equal(t["route3.part"], t["convolutional0"][..., :1])


def test_dilated_taps_lie_apart(tmp_path: Path) -> None:
    network, _, _, graph = made(tmp_path, net(9, 8, 2, "convolutional filters=3 size=3 pad=1 dilation=2 "
                                                       "activation=linear"))  # fmt: skip
    picture, conv = image(network), graph.ops[0]
    padded = np.pad(picture, ((2, 2), (2, 2), (0, 0)))
    want = np.zeros((9, 8, 3)) + conv.bias.load()
    for ky, kx in np.ndindex(3, 3):
        want += padded[2 * ky : 2 * ky + 9, 2 * kx : 2 * kx + 8] @ conv.weight.load()[:, ky, kx].T
    got = run(graph, {"input": picture[None]})["convolutional0"][0]
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("relu6", lambda x: np.clip(x, 0, 6)),
        ("swish", lambda x: x / (1 + np.exp(-x))),
        ("mish", lambda x: x * np.tanh(np.log1p(np.exp(x)))),
    ],
)
def test_activations(name: str, formula, tmp_path: Path) -> None:
    t = all_tensors(tmp_path, net(6, 5, 3, f"activation activation={name}"))
    np.testing.assert_allclose(t["activation0"], formula(t["input"].astype(np.float64)), rtol=1e-5, atol=1e-6)
