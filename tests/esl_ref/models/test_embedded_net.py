# SPDX-License-Identifier: Apache-2.0
"""The float network: its gradients against finite differences, its layers against the loops of their definition."""

from __future__ import annotations

import numpy as np
import pytest

from esl_ref.models import embedded_net as net


@pytest.fixture(scope="module")
def params() -> net.Params:
    rng = np.random.default_rng(1)
    # Non-zero biases, so that a gradient which forgets them is seen.
    return {k: v.astype(np.float64) + 0.05 * rng.standard_normal(v.shape) for k, v in net.init_params(rng).items()}


@pytest.fixture(scope="module")
def images() -> net.FloatArray:
    return np.random.default_rng(2).uniform(0, 1, (2, *net.INPUT_SHAPE))


def _with_weights() -> list[str]:
    return [layer.name for layer in net.NETWORK if layer.has_weights]


@pytest.mark.parametrize("part", ["weight", "bias"])
@pytest.mark.parametrize("name", _with_weights())
def test_gradient_equals_finite_difference(name: str, part: str, params: net.Params, images: net.FloatArray) -> None:
    rng = np.random.default_rng(3)
    key, logits = f"{name}/{part}", net.NETWORK[-1].name
    # A small step: a larger one carries some ReLU or maximum over its kink.
    probe, direction, step = rng.standard_normal((2, 10)), rng.standard_normal(params[key].shape), 1e-8
    ahead, behind = (
        float((net.forward(images, {**params, key: params[key] + sign * step * direction})[logits] * probe).sum())
        for sign in (1, -1)
    )
    gradient = net.backward(net.forward(images, params), params, probe)[key]
    assert float((gradient * direction).sum()) == pytest.approx((ahead - behind) / (2 * step), rel=1e-4, abs=1e-5)


def _convolve(x: net.FloatArray, weight: net.FloatArray, stride: int, depthwise: bool) -> net.FloatArray:
    """SAME convolution of one image [h, w, c], spelled out pixel by pixel."""
    kernel = weight.shape[1]
    rows, columns = (-(-n // stride) for n in x.shape[:2])
    before = [max((out - 1) * stride + kernel - n, 0) // 2 for out, n in zip((rows, columns), x.shape[:2], strict=True)]
    out = np.zeros((rows, columns, weight.shape[3] if depthwise else weight.shape[0]))
    for oy, ox, ky, kx in np.ndindex(rows, columns, kernel, kernel):
        y, z = oy * stride + ky - before[0], ox * stride + kx - before[1]
        if 0 <= y < x.shape[0] and 0 <= z < x.shape[1]:
            out[oy, ox] += x[y, z] * weight[0, ky, kx] if depthwise else weight[:, ky, kx] @ x[y, z]
    return out


@pytest.mark.parametrize("layer", [e for e in net.NETWORK if e.kind in ("conv", "depthwise")], ids=lambda e: e.name)
def test_convolutions_equal_their_definition(layer: net.Layer, params: net.Params, images: net.FloatArray) -> None:
    trace = net.forward(images, params)
    weight, bias = params[f"{layer.name}/weight"], params[f"{layer.name}/bias"]
    expected = _convolve(trace[layer.source][1], weight, layer.stride, layer.kind == "depthwise") + bias
    low, high = {"NONE": (-np.inf, np.inf), "RELU": (0, np.inf), "RELU6": (0, 6)}[layer.activation]
    np.testing.assert_allclose(trace[layer.name][1], np.clip(expected, low, high), atol=1e-9)


def test_pools_and_additions(params: net.Params, images: net.FloatArray) -> None:
    trace = net.forward(images, params)
    assert trace["pool1"][0, 3, 5, 7] == trace["conv1"][0, 6:8, 10:12, 7].max()
    np.testing.assert_allclose(trace["pool5"][1, 0, 0], trace["conv5"][1].mean(axis=(0, 1)))
    np.testing.assert_allclose(trace["add2"], np.maximum(trace["pw2"] + trace["pool1"], 0))
    np.testing.assert_allclose(trace["add4"], trace["pw4"] + trace["pw3"])


def test_network_has_every_kind_of_layer_and_awkward_shapes() -> None:
    """What the embedded model is for: one of each operator, stride 2 with one-sided padding, channels beside 16."""
    kinds = {layer.kind for layer in net.NETWORK}
    assert kinds == {"conv", "depthwise", "add", "maxpool", "avgpool", "dense"}
    assert {layer.stride for layer in net.NETWORK if layer.kind == "depthwise"} == {1, 2}
    assert any(layer.channels % 16 for layer in net.NETWORK if layer.kind == "conv")
    assert {layer.activation for layer in net.NETWORK if layer.kind == "add"} == {"RELU", "NONE"}


def test_macs_counts_every_product(params: net.Params) -> None:
    by_hand = 0
    trace = net.forward(np.zeros((1, *net.INPUT_SHAPE)), params)
    for name in _with_weights():
        weight, pixels = params[f"{name}/weight"], int(np.prod(trace[name].shape[1:-1]))
        by_hand += weight.size * pixels
    assert net.macs(params) == by_hand
