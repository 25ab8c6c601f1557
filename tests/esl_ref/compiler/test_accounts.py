# SPDX-License-Identifier: Apache-2.0
"""The four accountings of a compiled network, of which reports and co-simulations take theirs."""

from __future__ import annotations

import dataclasses

import pytest

from esl_ref import arch
from esl_ref.compiler import Compiled, ProgramStep
from esl_ref.compiler.accounts import sram_bytes, without_inputs
from esl_ref.frontends import load
from esl_ref.layout.storage import Interval, plan_storage
from esl_ref.models import embedded_path
from esl_ref.pipeline import compile_model
from esl_ref.report.plan import report
from sim.memory_account import account

LIVES = (Interval("image", 100, 0, 2), Interval("a", 60, 1, 3), Interval("b", 80, 2, 4))
"""With the image 160 bytes are alive at step 1; without it the peak moves to step 2, where 140 are."""


@pytest.fixture(scope="module")
def compiled() -> Compiled:
    return compile_model(load(embedded_path()), arch.load("base"))


def with_plan(compiled: Compiled, lives: tuple[Interval, ...]) -> Compiled:
    plan = plan_storage(lives)
    steps = [dataclasses.replace(s, plan=plan) if isinstance(s, ProgramStep) else s for s in compiled.steps]
    return dataclasses.replace(compiled, steps=tuple(steps))


def test_the_peak_may_move_when_the_input_is_left_out(compiled: Compiled) -> None:
    moved = with_plan(compiled, LIVES)
    assert moved.programs[0].segment.inputs == ("image",)
    assert (sram_bytes(moved)["tensors"], sram_bytes(moved)["with_input"]) == (140, 160)
    assert report(moved, "").sram_bytes == account(moved, None).four() == sram_bytes(moved)


def test_an_arena_without_inputs_stays_as_it_is(compiled: Compiled) -> None:
    (step,) = with_plan(compiled, LIVES[1:]).programs
    assert without_inputs(step) == step.plan.height == 140
    (step,) = with_plan(compiled, LIVES[:1]).programs
    assert without_inputs(step) == 0
