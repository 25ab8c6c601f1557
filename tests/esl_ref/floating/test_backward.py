# SPDX-License-Identifier: Apache-2.0
"""Derivatives of every operator, against differences of what the operators compute."""

from __future__ import annotations

import numpy as np
import pytest

from esl_ref.errors import UnsupportedError
from esl_ref.floating import graph as f
from esl_ref.floating.backward import _BACKWARD, backward
from esl_ref.floating.executor import run, values_of
from esl_ref.floating.graph import Parameter
from esl_ref.floating.kernels import apply
from esl_ref.quantiser.prepare import prepare
from tests.esl_ref.quantiser.nets import classifier, detector

STEP = 1e-6


def _ops():
    rng = np.random.default_rng(5)
    for graph in map(prepare, (detector(), classifier())):
        values = run(graph, {"x": np.random.default_rng(3).random(graph.shapes["x"])}, keep="all", dtype=np.float64)
        values |= {name: values_of(p, name).astype(np.float64) for name, p in graph.constants.items()}
        for op in graph.ops:
            # Maxima of equal elements and kinks at zero have no derivative: move away from them.
            inputs = [values[name] + 1e-2 * rng.normal(size=values[name].shape) for name in op.inputs]
            yield pytest.param(op, inputs, apply(op, inputs, graph.shapes[op.output]), id=op.name)
    flat = rng.normal(size=(1, 2, 3, 4))
    yield pytest.param(f.Reshape("flat", ("x",), "y"), [flat], flat.reshape(1, 24), id="reshape")


OPS = list(_ops())


@pytest.mark.parametrize("op, inputs, ofm", OPS)
def test_derivative(op, inputs, ofm):
    """v . (f(x + h d) - f(x - h d)) / 2 h = (J^T v) . d, for random v and d."""
    rng = np.random.default_rng(7)
    v = rng.normal(size=ofm.shape)
    directions = [rng.normal(size=value.shape) for value in inputs]
    moved = [
        apply(op, [x + sign * STEP * d for x, d in zip(inputs, directions, strict=True)], ofm.shape)
        for sign in (1, -1)
    ]  # fmt: skip
    wanted = float((v * (moved[0] - moved[1])).sum()) / (2 * STEP)
    got = sum(float((g * d).sum()) for g, d in zip(backward(op, inputs, ofm, v), directions, strict=True))
    assert got == pytest.approx(wanted, rel=1e-3, abs=1e-2 * np.sqrt(v.size))


def test_every_rule_is_tried():
    assert {type(param.values[0]) for param in OPS} == set(_BACKWARD)


def test_what_has_no_derivative_is_named():
    weight = Parameter.of(np.ones((6, 6, 2, 3, 3, 3)))
    op = f.Local("odd", ("x",), "y", weight, Parameter.of(np.zeros((6, 6, 2))))
    with pytest.raises(UnsupportedError, match="layer 'odd'.*no derivative"):
        backward(op, [np.zeros((1, 8, 8, 3))], np.zeros((1, 6, 6, 2)), np.zeros((1, 6, 6, 2)))
