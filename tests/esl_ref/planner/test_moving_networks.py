# SPDX-License-Identifier: Apache-2.0
"""Graphs that mostly move bytes, within budgets: the bytes are golden's, and what a refusal says would fit, fits."""

from __future__ import annotations

import random

import pytest

from esl_ref import arch
from esl_ref.errors import BudgetError, PlanError
from esl_ref.pipeline import Planned, plan_model
from tests.helpers.moving_nets import moving_net
from tests.helpers.networks import mismatches


def right(planned: Planned, budget: int | None = None) -> None:
    assert budget is None or planned.height <= budget
    wrong, compared = mismatches(planned.compiled)
    assert compared and not wrong, wrong


def plan_within_budgets(seed: int) -> None:
    graph, machine = moving_net(seed), arch.load(arch.PRESETS[seed % len(arch.PRESETS)])
    try:
        right(plan_model(graph, machine))
    except PlanError as error:
        assert "no operator runs on the accelerator" in str(error)
        return
    budget = random.Random(seed).choice((1, 64, 200, 300, 500, 1000))
    try:
        right(plan_model(graph, machine, sram=budget), budget)
    except BudgetError as error:
        assert error.least is not None and error.least > budget
        right(plan_model(graph, machine, sram=error.least), error.least)


@pytest.mark.parametrize("first", [0, 10, 50, 70, 130])
def test_within_budgets(first: int) -> None:
    for seed in range(first, first + 10):
        plan_within_budgets(seed)


@pytest.mark.parametrize("seed", [1362, 1963])
def test_found_by_the_thousand(seed: int) -> None:
    """A network without a place to restructure; an output that goes round the end of its buffer."""
    plan_within_budgets(seed)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1000, 2000, 50))
def test_a_thousand_within_budgets(first: int) -> None:
    for seed in range(first, first + 50):
        plan_within_budgets(seed)
