# SPDX-License-Identifier: Apache-2.0
"""Every check of a run fails on just the defect that it is for, and predictions that do not hold are left out."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from esl_ref import arch
from esl_ref.program.fields import ErrorCode
from esl_ref.program.image import PROFILE_RECORD
from esl_ref.registers import address
from sim.jobs import counter_names
from sim.mutation.register_cases import register_cases
from sim.mutation.stimuli import Expected, Stimulus, stages
from sim.mutation.verdict import CHECKS, calibrated, judge
from sim.runner import RunResult


@pytest.fixture(scope="module")
def layer() -> Stimulus:
    """A random layer with profile records on a memory without stalls."""
    *_, layers = stages(arch.load("tiny"), 4, 1)
    return layers.stimuli[0]


def perfect(stimulus: Stimulus) -> RunResult:
    """What a design without a defect leaves behind."""
    expected = stimulus.expected
    memory = np.frombuffer(expected.memory, np.uint8).copy()
    for number, (index, tag, cycle) in enumerate(expected.turns):
        record = np.array([index, tag, cycle, *[0] * 13], "<u4").view(np.uint8)
        memory[expected.unknown[0] + PROFILE_RECORD * number :][:PROFILE_RECORD] = record
    registers = {address(name): expected.counters[name] for name in counter_names()}
    registers |= {address("STATUS"): 2, address("ERROR_CODE"): 0, address("ERROR_INDEX"): 0}
    return RunResult(expected.cycles or 0, registers, memory, 0, False, "", False, 0.1, {}, (), ())


def changed_byte(run: RunResult, at: int) -> np.ndarray:
    memory = run.memory.copy()
    memory[at] ^= 1
    return memory


def test_a_good_run_passes(layer: Stimulus) -> None:
    assert layer.expected.turns and layer.expected.unknown[1] > layer.expected.unknown[0]
    assert judge(layer, perfect(layer)).check == ""


def defects(layer: Stimulus) -> dict[str, dict[str, Any]]:
    run, bases = perfect(layer), layer.job.bases()
    (surface,) = layer.job.program.surfaces_of("out")
    error = {address("ERROR_CODE"): int(ErrorCode.LOAD_BUS)}
    return {
        "time-out": {"timed_out": True},
        "protocol": {"breach": "ARVALID fell"},
        "error code": {"registers": {**run.registers, **error}},
        "bytes": {"memory": changed_byte(run, bases.base[surface.base] + surface.offset)},
        "stray write": {"memory": changed_byte(run, bases.commands)},
        "records": {"memory": changed_byte(run, layer.expected.unknown[0] + 4)},
        "cycles": {"registers": {**run.registers, address("CYCLES"): 1}},
        "counters": {"registers": {**run.registers, address("READ_BEATS"): 1}},
    }


def test_each_check_sees_its_defect(layer: Stimulus) -> None:
    run = perfect(layer)
    found = {name: judge(layer, dataclasses.replace(run, **change)) for name, change in defects(layer).items()}
    assert {name: verdict.check for name, verdict in found.items()} == {name: name for name in defects(layer)}
    assert all(verdict.what for verdict in found.values())
    assert set(found) | {"registers"} == set(CHECKS)


def test_silent_and_wrong_registers(layer: Stimulus) -> None:
    assert judge(layer, "register read of 0x14 was not answered").check == "registers"
    expected = dataclasses.replace(layer.expected, registers={address("ID"): 5}, responses=(0,), during=((1, 0),))
    asked = dataclasses.replace(layer, expected=expected)
    run = perfect(layer)
    good = {"registers": {**run.registers, address("ID"): 5}, "write_responses": (0,), "during": ((1, 0),)}
    assert judge(asked, dataclasses.replace(run, **good)).check == ""
    for name, bad in (("registers", run.registers), ("write_responses", (2,)), ("during", ((1, 2),))):
        assert judge(asked, dataclasses.replace(run, **{**good, name: bad})).check == "registers"


def test_an_error_that_must_come(layer: Stimulus) -> None:
    expected = Expected(error=(int(ErrorCode.LOAD_BUS), 3))
    asked, run = dataclasses.replace(layer, expected=expected), perfect(layer)
    stopped = {**run.registers, address("ERROR_CODE"): int(ErrorCode.LOAD_BUS), address("STATUS"): 4}
    for index, check in ((3, ""), (4, "error code")):
        registers = {**stopped, address("ERROR_INDEX"): index}
        assert judge(asked, dataclasses.replace(run, registers=registers)).check == check
    assert judge(asked, run).check == "error code"


def test_only_exact_predictions_are_kept(layer: Stimulus) -> None:
    run = perfect(layer)
    same = calibrated(layer, run)
    assert same.expected == layer.expected and same.run.timeout_cycles < layer.run.timeout_cycles
    late = dataclasses.replace(run, registers={**run.registers, address("CYCLES"): run.cycles + 1})
    kept = calibrated(layer, late).expected
    assert kept.cycles is None and "CYCLES" not in kept.counters and "READ_BEATS" in kept.counters


def test_register_cases_expect_what_the_table_says(layer: Stimulus) -> None:
    cases = {case.job.label.removeprefix("registers: "): case for case in register_cases(layer.job)}
    pattern = cases["pattern ffffffff"].registers
    assert 0xFFFF_FFF0 in {pattern[address(f"BASE{i}")] for i in range(8)} and pattern[address("IRQ_ENABLE")] == 3
    busy = cases["writes while busy"]
    assert (0xFFFF_FFFF, 2) in busy.during and len(busy.during) == len(busy.run.during)
    assert cases["interrupt on error"].error == (int(ErrorCode.BAD_MAGIC), 0)
    assert cases["refused writes"].responses.count(2) == sum(r == 2 for r in cases["refused writes"].responses) > 20
