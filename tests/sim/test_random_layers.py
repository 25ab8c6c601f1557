# SPDX-License-Identifier: Apache-2.0
"""Random layers: reproducible, legal, and reaching the corners they are there for."""

from __future__ import annotations

import numpy as np
import pytest

from esl_ref.executor import run
from esl_ref.numerics import INT32_MAX, INT32_MIN
from esl_ref.ops.accumulators import accumulator_bounds
from sim.random_layers import KINDS, LayerSpec, build, inputs_of, is_legal, random_spec

SEEDS = range(300)


def test_a_seed_gives_one_layer() -> None:
    for seed in range(20):
        assert random_spec(seed) == random_spec(seed)
        a, b = build(random_spec(seed)), build(random_spec(seed))
        for name in a.inputs:
            assert np.array_equal(inputs_of(random_spec(seed), a)[name], inputs_of(random_spec(seed), b)[name])


def test_all_kinds_and_corners_occur() -> None:
    specs = [random_spec(seed) for seed in SEEDS]
    assert {s.kind for s in specs} == set(KINDS)
    assert {s.values for s in specs} == {"uniform", "extreme", "constant"}
    assert {s.scales for s in specs} == {"fitting", "largest", "smallest"}
    for corner in (
        any(s.bound for s in specs),
        any(s.groups > 1 for s in specs),
        any(max(s.dilation) > 1 for s in specs),
        any(s.outputs > s.channels for s in specs if s.kind == "depthwise"),
        any(s.zeros[0] == -128 for s in specs) and any(s.zeros[0] == 127 for s in specs),
        any(max(s.padding) > 0 for s in specs),
    ):
        assert corner


@pytest.mark.parametrize("seed", range(60))
def test_every_layer_runs_on_golden(seed: int) -> None:
    spec = random_spec(seed)
    assert is_legal(spec)
    graph = build(spec)
    values = run(graph, inputs_of(spec, graph))
    assert set(values) == {graph.outputs[0]}


def test_bound_reaches_the_ends_of_int32() -> None:
    graph = build(LayerSpec("conv", 1, channels=40, outputs=30, values="extreme", bound=True, scales="smallest"))
    low, high = accumulator_bounds(graph.ops[0]).range
    assert (low, high) == (INT32_MIN, INT32_MAX)


def test_illegal_layers_are_told() -> None:
    assert not is_legal(LayerSpec("conv", kernel=(3, 3)))
    assert not is_legal(LayerSpec("conv", channels=3, groups=2))
    assert not is_legal(LayerSpec("max", height=5, width=5, kernel=(1, 1), padding=(1, 0, 0, 0)))
