# SPDX-License-Identifier: Apache-2.0
"""Channels that are never positive, turned round: the same function, in a tensor that needs less room."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from esl_ref.floating import executor as floating
from esl_ref.floating import graph as f
from esl_ref.floating.activation import Activation, Function
from esl_ref.floating.graph import FloatGraph, Parameter
from esl_ref.quantiser import Method, Options, quantise
from esl_ref.quantiser.calibrate import calibrate
from esl_ref.quantiser.evaluate import evaluate
from esl_ref.quantiser.prepare import prepare
from esl_ref.quantiser.turn import turn
from tests.esl_ref.quantiser.nets import LEAKY, Net, data

BIAS = np.array([0.1, -40.0, 0.2, -25.0, 0.0, 0.0])
"""Channels 1 and 3 stay far below 0."""


def network(size: int = 20, activation: Activation = LEAKY, between: type[f.FloatOp] | None = None) -> FloatGraph:
    """A convolution, its activation, perhaps a pool, and two readers: one of them depthwise."""
    net = Net((1, size, size, 3), seed=3)
    made = net.conv("x", 6, activation=activation)
    net.ops[0] = dataclasses.replace(net.ops[0], bias=Parameter.of(BIAS))
    if between:
        half = (1, (size - 2) // 2 + 1, (size - 2) // 2 + 1, 6)
        made = net.add(between, [made], half, (2, 2), (2, 2))
    return net.graph(net.conv(made, 4, 1, pad=0), net.conv(made, 6, groups=6))


def turned(graph: FloatGraph) -> tuple[FloatGraph, FloatGraph]:
    prepared = prepare(graph)
    after, told = turn(prepared, calibrate(prepared, data(graph)))
    for name, found in calibrate(after, data(graph)).items():  # what is told without looking again is so
        for a, b in zip(told[name].bounds, found.bounds, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(told[name].mean, found.mean, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(told[name].mean_square, found.mean_square, rtol=1e-5, atol=1e-5)
    inputs = floating.random_inputs(graph, 9)
    wanted = floating.run(graph, inputs)
    for name, value in floating.run(after, inputs).items():
        np.testing.assert_allclose(value, wanted[name], rtol=1e-4, atol=1e-5)
    return prepared, after


@pytest.mark.parametrize("between", [None, f.AveragePool])
def test_what_is_never_positive_becomes_positive(between) -> None:
    _, after = turned(network(between=between))
    bias = after.ops[0].bias.load()
    np.testing.assert_allclose(bias, [0.1, 4.0, 0.2, 2.5, 0, 0], atol=1e-6)


@pytest.mark.parametrize(
    "graph",
    [network(size=10), network(between=f.MaxPool), network(activation=Activation(Function.LEAKY, -0.2)),
     network(activation=Activation(Function.RELU))],
    ids=["seen at few places", "the largest of a window", "a slope below 0", "no leaky activation"],
)  # fmt: skip
def test_what_is_left_as_it_is(graph: FloatGraph) -> None:
    before, after = turned(graph)
    assert all(a is b for a, b in zip(before.ops, after.ops, strict=True))


def test_noise_falls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without factors between layers, which would do a part of it."""
    monkeypatch.setattr("esl_ref.quantiser.core.equalise", lambda graph, statistics: (graph, 0))
    graph, noise = network(), []
    for _ in range(2):
        result = quantise(graph, data(graph), Options(Method.MINMAX, compensate=False))
        noise.append(min(output.sqnr for output in evaluate(result.prepared, result.graph, data(graph)).outputs))
        monkeypatch.setattr("esl_ref.quantiser.core.turn", lambda *given: given)
    assert noise[0] > noise[1] + 3, noise
