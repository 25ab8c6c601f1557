# SPDX-License-Identifier: Apache-2.0
"""Activation functions, quantised: behind a convolution, and where no operator can take them up."""

from __future__ import annotations

import numpy as np
import pytest

from esl_ref.floating import executor as floating
from esl_ref.floating import graph as f
from esl_ref.floating.activation import Activation, Function
from esl_ref.quantiser import Method, Options, quantise
from esl_ref.quantiser.evaluate import evaluate
from tests.esl_ref.quantiser.nets import Net, data

PLAIN = Options(Method.MINMAX, compensate=False, equalise=False)


@pytest.mark.parametrize("function", Function)
def test_every_activation_is_close_to_its_formula(function):
    net = Net(seed=5)
    graph = net.graph(net.conv("x", 8, activation=Activation(function, 0.1, -0.4, 0.7)))
    result = quantise(graph, data(graph), PLAIN)
    (output,) = evaluate(result.prepared, result.graph, data(graph)).outputs
    wanted = floating.run(graph, floating.random_inputs(graph, 0))[graph.outputs[0]]
    for name, value in floating.run(result.prepared, floating.random_inputs(graph, 0)).items():
        np.testing.assert_allclose(value, wanted, rtol=1e-5, atol=1e-6, err_msg=name)
    # A staircase jumps at integers: there one code more or less is a whole step.
    assert output.sqnr > (15 if function is Function.STAIR else 30)


@pytest.mark.parametrize("function", [Function.RELU6, Function.RELU, Function.HARDTAN, Function.CLIP])
def test_clamps_that_no_operator_can_take_up(function):
    """Behind a slice, whose quantisation they do not share."""
    net = Net(seed=5)
    part = net.add(f.Slice, ["x"], (1, 7, 8, 3), (0, 1, 0, 0), (1, 8, 8, 3), (1, 1, 1, 1))
    wide = net.add(f.Mul, [part, net.constant("k", np.float32(20))], (1, 7, 8, 3))
    less = net.add(f.Sub, [net.add(f.MaxPool, [wide], (1, 6, 7, 3), (2, 2), (1, 1)), net.constant("c", np.float32(8))],
                   (1, 6, 7, 3))  # fmt: skip
    pooled = net.add(f.MaxPool, [less], (1, 5, 6, 3), (2, 2), (1, 1))
    graph = net.graph(net.add(f.Activate, [pooled], (1, 5, 6, 3), Activation(function, 0.1, -2.5, 3.5)))
    result = quantise(graph, data(graph), PLAIN)
    (output,) = evaluate(result.prepared, result.graph, data(graph)).outputs
    assert output.sqnr > 35
