# SPDX-License-Identifier: Apache-2.0
"""Layer by layer under a limit: maps are parked, bytes stay golden's, and cycles rise as the limit falls."""

from __future__ import annotations

import pytest

from esl_ref import arch
from esl_ref.compiler.steps import WHOLE
from esl_ref.errors import BudgetError
from esl_ref.pipeline import compile_model, plan_model
from esl_ref.program.fields import Opcode
from esl_ref.workloads import workload
from esl_ref.workloads.seeded import seeded
from tests.helpers.networks import mismatches
from tests.helpers.random_nets import random_net

BASE = arch.load("base")


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("share", [2, 5])
def test_random_networks_within_a_share_of_what_they_need(seed: int, share: int) -> None:
    graph = random_net(seed, steps=6)
    whole = plan_model(graph, BASE, "layerwise")
    try:
        spilt = plan_model(graph, BASE, "layerwise", sram=whole.height // share)
    except BudgetError:
        return
    assert spilt.height <= whole.height // share
    choices = [step.choice for step in spilt.compiled.programs]
    wrong, compared = mismatches(compile_model(graph, BASE, trace=True, choices=choices))
    assert compared and not wrong, wrong


def test_a_residual_network_pays_in_cycles_and_traffic() -> None:
    graph = seeded(workload("resnet8"))
    plans = [plan_model(graph, BASE, "layerwise", sram=sram) for sram in (65_536, 32_768, 12_000, 5_000)]
    assert [p.cycles for p in plans] == sorted(p.cycles for p in plans)
    assert not plans[0].compiled.programs[0].choice.parked
    assert all(p.compiled.programs[0].choice.parked for p in plans[1:])
    streams = [p.compiled.programs[0].program.commands for p in plans]
    stored = [sum(c["rows"] * c["row_bytes"] for c in s if c.opcode is Opcode.STORE_ROWS) for s in streams]
    assert stored == sorted(stored) and stored[-1] > 20 * stored[0]


def test_small_maps_stay_and_their_layers_are_whole() -> None:
    graph = seeded(workload("resnet8"))
    choice = plan_model(graph, BASE, "layerwise", sram=32_768).compiled.programs[0].choice
    assert 0 < len(choice.parked) < 8
    assert any(group.strip == WHOLE for group in choice.groups)


def test_less_than_rows_is_refused_with_the_least() -> None:
    with pytest.raises(BudgetError, match="--sram .* fits"):
        plan_model(seeded(workload("resnet8")), BASE, "layerwise", sram=500)
