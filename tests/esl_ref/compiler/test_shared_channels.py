# SPDX-License-Identifier: Apache-2.0
"""Output channels that share an input channel: one window for all of them, in the bytes that golden says."""

from __future__ import annotations

from unittest.mock import patch

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from esl_ref import arch
from esl_ref.compiler import Choice
from esl_ref.compiler.lower_depthwise import cycles_of, spread_of
from esl_ref.compiler.model import prepare
from esl_ref.compiler.schedule import Group
from esl_ref.compiler.tasks import Task
from esl_ref.ir import Graph
from sim.random_layers import LayerSpec, build
from tests.helpers.networks import check

BASE = arch.load("base")


def layer(kind: str, channels: int, outputs: int, kernel: tuple[int, int] = (3, 3), **more: object) -> Graph:
    sides = (kernel[0] // 2, kernel[0] // 2, kernel[1] // 2, kernel[1] // 2)
    return build(LayerSpec(kind, 3, 12, 13, channels, outputs, kernel, padding=sides, zeros=(4, -7), **more))  # type: ignore[arg-type]


def tasks_of(graph: Graph) -> tuple[Task, ...]:
    (low,) = prepare(graph, BASE)[3].values()
    return low.tasks


@pytest.mark.parametrize(
    ("channels", "multiplier", "spread"),
    [(8, 1, 0), (8, 2, 1), (3, 8, 3), (2, 16, 4), (1, 5, 4), (1, 40, 4), (4, 3, None), (4, 32, None)],
)
def test_powers_of_two_share(channels: int, multiplier: int, spread: int | None) -> None:
    assert spread_of(BASE, channels, multiplier) == spread


@pytest.mark.parametrize(
    ("graph", "spreads"),
    [
        (layer("depthwise", 5, 20), [2]),
        (layer("depthwise", 20, 40, (5, 5)), [1]),
        (layer("depthwise", 3, 24, (7, 9)), [3]),  # several windows, summed
        (layer("depthwise", 3, 9), [0]),  # threes do not fit the lanes: a convolution with zeros between channels
        (layer("depthwise", 2, 6), [4, 4]),  # whose weights take longer than a window for each channel
        (layer("depthwise", 2, 96), [4, 4]),
        (layer("depthwise", 1, 20), [4]),
        (layer("conv", 1, 16), [4]),
        (layer("conv", 1, 64, (1, 4)), [0]),  # four taps in one access anyway
        (layer("conv", 1, 16, dilation=(2, 2)), [0]),
    ],
)
def test_which_layers_share(graph: Graph, spreads: list[int]) -> None:
    assert [task.spread for task in tasks_of(graph)] == spreads
    check(graph, BASE)


def test_several_times_faster_than_a_convolution_for_each_channel() -> None:
    graph = layer("depthwise", 8, 32)
    shared = sum(cycles_of(BASE, task) for task in tasks_of(graph))
    with patch("esl_ref.compiler.lower_conv.spread_of", return_value=None):
        apart = sum(cycles_of(BASE, task) for task in tasks_of(graph))
    assert apart > 3 * shared


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 20), st.sampled_from([2, 3, 4, 8, 16, 17]), st.integers(1, 8), st.integers(1, 6), st.integers(1, 3),
    st.integers(1, 4),
)  # fmt: skip
def test_any_multiplier_in_strips(channels: int, m: int, high: int, wide: int, stride: int, strip: int) -> None:
    spec = LayerSpec("depthwise", m, 9, 8, channels, channels * m, (high, wide), (stride, 1), padding=(0, 0, 0, 0))
    graph = build(spec)
    check(graph, BASE, [Choice((Group(0, len(tasks_of(graph)), strip),))])
