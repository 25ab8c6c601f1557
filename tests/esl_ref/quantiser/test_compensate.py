# SPDX-License-Identifier: Apache-2.0
"""Weights that make up for noise: what is fitted, when it is not, and what it is worth in a network."""

from __future__ import annotations

import numpy as np
import pytest

from esl_ref.floating.graph import Conv
from esl_ref.quantiser import Options, quantise
from esl_ref.quantiser import compensate as module
from esl_ref.quantiser.calibrate import calibrate
from esl_ref.quantiser.compensate import _Moments, _places, compensate, fit
from esl_ref.quantiser.evaluate import evaluate
from esl_ref.quantiser.prepare import prepare
from esl_ref.quantiser.ranges import Method
from esl_ref.quantiser.scales import assign
from tests.esl_ref.quantiser.nets import LEAKY, RELU, Net, data, detector


def _folds(rng, true, noise, places=200, count=4):
    """Errors [1, places, 2] that are `true` of the inputs [1, places, 3] plus noise, in folds."""
    found = []
    for _ in range(count):
        ifm = rng.normal(1.0, 2.0, (1, places, 3))
        found.append(_Moments.of(ifm, ifm @ true + 0.25 + noise * rng.normal(size=(1, places, 2))))
    return found


def test_a_linear_error_is_found():
    rng = np.random.default_rng(0)
    true = rng.normal(size=(1, 3, 2))
    weight, bias = fit(_folds(rng, true, 0.01))
    np.testing.assert_allclose(weight, true, atol=0.01)
    np.testing.assert_allclose(bias, 0.25, atol=0.02)


def test_noise_is_not_learnt():
    """Errors that have nothing to do with the inputs, in few samples: only their mean is taken."""
    rng = np.random.default_rng(1)
    weight, bias = fit(_folds(rng, np.zeros((1, 3, 2)), 5.0, places=6, count=2))
    assert np.abs(weight).max() < 0.5
    np.testing.assert_allclose(bias, 0.25, atol=3)
    none, _ = fit(_folds(rng, np.zeros((1, 3, 2)), 0.0))
    np.testing.assert_allclose(none, 0, atol=1e-9)


def test_an_input_that_never_changes_does_no_harm():
    rng = np.random.default_rng(2)
    folds = []
    for _ in range(2):
        ifm = np.concatenate([rng.normal(size=(1, 50, 1)), np.zeros((1, 50, 1)), np.full((1, 50, 1), 3.0)], axis=2)
        folds.append(_Moments.of(ifm, 0.5 * ifm[..., :1]))
    weight, bias = fit(folds)
    assert np.isfinite(weight).all()
    np.testing.assert_allclose(weight[0, :, 0], [0.5, 0, 0], atol=1e-3)
    np.testing.assert_allclose(bias, 0, atol=1e-2)


@pytest.mark.parametrize("groups, stride, dilation", [(1, 1, 1), (4, 1, 1), (2, 2, 1), (1, 1, 2)])
def test_inputs_of_an_output_place_are_those_of_the_convolution(groups, stride, dilation):
    net = Net((1, 9, 9, 4))
    out = net.conv("x", 8, 3, stride, 1, groups, dilation=dilation)
    op: Conv = net.ops[0]
    ifm = np.random.default_rng(0).normal(size=(1, 9, 9, 4))
    rows = _places(op, ifm, net.shapes[out])
    weight = op.weight.load().reshape(groups, 8 // groups, -1).astype(np.float64)
    got = (rows @ weight.transpose(0, 2, 1)).transpose(1, 0, 2).reshape(net.shapes[out]) + op.bias.load()
    from esl_ref.floating.kernels import apply

    np.testing.assert_allclose(got, apply(op, [ifm], net.shapes[out]), atol=1e-9)


def test_a_large_map_is_looked_at_on_a_grid(monkeypatch):
    monkeypatch.setattr(module, "_PLACES", 16)
    net = Net((1, 9, 9, 4))
    out = net.conv("x", 8, 1, 1, 0)
    ifm = np.random.default_rng(0).normal(size=(1, 9, 9, 4))
    np.testing.assert_array_equal(_places(net.ops[0], ifm, net.shapes[out])[0], ifm[0, ::3, ::3].reshape(9, 4))


def _noisy_net():
    """Channels of unlike sizes in one tensor: the small ones are coarse, and the layers after them amplify that."""
    net = Net((1, 16, 16, 3), seed=2)
    source = "x"
    for _ in range(3):
        source = net.conv(source, 12, 1, pad=0, activation=LEAKY)
        source = net.conv(source, 12, 3, groups=12, activation=RELU)
    return net.graph(net.conv(source, 6, 1, pad=0))


def test_networks_gain_on_inputs_that_were_not_seen():
    graph = _noisy_net()
    decibels = {}
    for compensated in (False, True):
        result = quantise(graph, data(graph, 8), Options(equalise=False, compensate=compensated))
        fresh = data(graph, 12).some(12).samples[8:]
        report = evaluate(result.prepared, result.graph, [make() for make in fresh])
        decibels[compensated] = report.outputs[0].sqnr
    assert decibels[True] > decibels[False] + 0.5, decibels


def test_every_layer_has_weights_and_progress_is_told_per_sample():
    graph = prepare(detector())
    samples = data(graph, 3)
    scales = assign(graph, calibrate(graph, samples), Method.MSE).of
    told = []
    layers = compensate(graph, scales, samples, lambda: told.append(1))
    assert set(layers) == {op.name for op in graph.ops if isinstance(op, Conv)} and len(told) == 3


def test_one_sample_or_little_room_will_do(monkeypatch):
    """Then only means are corrected."""
    monkeypatch.setattr(module, "_ROOM", 1)
    graph = detector()
    result = quantise(graph, data(graph, 4))
    report = evaluate(result.prepared, result.graph, data(graph, 4))
    assert all(output.cosine > 0.99 for output in report.outputs)
