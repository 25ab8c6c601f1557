# SPDX-License-Identifier: Apache-2.0
"""The whole accelerator, Verilated: whatever stops a Program, the next one runs as after reset.

What each error is called is tested in tests/rtl/test_control.py; here the real compute engine is stopped in mid-work.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence

import numpy as np
import pytest

from esl_ref.arch import load
from esl_ref.machine import execute
from esl_ref.program.fields import ErrorCode, Opcode
from esl_ref.program.image import Program, default_bases
from esl_ref.registers import COUNTERS, address
from sim.accelerator import build_rtl
from sim.runner import BusMemory, Fault, Run, RunResult, run_programs
from tests.helpers.random_commands import KINDS, make_case

pytestmark = pytest.mark.cosim

ARCH = load("tiny")
STATE = ("STATUS", "ERROR_CODE", "ERROR_INDEX")
LOAD_TABLE, LOAD_ROWS = 2, 3
EXTRA = 12  # loads that run beside the compute command


def _program(kind: str, seed: int) -> tuple[Program, dict[str, np.ndarray]]:
    """One random compute command, all commands stamped, with reloads of the same table while it computes."""
    rng = random.Random(seed)
    case = make_case(kind, rng.randint, seed, ARCH)
    program = case.program()
    body = list(program.commands)
    assert body[LOAD_TABLE].opcode is Opcode.LOAD_TABLE and body[LOAD_ROWS].opcode is Opcode.LOAD_ROWS
    body[LOAD_ROWS + 1 : LOAD_ROWS + 1] = [body[LOAD_TABLE]] * (0 if body[-3]["table"] else EXTRA)
    stamped = [c.replace(stamp=int(c.opcode not in (Opcode.HEADER, Opcode.END))) for c in body]
    return dataclasses.replace(program, commands=tuple(stamped), debug=()), case.inputs()


def _run(program: Program, inputs: dict[str, np.ndarray], memory: BusMemory, **alter: int) -> Run:
    bases = default_bases(program)
    image = program.memory_image(inputs, bases, 0xA5)
    for offset, value in alter.items():
        image[bases.commands + int(offset.removeprefix("at"))] = value
    writes = [(address(f"BASE{i}"), base) for i, base in enumerate(bases.base)]
    writes += [(address("PROG_ADDR"), bases.commands), (address("PROFILE_ADDR"), bases.profile)]
    writes += [(address("IRQ_ENABLE"), 3), (address("CTRL"), 1)]
    reads = [address(name) for name in (*STATE, *(name for name, _ in COUNTERS))]
    return Run(
        writes, 400_000, np.frombuffer(bytes(image), np.uint8), reads, [(address("IRQ_STATUS"), 3)], memory=memory
    )


def _state(result: RunResult) -> tuple[int, ...]:
    return tuple(result.registers[address(name)] for name in STATE)


def _check_counters(result: RunResult) -> None:
    counters = [result.registers[address(name)] for name, _ in COUNTERS]
    assert counters[0] == sum(counters[1:11])


def _check_good(program: Program, wanted: np.ndarray, result: RunResult) -> None:
    assert _state(result.check()) == (2, 0, 0)
    _check_counters(result)
    bases = default_bases(program)
    np.testing.assert_array_equal(program.read_outputs(result.memory.tobytes(), bases)["after"], wanted)
    records = np.frombuffer(result.memory.tobytes()[bases.profile :][: 64 * program.stamped()], np.uint32)
    records = records.reshape(-1, 16)
    assert sorted(records[:, 0]) == list(range(1, len(program.commands) - 1))
    np.testing.assert_array_equal(records[:, 2], records[:, 3:13].sum(1))


def _runs(seed: int) -> tuple[list[tuple[Program, np.ndarray | None]], Sequence[Run]]:
    rng = random.Random(seed)
    about: list[tuple[Program, np.ndarray | None]] = []
    runs = []
    for kind in KINDS:
        program, inputs = _program(kind, seed)
        wanted = execute(dataclasses.replace(program, commands=tuple(_plain(program))), inputs).outputs["after"]
        before = 2 * ARCH.weight_words * ARCH.word_bytes // (ARCH.axi_bytes * ARCH.burst_beats)
        for fault in (
            Fault("read", rng.randrange(before), response=rng.choice([2, 3])),
            Fault("read", _bursts_before_extra() + rng.randrange(2 * EXTRA), response=2),
            Fault("write", rng.randrange(60), response=3),
        ):
            timing = BusMemory(latency=rng.choice([2, 32]), stall=rng.choice([0, 0.2]), seed=seed, fault=fault)
            about += [(program, None), (program, wanted)]
            good = BusMemory(latency=rng.choice([2, 32]), stall=rng.choice([0, 0.2]), seed=seed)
            runs += [_run(program, inputs, timing), _run(program, inputs, good)]
    return about, runs


def _plain(program: Program) -> list:
    return [c.replace(stamp=0) for c in program.commands]


def _bursts_before_extra() -> int:
    beats = ARCH.weight_words * ARCH.word_bytes + 256 + ARCH.act_bytes
    return beats // (ARCH.axi_bytes * ARCH.burst_beats) + 4


@pytest.mark.parametrize("seed", [1])
def test_errors_in_mid_work_leave_no_trace(seed: int) -> None:
    about, runs = _runs(seed)
    largest = max(run.image.size for run in runs)
    results = run_programs(build_rtl(ARCH, largest).accelerator, runs)
    assert len(results) == len(runs), "a run hung"
    codes = set()
    for (program, wanted), result in zip(about, results, strict=True):
        if wanted is not None:
            _check_good(program, wanted, result)
            continue
        result.check()
        _check_counters(result)
        status, code, _ = _state(result)
        assert status in (2, 4)
        codes.add(ErrorCode(code))
    assert codes >= {ErrorCode.LOAD_BUS, ErrorCode.STORE_BUS} or codes >= {ErrorCode.LOAD_BUS, ErrorCode.PROFILE_BUS}
