# SPDX-License-Identifier: Apache-2.0
"""ESL machine and RTL on the same Programs: same bytes, same errors, and the predicted cycles are those counted.

One small architecture, built once; all runs of a test share one simulation without reset in between.
"""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import numpy as np
import pytest

from esl_ref.machine import BusFault, Machine, MachineFault
from esl_ref.program.fields import COMMAND_BYTES, Opcode
from esl_ref.program.image import default_bases
from esl_ref.registers import COUNTERS, address
from sim.jobs import Job
from sim.machine_backend import MachineBackend
from sim.rtl_backend import RtlBackend, register_run
from sim.runner import BusMemory, Fault, run_programs
from tests.helpers.random_commands import KINDS, make_case
from tests.helpers.random_programs import random_program
from tests.helpers.timing_arch import EIGHT

pytestmark = pytest.mark.cosim

WITHIN = 0.04
"""Relative error allowed in the densest random traffic: a command of a few issues that a store starves may slip through
a gap in its reads that the model puts a cycle aside."""


@pytest.fixture(scope="module")
def rtl(tmp_path_factory: pytest.TempPathFactory) -> RtlBackend:
    return RtlBackend(EIGHT, 1 << 20, Path(tmp_path_factory.mktemp("rtl")))


def run_both(rtl: RtlBackend, jobs: list[Job]):
    for job, machine, hardware in zip(jobs, MachineBackend().run(jobs), rtl.run(jobs), strict=True):
        assert not machine.failure and not hardware.failure, f"{job.label}: {machine.failure} {hardware.failure}"
        for name, value in machine.tensors.items():
            assert np.array_equal(value, hardware.tensors[name]), f"{job.label}: tensor '{name}' differs"
        yield job, machine, hardware


def test_single_commands_are_exact(rtl):
    cases = {f"{kind} {seed}": make_case(kind, random.Random(seed).randint, seed, EIGHT)
             for kind in KINDS for seed in range(3)}  # fmt: skip
    jobs = [Job(label, case.program(), case.inputs()) for label, case in cases.items()]
    for job, machine, hardware in run_both(rtl, jobs):
        assert dict(machine.counters) == dict(hardware.counters), job.label


@pytest.mark.parametrize("profile", [False, True])
def test_traffic(rtl, profile):
    jobs = [
        Job(f"traffic {seed}, latency {latency}", *random_program(seed, EIGHT), BusMemory(latency), profile=profile)
        for seed in range(4)
        for latency in (2, 32, 100)
    ]
    errors = []
    for job, machine, hardware in run_both(rtl, jobs):
        errors.append(abs(machine.cycles / hardware.cycles - 1))
        assert errors[-1] <= WITHIN, f"{job.label}: {machine.cycles} predicted, {hardware.cycles} counted"
        for name in ("WRITE_BEATS", "COMMANDS", "MAC_ACTIVE", "VECTOR_ACTIVE"):
            assert machine.counters[name] == hardware.counters[name], f"{job.label}: {name}"
        # Other commands are stamped than those at which layers give way; traffic may be a few cycles off.
        recorded = {record.index: record for record in hardware.records}
        for record in machine.records if machine.cycles == hardware.cycles else ():
            assert record == recorded.get(record.index, record), job.label
    assert np.median(errors) < 0.005


CASE = make_case("pool", random.Random(2).randint, 2, EIGHT)
GOOD = CASE.program()
BASES = default_bases(GOOD)


def altered(index: int, **changes: int):
    commands = list(GOOD.commands)
    commands[index] = commands[index].replace(**changes)
    return dataclasses.replace(GOOD, commands=tuple(commands))


def spoiled(offset: int, value: int):
    """The Program with one byte of its stream overwritten in memory."""
    return (GOOD, (BASES.commands + offset, value), None)


BAD = {
    "magic": spoiled(8, 0),
    "version": spoiled(12, 7),
    "hash": spoiled(16, EIGHT.hash() & 0xFF ^ 1),
    "opcode": spoiled(3 * COMMAND_BYTES, 0x77),
    "weight range": (altered(1, word=1), None, None),
    "load buffer": (altered(3, buf_base=16), None, None),
    "misaligned": (altered(3, offset=4), None, None),
    "ifm buffer": (altered(4, ifm_base=EIGHT.act_bytes - 1, ifm_wrap=2), None, None),
    "records": (altered(4, wgt_header=EIGHT.weight_words), None, None),
    "store buffer": (altered(5, buf_wrap=EIGHT.act_bytes + 1), None, None),
    "load refused": (GOOD, None, (BASES.base[1], BASES.base[1] + 64)),
    "table refused": (GOOD, None, (BASES.base[0] + len(CASE.weights), BASES.base[0] + len(CASE.weights) + 64)),
    "store refused": (GOOD, None, (BASES.base[2], BASES.base[2] + 64)),
}


def test_errors_have_the_same_code_and_command(rtl):
    expected, runs = [], []
    for program, poke, refused in BAD.values():
        job = Job("bad", GOOD, CASE.inputs())
        memory = program.memory_image(CASE.inputs(), BASES)
        if poke:
            memory[poke[0]] = poke[1]
        faults = [BusFault(refused[0], refused[1] - 1)] if refused else []
        timing = BusMemory(fault=Fault("range", addresses=refused)) if refused else BusMemory()
        run = register_run(job)
        runs.append(dataclasses.replace(run, image=np.frombuffer(bytes(memory), np.uint8), memory=timing))
        with pytest.raises(MachineFault) as fault:
            Machine(EIGHT).run(program, memory, BASES, faults=faults)
        expected.append((int(fault.value.code), fault.value.index))
    done = run_programs(rtl.built.accelerator, [*runs, register_run(Job("good", GOOD, CASE.inputs()))])
    got = [(r.registers[address("ERROR_CODE")], r.registers[address("ERROR_INDEX")]) for r in done]
    assert dict(zip(BAD, got, strict=False)) == dict(zip(BAD, expected, strict=True))
    assert got[-1] == (0, 0), "the engine runs the next Program"
    assert done[-1].registers[address(COUNTERS[0][0])] > 0
    assert GOOD.commands[-1].opcode is Opcode.END
