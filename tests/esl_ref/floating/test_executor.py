# SPDX-License-Identifier: Apache-2.0
"""The float executor: order, lifetimes, laziness and refusals."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

from esl_ref.errors import InputError, ModelError
from esl_ref.floating import graph as f
from esl_ref.floating.executor import random_inputs, run
from esl_ref.floating.graph import FloatGraph, Parameter


def _chain(load=None, bias=0.0) -> FloatGraph:
    """y = (2 x + bias) + x, then z = y * constant."""
    weight = Parameter((3, 1, 1, 1), load or (lambda: np.full((3, 1, 1, 1), 2, np.float32)))
    ops = (
        f.Conv("scale", ("x",), "s", weight, Parameter.of(np.full(3, bias)), groups=3),
        f.Add("sum", ("s", "x"), "y"),
        f.Mul("product", ("y", "k"), "z"),
    )
    shape = (1, 4, 5, 3)
    shapes = {"x": shape, "s": shape, "y": shape, "z": shape, "k": (3,)}
    return FloatGraph("chain", shapes, ops, ("x",), ("z",), {"k": Parameter.of([1, 2, 3])})


def test_runs_in_order_and_keeps_what_is_asked_for():
    graph = _chain(bias=0.5)
    inputs = random_inputs(graph, 1)
    everything = run(graph, inputs, keep="all")
    assert set(everything) == {"x", "s", "y", "z"}
    np.testing.assert_allclose(everything["z"], (3 * inputs["x"] + 0.5) * [1, 2, 3], rtol=1e-6)
    assert set(run(graph, inputs)) == {"z"}


def test_tensors_die_at_their_last_use():
    graph, seen, alive = _chain(), {}, []

    def observe(name, value):
        seen[name] = weakref.ref(value)

    def progress(index, op):
        gc.collect()
        alive.append({name for name, ref in seen.items() if ref() is not None})

    # float64, so that the executor's own float32 copy is the only one
    run(graph, {"x": np.ones((1, 4, 5, 3))}, observe=observe, progress=progress)
    assert alive == [{"x"}, {"x", "s"}, {"y"}]


def test_weights_live_only_while_their_layer_runs():
    loaded = []

    def load():
        values = np.full((3, 1, 1, 1), 2, np.float32)
        loaded.append(weakref.ref(values))
        return values

    graph = _chain(load)
    assert not loaded
    dead = []
    run(graph, random_inputs(graph, 0), observe=lambda name, value: dead.append([ref() is None for ref in loaded]))
    assert dead == [[], [True], [True], [True]]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "'x': is missing"),
        ({"x": np.zeros((1, 4, 5, 2))}, "1, 4, 5, 3"),
        ({"x": np.full((1, 4, 5, 3), np.nan)}, "NaN"),
        ({"x": np.zeros((1, 4, 5, 3)), "w": 0}, "no such input: w"),
    ],
)
def test_bad_inputs_are_refused(inputs, message):
    with pytest.raises(InputError, match=message):
        run(_chain(), inputs)


def test_nan_weights_are_refused_by_layer():
    graph = _chain(lambda: np.full((3, 1, 1, 1), np.nan, np.float32))
    with pytest.raises(ModelError, match="layer 'scale', weight: holds NaN"):
        run(graph, random_inputs(graph, 0))


def test_random_inputs_depend_on_the_seed_only():
    graph = _chain()
    assert np.array_equal(random_inputs(graph, 5)["x"], random_inputs(graph, 5)["x"])
    assert not np.array_equal(random_inputs(graph, 5)["x"], random_inputs(graph, 6)["x"])
