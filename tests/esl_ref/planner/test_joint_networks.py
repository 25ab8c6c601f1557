# SPDX-License-Identifier: Apache-2.0
"""The joint method on random networks with branches: whatever it decides, the bytes are golden's, within the budget."""

from __future__ import annotations

import pytest

from esl_ref import arch
from esl_ref.errors import BudgetError
from esl_ref.pipeline import Planned, plan_model
from sim.random_networks import network, random_network
from tests.helpers.networks import mismatches

SHARES = (2, 4)
"""Budgets, as parts of the arena of the fastest plan."""


def bytes_are_right(planned: Planned, budget: int | None = None) -> None:
    assert budget is None or planned.height <= budget
    wrong, compared = mismatches(planned.compiled)
    assert compared and not wrong, wrong


def plan_within_budgets(seed: int) -> None:
    graph, machine = network(random_network(seed)), arch.load(arch.PRESETS[seed % len(arch.PRESETS)])
    fastest = plan_model(graph, machine)
    bytes_are_right(fastest)
    for share in SHARES:
        budget = fastest.height // share
        try:
            bytes_are_right(plan_model(graph, machine, sram=budget), budget)
        except BudgetError as error:
            assert error.least is not None and error.least > budget
            bytes_are_right(plan_model(graph, machine, sram=error.least), error.least)


@pytest.mark.parametrize("seed", [3, 10])
def test_random_networks_within_budgets(seed: int) -> None:
    plan_within_budgets(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 160))
def test_sixty_random_networks_within_budgets(seed: int) -> None:
    plan_within_budgets(seed)
