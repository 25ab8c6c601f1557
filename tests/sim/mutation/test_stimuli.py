# SPDX-License-Identifier: Apache-2.0
"""What mutants are run against: the chain has commands of every kind, and its broken forms stop where they must."""

from __future__ import annotations

import pytest

from esl_ref import arch
from esl_ref.program.fields import ErrorCode, Opcode
from sim.compare import differing
from sim.machine_backend import MachineBackend, prediction
from sim.mutation.chain import chain_job
from sim.mutation.error_cases import error_cases
from sim.mutation.stimuli import stages

UNKNOWN_TO_THE_MACHINE = (ErrorCode.DEADLOCK, ErrorCode.PROFILE_BUS)


@pytest.mark.parametrize("preset", arch.PRESETS)
def test_the_chain_and_its_broken_forms(preset: str) -> None:
    job, golden = chain_job(arch.load(preset), 1)
    kinds = {c.opcode for c in job.program.commands}
    assert {Opcode.CONV, Opcode.DEPTHWISE_WINDOW, Opcode.POOL, Opcode.ELTWISE} <= kinds
    assert prediction(job).cycles < 5000
    (good,) = MachineBackend().run([job])
    assert not good.failure and differing(golden, good.tensors) == []
    cases = [case for case in error_cases(job) if case[2] and case[2][0] not in UNKNOWN_TO_THE_MACHINE]
    assert len(cases) > 20
    for (name, _, error), result in zip(cases, MachineBackend().run([case[1] for case in cases]), strict=True):
        assert result.error == error, name


def test_every_error_code_is_provoked() -> None:
    job, _ = chain_job(arch.load("base"), 1)
    provoked = {case[2][0] for case in error_cases(job) if case[2]}
    assert provoked == {code for code in ErrorCode if code is not ErrorCode.NONE}


def test_stages_are_seeded_and_expect_what_is_known() -> None:
    first, again = (list(stages(arch.load("tiny"), 12, 5)) for _ in range(2))
    assert [s.name for s in first] == ["network", "registers", "errors", "layers 1 to 10", "layers 11 to 12"]
    for one, other in zip(first, again, strict=True):
        assert [s.expected.memory for s in one.stimuli] == [s.expected.memory for s in other.stimuli]
    network, layers = first[0].stimuli[0].expected, first[3].stimuli
    assert network.cycles and network.turns and len(network.tensors) > 10
    assert {s.expected.cycles is None for s in layers} == {True, False}
    assert all(s.expected.cycles is None for s in layers if s.job.memory.stall)
    assert all(s.expected.memory and s.expected.tensors for s in layers)
