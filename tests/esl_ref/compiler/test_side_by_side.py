# SPDX-License-Identifier: Apache-2.0
"""Pixels side by side: the bytes stay those of golden, and the cycles fall where lanes were empty."""

from __future__ import annotations

from unittest.mock import patch

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from esl_ref import arch
from esl_ref.compiler import Choice, side_by_side
from esl_ref.compiler.model import prepare
from esl_ref.compiler.schedule import Group
from esl_ref.compiler.tasks import Task
from esl_ref.ir import Graph
from esl_ref.machine.timing import predict
from esl_ref.macs import macs
from esl_ref.pipeline import compile_model
from sim.random_layers import LayerSpec, build
from tests.helpers.networks import check

BASE = arch.load("base")


def first_layer(outputs: int, *, width: int = 32, channels: int = 3, kernel: int = 3, stride: int = 2) -> Graph:
    padding = ((kernel - 1) // 2, kernel // 2) * 2
    return build(LayerSpec(
        "conv", 7, 12, width, channels, outputs, (kernel, kernel), (stride, stride), padding=padding, zeros=(-3, 5)
    ))  # fmt: skip


def task_of(graph: Graph) -> Task:
    (low,) = prepare(graph, BASE)[3].values()
    return low.tasks[-1]


@pytest.mark.parametrize(
    ("graph", "pixels"),
    [
        (first_layer(8), 2),  # 5 columns of 3 channels in one access, 16 outputs
        (first_layer(8, width=30), 1),  # 15 pixels a row: no whole pairs
        (first_layer(16), 1),
        (first_layer(4, stride=1), 2),  # four take two accesses
        (first_layer(4, channels=1, stride=1), 4),
        (first_layer(24, channels=24, stride=1), 2),  # 3 groups for two pixels instead of 4
        (first_layer(8, channels=8, kernel=1, stride=1), 2),
        (first_layer(16, channels=16, kernel=1, stride=1), 1),
    ],
)  # fmt: skip
def test_as_many_as_pay(graph: Graph, pixels: int) -> None:
    assert task_of(graph).pixels == pixels


def test_fewer_cycles_for_the_same_bytes() -> None:
    graph = first_layer(8, width=96)
    together = predict(compile_model(graph, BASE).programs[0].program).counters
    check(graph, BASE)
    with patch("esl_ref.compiler.lower_conv.best_count", return_value=1):
        apart = predict(compile_model(graph, BASE).programs[0].program).counters
    assert together["MAC_ACTIVE"] * 2 == apart["MAC_ACTIVE"]
    assert sum(macs(op, graph) for op in graph.ops) / together["MAC_ACTIVE"] / BASE.macs_per_cycle > 0.45


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 9), st.integers(1, 9), st.sampled_from([4, 6, 12, 16]), st.integers(1, 5), st.integers(1, 3),
    st.integers(1, 5), st.booleans(),
)  # fmt: skip
def test_any_small_convolution(
    outputs: int, channels: int, pixels: int, kernel: int, stride: int, strip: int, table: bool
) -> None:
    width = (pixels - 1) * stride + kernel
    spec = LayerSpec("conv", outputs, 9, width, channels, outputs, (kernel, kernel), (stride, stride), table=table)
    graph = build(spec)
    (low,) = prepare(graph, BASE)[3].values()
    check(graph, BASE, [Choice((Group(0, len(low.tasks), strip),))])


def test_every_count_gives_the_same_bytes() -> None:
    graph = first_layer(3, width=24)
    for count in (1, 2, 3, 4, 6, 12):
        with patch("esl_ref.compiler.lower_conv.best_count", return_value=count):
            check(graph, BASE)


def test_needs_pixels_without_gaps() -> None:
    task = task_of(first_layer(8, width=30))
    apart = task.replace(ofm=task.ofm.strided(1, 3))
    assert side_by_side.best_count(BASE, apart, 8, 3) == 1
    assert side_by_side.best_count(BASE, task.replace(dilation=(1, 2)), 8, 3) == 1
