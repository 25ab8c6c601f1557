# SPDX-License-Identifier: Apache-2.0
"""Layers that run in parts on the RTL: windows larger than its registers, weights that leave int8, large pools."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from esl_ref import arch, executor, ir
from esl_ref.compiler.model import prepare
from esl_ref.ir import Graph
from esl_ref.numerics import Profile
from esl_ref.program.fields import Opcode
from esl_ref.workloads.builder import Builder
from esl_ref.workloads.graph import Kind
from esl_ref.workloads.seeded import seeded
from sim.cosim import Options, cosimulate
from sim.runner import BusMemory
from tests.sim.test_cosim import check

pytestmark = [pytest.mark.cosim, pytest.mark.xdist_group("base")]

BASE = arch.load("base")


def _windows() -> Graph:
    b = Builder("windows", (20, 18, 4))
    b.conv(24, 3)
    b.depthwise(7)
    b.depthwise((9, 6), 2)
    b.depthwise((11, 1))
    return seeded(b.build())


def _long_rows() -> Graph:
    """Rows longer than the line buffers: strips of columns."""
    b = Builder("long rows", (5, 150, 20))
    b.depthwise(3)
    b.depthwise((4, 5), 2)
    b.conv(1, 1)
    b.upsample(4)
    b.conv(12, 5)
    return seeded(b.build())


def _one_channel() -> Graph:
    """Kernels higher than the window over a single channel, as networks for spectrograms begin."""
    b = Builder("one channel", (49, 10, 1))
    b.conv(40, (10, 4), 2)
    b.conv(1, 1)
    b.conv(24, (8, 3))
    return seeded(b.build())


def _wide() -> Graph:
    """Weights over all of int8 with zero points far from 0: some are the sum of two, some of three that int8 holds."""
    b = Builder("wide", (9, 10, 20))
    b.conv(24, 1)
    b.conv(24, 3, groups=2)
    b.depthwise(3)
    b.depthwise(7, 2)
    b.concat(x := b.conv(12, 3), b.conv(12, 1, source=x))
    b.conv(20, 3, dilation=2)
    b.mean()
    b.dense(40)
    graph, rng = seeded(b.build()), np.random.default_rng(3)
    zeros = iter((60, -128, 90, -70, 60, -128, 100, 30))

    def widened(op: ir.Op) -> ir.Op:
        if not isinstance(op, ir.Conv2D | ir.DepthwiseConv2D | ir.FullyConnected):
            return op
        weight = rng.integers(-128, 128, op.weight.shape).astype(np.int8)
        return dataclasses.replace(op, weight=weight, weight_zero=next(zeros))

    return graph.replace(ops=tuple(widened(op) for op in graph.ops))


def _dilated() -> Graph:
    b = Builder("dilated", (15, 14, 24))
    b.conv(40, 1)
    b.depthwise(3)
    b.depthwise(7)
    dilations = iter(((2, 3), (2, 2)))

    def dilated(op: ir.Op) -> ir.Op:
        if not isinstance(op, ir.DepthwiseConv2D):
            return op
        (dy, dx), p = next(dilations), op.padding
        return dataclasses.replace(
            op, dilation=(dy, dx), padding=ir.Padding(p.top * dy, p.bottom * dy, p.left * dx, p.right * dx)
        )

    graph = seeded(b.build())
    return graph.replace(ops=tuple(dilated(op) for op in graph.ops))


def _pools() -> Graph:
    b = Builder("pools", (13, 13, 5))
    x = b.conv(24, 1)
    b.concat(x, *(b.max_pool(k, 1, "same", source=x) for k in (5, 9, 13)))
    b.conv(16, 1)
    b.max_pool((8, 7), 2, "same")
    return seeded(b.build())


def _rebiased() -> Graph:
    """As a uint8 model is read: its average pools are about -128, its fully connected layers round once."""
    b = Builder("re-biased", (15, 14, 20))
    b.conv(24, 3)
    b.pool(Kind.AVG_POOL, 3, 1, "same")
    b.depthwise(7)
    b.pool(Kind.AVG_POOL, (2, 3), 2)
    b.dense(40)

    def rebiased(op: ir.Op) -> ir.Op:
        if isinstance(op, ir.AveragePool):
            return dataclasses.replace(op, act=dataclasses.replace(op.act, zero_point=-128), zero_in=-128)
        if isinstance(op, ir.FullyConnected):
            return dataclasses.replace(op, requant=dataclasses.replace(op.requant, profile=Profile.SINGLE))
        return op

    graph = seeded(b.build())
    return graph.replace(ops=tuple(rebiased(op) for op in graph.ops))


CASES = {
    "windows": (_windows, 3), "one channel": (_one_channel, 2), "wide": (_wide, 8), "dilated": (_dilated, 4),
    "pools": (_pools, 0), "long rows": (_long_rows, 3), "re-biased": (_rebiased, 1),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("stall", [0.0, 0.2])
def test_layers_in_parts(case: str, stall: float, tmp_path: Path) -> None:
    make, sums = CASES[case]
    graph = make()
    options = Options(BASE, tmp_path, fixed=True, memory=BusMemory(stall=stall, seed=4))
    outcome = cosimulate(graph, executor.random_inputs(graph, 5), options)
    check(outcome)
    if not stall:
        assert outcome.predicted_cycles == outcome.cycles
        for layer in outcome.layers:
            assert layer.predicted_cycles == layer.cycles, layer.name
    assert all(layer.runs_on == "accelerator" for layer in outcome.layers)
    tasks = [t for low in prepare(graph, BASE, shaped=True)[3].values() for t in low.tasks]
    assert sum(t.parts is not None for t in tasks) >= sums
    assert sums or sum(t.opcode is Opcode.POOL for t in tasks) >= 8
