# SPDX-License-Identifier: Apache-2.0
"""Maps one pixel wide: one row for speed, their own rows where a budget asks for them; the same bytes either way."""

from __future__ import annotations

import pytest

from esl_ref import arch
from esl_ref.compiler.narrow import turned
from esl_ref.errors import BudgetError
from esl_ref.ir import Graph
from esl_ref.pipeline import alternatives, compile_model, plan_model
from esl_ref.planner.floor import least_arena
from esl_ref.rewrite import Plain
from esl_ref.workloads.builder import Builder
from esl_ref.workloads.seeded import seeded
from tests.helpers.networks import check

BASE = arch.load("base")


def _sequence() -> Graph:
    """96 steps of 8 values through convolutions along them, one of them dilated in effect by its stride."""
    b = Builder("sequence", (96, 1, 8))
    b.conv(24, (5, 1))
    b.depthwise((9, 1))
    b.conv(24, 1)
    b.max_pool((3, 1), (3, 1))
    b.conv(16, (4, 1), (2, 1))
    b.dense(4, source=b.mean())
    return seeded(b.build())


def test_only_maps_one_pixel_wide_are_turned() -> None:
    b = Builder("t", (12, 2, 4))
    b.conv(8, (3, 1))
    assert not turned(seeded(b.build()))
    assert turned(_sequence()) == {"conv1", "depthwise1", "conv2", "conv3"}


def test_rows_of_a_narrow_map_stream_and_give_the_same_bytes() -> None:
    graph = _sequence()
    whole = compile_model(graph, BASE).programs[0].plan.height
    with pytest.raises(BudgetError):
        plan_model(graph, BASE, "rows", sram=whole // 3)
    planned = plan_model(graph, BASE, sram=whole // 3)
    assert planned.height <= whole // 3 and planned.decisions[1] == "operators run as they stand"
    check(graph, BASE, [step.choice for step in planned.compiled.programs])


def test_as_they_stand_nothing_is_turned() -> None:
    graph = _sequence()
    ((step,),) = alternatives(graph, BASE)
    assert isinstance(step, Plain) and set(step.ops) >= turned(graph)
    assert not turned(step.on(graph))
    check(step.on(graph), BASE)


def test_the_bound_is_one_on_plans_of_either_kind() -> None:
    graph = _sequence()
    (found,) = compile_model(graph, BASE).programs
    smallest = plan_model(graph, BASE, sram=found.plan.height // 3).height
    assert least_arena(found.lowered, BASE)[0] <= smallest < max(task.ofm.nbytes for task in found.lowered.tasks)
