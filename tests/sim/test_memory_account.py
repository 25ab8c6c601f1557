# SPDX-License-Identifier: Apache-2.0
"""The four memory accountings of a compiled network."""

from __future__ import annotations

from esl_ref import arch
from esl_ref.frontends import load
from esl_ref.models import embedded_path
from esl_ref.pipeline import compile_model
from sim.memory_account import account


def test_accounts_grow_and_the_plan_says_what_the_rtl_holds() -> None:
    compiled = compile_model(load(embedded_path()), arch.load("base"))
    four = account(compiled, None)
    assert four.bound <= four.with_input == compiled.programs[0].plan.height
    assert four.tensors <= four.with_input <= compiled.arch.act_bytes
    assert four.with_scratch == four.rtl_memories == compiled.arch.memory_bytes()
    assert list(four.four()) == ["tensors", "with_input", "with_scratch", "rtl_memories"]
    assert account(compiled, 5).rtl_memories == 5
