# SPDX-License-Identifier: Apache-2.0
"""Weights of elements: the noise that they predict is the noise that is measured; ranges follow them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from esl_ref.floating.executor import random_inputs, run
from esl_ref.floating.graph import Parameter
from esl_ref.floating.kernels import apply
from esl_ref.quantiser.calibrate import calibrate
from esl_ref.quantiser.histogram import Histogram
from esl_ref.quantiser.importance import _FLOOR, importance
from esl_ref.quantiser.prepare import prepare
from esl_ref.quantiser.ranges import Method, choose_range
from tests.esl_ref.quantiser.nets import LEAKY, Net, classifier, data, detector


def _values(graph):
    return run(graph, random_inputs(graph, 4), keep="all", dtype=np.float64)


def _noise_behind(graph, values, tensor, rng):
    """Energy of the outputs' noise, each beside its own energy, when `tensor` gets a little noise; and that noise."""
    noise = 1e-5 * rng.normal(size=values[tensor].shape)
    changed = dict(values) | {tensor: values[tensor] + noise}
    for op in graph.ops:
        if op.output != tensor and any(changed[n] is not values[n] for n in op.inputs if n in values):
            constants = {n: p.load().astype(float) for n, p in graph.constants.items()}
            operands = [changed[n] if n in changed else constants[n] for n in op.inputs]
            changed[op.output] = apply(op, operands, graph.shapes[op.output])
    return sum(
        np.square(changed[n] - values[n]).sum() / np.square(values[n]).sum() for n in graph.outputs
    ), noise  # fmt: skip


def test_weights_predict_the_noise_of_the_outputs():
    graph = prepare(detector())
    values, rng = _values(graph), np.random.default_rng(0)
    for tensor in (graph.ops[1].output, graph.ops[8].output, graph.ops[14].output):
        measured = np.mean([_noise_behind(graph, values, tensor, rng)[0] for _ in range(12)])
        expected = []
        for seed in range(12):
            weights = importance(graph, values, seed)[tensor].astype(float)
            weights -= weights.sum() * _FLOOR / (1 + _FLOOR) / weights.size
            expected.append(1e-10 * weights.sum())
        assert np.mean(expected) == pytest.approx(measured, rel=0.35), tensor


def test_a_softmax_that_is_sure_still_says_what_matters():
    graph = prepare(classifier())
    weight = graph.ops[-2].weight
    large = dataclasses.replace(graph.ops[-2], weight=Parameter.of(1e4 * weight.load()))
    graph = dataclasses.replace(graph, ops=(*graph.ops[:-2], large, graph.ops[-1]))
    found = importance(graph, _values(graph), 0)
    assert found[graph.ops[0].output].std() > 0 and all(weights.min() > 0 for weights in found.values())


def test_a_tensor_before_a_table_has_the_weights_behind_it():
    net = Net()
    graph = prepare(net.graph(net.conv(net.conv("x", 4, activation=LEAKY), 2)))
    found = importance(graph, _values(graph), 1)
    linear, leaky = (op.output for op in graph.ops[:2])
    np.testing.assert_array_equal(found[linear], found[leaky])


def test_what_matters_is_not_cut_off():
    """A few large values among many small ones: cutting them off is the least error unless much hangs on them."""
    values = np.random.default_rng(0).normal(size=100_000)
    values[:3] = 12.0
    ranges = []
    for weight in (0.1, 100.0):
        histogram = Histogram()
        histogram.add(values, np.where(values == 12, weight, 1.0))
        ranges.append(choose_range(histogram, Method.MSE)[1])
    assert ranges[0] < 9 and ranges[1] > 11.5, ranges


def test_calibration_weighs_only_when_asked_and_where_there_is_room(monkeypatch):
    graph = prepare(detector())

    def shares(weigh):
        histogram = calibrate(graph, data(graph, 2), weigh=weigh)[graph.ops[0].output].histogram
        return histogram.filled(weighted=True)[1] - histogram.filled()[1]

    assert np.abs(shares(False)).max() < 1e-12 < np.abs(shares(True)).max()
    monkeypatch.setattr("esl_ref.quantiser.calibrate._ROOM", 1)
    assert np.abs(shares(True)).max() < 1e-12
