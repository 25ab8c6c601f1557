# SPDX-License-Identifier: Apache-2.0
"""One interface to all methods: budgets, methods that do not apply, and the order among them."""

from __future__ import annotations

import pytest

from esl_ref.cli.network import is_workload
from esl_ref.cli.shapes import plan_and_show
from esl_ref.errors import BudgetError, InputError, PlanError
from esl_ref.planner.shapes import METHODS, plan_shapes
from esl_ref.workloads import workload


@pytest.mark.parametrize("method", sorted(METHODS))
def test_methods_on_a_residual_network(method: str) -> None:
    graph = workload("resnet8")
    plan = plan_shapes(graph, method)
    assert plan.topology_hash == graph.topology_hash
    assert 0 < plan.bound <= plan.tensors
    assert plan.macs >= graph.macs
    assert plan.external >= graph.weight_bytes
    assert plan.decisions
    if method != "ilp":  # whose bytes are those of one layer's work, not of the arena
        assert plan.tensors >= plan_shapes(graph, "joint").tensors


@pytest.mark.parametrize("method", ["layerwise", "restructure", "mafat"])
def test_joint_is_no_worse_at_the_budget_of_a_single_method(method: str) -> None:
    graph = workload("cif")
    plan = plan_shapes(graph, method)
    within = plan_shapes(graph, "joint", budget=plan.tensors)
    assert within.tensors <= plan.tensors
    assert within.external <= plan.external


def test_mafat_on_a_chain() -> None:
    graph = workload("yolo_v2").until("conv5")
    plan = plan_shapes(graph, "mafat", budget=12 * 2**20)
    assert plan.tensors <= 12 * 2**20
    assert plan.decisions[0].startswith("configuration ")


def test_method_that_does_not_apply_says_why() -> None:
    with pytest.raises(PlanError, match=r"layer 'embed1': method mafat does not apply: .* is in no chain"):
        plan_shapes(workload("txt"), "mafat")


@pytest.mark.parametrize("method", ["joint", "rows", "fdt", "layerwise", "restructure"])
def test_budget_below_the_least_names_it_and_what_stands_in_the_way(method: str) -> None:
    with pytest.raises(BudgetError, match=r"--sram \d+ is the least.*alive together then: \w+ \(\d+ bytes\)"):
        plan_shapes(workload("cif"), method, budget=1000)


def test_budget_buys_traffic() -> None:
    graph = workload("resnet8")
    small = plan_shapes(graph, "joint", budget=13_100)
    large = plan_shapes(graph, "joint", budget=40_000)
    assert small.tensors <= 13_100
    assert large.external < small.external


def test_unknown_method() -> None:
    with pytest.raises(InputError, match="there are: joint"):
        plan_shapes(workload("mw"), "magic")


def test_workload_names_and_print(capsys: pytest.CaptureFixture[str]) -> None:
    assert is_workload("ResNet8")
    assert not is_workload("resnet8.tflite")
    plan_and_show(workload("mw"), "joint", None, 5.0, 0, None)
    out = capsys.readouterr().out
    assert "62,016 MACs, 4,300 parameters, topology" in out
    assert "below layer by layer's 3,456" in out
