# SPDX-License-Identifier: Apache-2.0
"""Every executable method: its plan runs on the ESL machine with golden's bytes, and none beats the joint one."""

from __future__ import annotations

import numpy as np
import pytest

from esl_ref import arch, executor
from esl_ref.cli import verb_plan
from esl_ref.errors import BudgetError, InputError, PlanError
from esl_ref.frontends import load
from esl_ref.ir import Graph
from esl_ref.models import embedded_path
from esl_ref.pipeline import METHODS, Planned, compile_model, plan_model
from esl_ref.planner import shapes
from esl_ref.workloads.builder import Builder
from esl_ref.workloads.seeded import seeded
from tests.helpers.networks import mismatches

BASE = arch.load("base")


def _chain() -> Graph:
    """A head of large maps in a chain, wide channels before the dense end: something for every method."""
    b = Builder("chain", (32, 32, 3))
    b.conv(16, 3)
    b.conv(16, 3)
    b.max_pool(2)
    b.conv(24, 3, 2)
    b.conv(96, 1)
    b.depthwise(3)
    b.mean()
    b.dense(10)
    return seeded(b.build())


def _wide() -> Graph:
    """Channels are all there is: no rows to stream, no tiles to cut."""
    b = Builder("wide", (4, 4, 8))
    b.conv(256, 1)
    b.depthwise(3)
    b.mean()
    b.dense(16)
    return seeded(b.build())


def _runs(planned: Planned, graph: Graph) -> None:
    """The plan's own choices, traced, give golden's bytes, and outputs are those of the model as it came."""
    choices = [step.choice for step in planned.compiled.programs]
    traced = compile_model(graph, BASE, trace=True, choices=choices)
    wrong, compared = mismatches(traced)
    assert compared and not wrong, wrong
    inputs = executor.random_inputs(graph, 7)
    before, after = executor.run(graph, inputs), executor.run(planned.compiled.graph, inputs)
    assert all(np.array_equal(before[name], after[name]) for name in graph.outputs)


@pytest.mark.parametrize("method", METHODS)
def test_methods_run_and_joint_is_no_worse_at_their_budget(method: str) -> None:
    graph = _chain()
    planned = plan_model(graph, BASE, method)
    _runs(planned, graph)
    assert planned.predicted is None or planned.height <= planned.predicted
    joint = plan_model(graph, BASE, sram=planned.height)
    assert joint.height <= planned.height
    assert joint.cycles <= planned.cycles


@pytest.mark.parametrize("method", ["mafat", "restructure"])
def test_tiles_lower_the_arena(method: str) -> None:
    graph = _chain()
    whole = plan_model(graph, BASE, "layerwise")
    planned = plan_model(graph, BASE, method)
    assert planned.height < 0.6 * whole.height
    assert planned.decisions
    within = plan_model(graph, BASE, method, sram=planned.predicted)
    assert within.cycles <= planned.cycles


def test_channels_lower_the_arena_where_rows_do_not() -> None:
    graph = _wide()
    whole, split = (plan_model(graph, BASE, method) for method in ("layerwise", "fdt"))
    _runs(split, graph)
    assert split.height < whole.height / 4
    assert split.compiled.graph.fan_in
    joint = plan_model(graph, BASE, sram=split.height)
    assert joint.cycles <= split.cycles
    assert joint.decisions[0] == "method fdt"
    through_the_front_door = compile_model(graph, BASE, sram=split.height, trace=True)
    assert not mismatches(through_the_front_door)[0]


def test_budgets_are_kept_or_refused() -> None:
    graph = _chain()
    for method in METHODS:
        with pytest.raises(BudgetError):
            plan_model(graph, BASE, method, sram=400)


def test_methods_that_do_not_apply_say_why() -> None:
    b = Builder("dense", (1, 1, 40))
    b.dense(30)
    b.dense(20)
    with pytest.raises(PlanError, match="mafat does not apply: .*in no chain"):
        plan_model(seeded(b.build()), BASE, "mafat")
    with pytest.raises(InputError, match="there are: joint"):
        plan_model(_wide(), BASE, "magic")


@pytest.mark.parametrize("method", ["mafat", "restructure", "fdt"])
def test_embedded_model(method: str) -> None:
    graph = load(embedded_path())
    try:
        planned = plan_model(graph, BASE, method)
    except PlanError as error:
        assert "does not apply" in str(error)
        return
    _runs(planned, graph)


def test_the_command_line_offers_every_method() -> None:
    assert verb_plan.METHODS == METHODS
    assert set(verb_plan.METHODS + verb_plan.ON_SHAPES) == set(shapes.METHODS)
