# SPDX-License-Identifier: Apache-2.0
"""Rewritten networks and parked maps in RTL: tiles, sums over slices of channels, rows on their way out and back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from esl_ref import arch, executor
from esl_ref.compiler import Choice
from esl_ref.compiler.model import prepare
from esl_ref.compiler.schedule import Group
from esl_ref.ir import Graph
from esl_ref.pipeline import plan_model
from esl_ref.rewrite import Split, Tile
from esl_ref.workloads.builder import Builder
from esl_ref.workloads.seeded import seeded
from sim.cosim import Options, Outcome, cosimulate
from sim.runner import BusMemory

pytestmark = [pytest.mark.cosim, pytest.mark.xdist_group("base")]

BASE = arch.load("base")


def _run(graph: Graph, choices: Sequence[Choice], folder: Path) -> Outcome:
    """Bit-exact on a memory that stalls, too."""
    options = Options(BASE, folder, fixed=True, choices=tuple(choices), memory=BusMemory(stall=0.2, seed=4))
    outcome = cosimulate(graph, executor.random_inputs(graph, 5), options)
    assert outcome.bit_exact, "\n".join(outcome.divergence.sentences() if outcome.divergence else ())
    return outcome


def _choices(graph: Graph, method: str) -> list[Choice]:
    return [step.choice for step in plan_model(graph, BASE, method).compiled.programs]


def test_tiles(tmp_path: Path) -> None:
    b = Builder("tiles", (20, 18, 3))
    b.conv(16, 3)
    b.conv(20, 3)
    b.max_pool(2, 2, "same")
    b.depthwise(3)
    b.conv(8, 1)
    graph = seeded(b.build())
    choices = _choices(graph, "mafat")
    assert any(isinstance(step, Tile) and step.wide > 1 for step in choices[0].rewriting)
    assert "max_pool1#0.0" in _run(graph, choices, tmp_path).compared


def test_sums_over_slices_of_channels(tmp_path: Path) -> None:
    b = Builder("slices", (4, 4, 8))
    b.conv(100, 1)
    b.depthwise(3)
    b.mean()
    b.dense(24)
    graph = seeded(b.build())
    choices = _choices(graph, "fdt")
    assert any(isinstance(step, Split) and step.sums for step in choices[0].rewriting)
    assert "dense1" in _run(graph, choices, tmp_path).compared


def test_maps_parked_in_external_memory(tmp_path: Path) -> None:
    b = Builder("parked", (14, 10, 6))
    left = b.conv(20, 3)
    b.conv(20, 3)
    b.add(b.conv(20, 1), left)
    b.conv(12, 3, 2)
    graph = seeded(b.build())
    ((low,),) = [tuple(prepare(graph, BASE)[3].values())]
    storages = frozenset(v.storage.name for t in low.spread.tasks for v in (t.ifm, t.ofm))
    groups = tuple(Group(i, i + 1, 2, 1) for i in range(len(low.tasks)))
    outcome = _run(graph, [Choice(groups, parked=storages)], tmp_path)
    assert outcome.sram.with_input < 6_000
