# SPDX-License-Identifier: Apache-2.0
"""What must not leave a mark: an error on any burst, a Program that lacks a wait, registers written while busy."""

from __future__ import annotations

import dataclasses
import random
from collections import Counter
from pathlib import Path

import pytest

from esl_ref.arch import Arch
from esl_ref.program.fields import ErrorCode
from esl_ref.registers import address
from sim.compare import differing
from sim.jobs import Job
from sim.machine_backend import MachineBackend
from sim.rtl_backend import RtlBackend, register_run
from sim.runner import DECERR, SLVERR, BusMemory, Fault, Run, run_programs
from sim.workload import Workload

BUS_ERRORS = {ErrorCode.FETCH_BUS, ErrorCode.LOAD_BUS, ErrorCode.STORE_BUS}
READS, WRITES = 40, 6
pytestmark = pytest.mark.xdist_group("base")


def without_waits(job: Job, index: int) -> Job:
    commands = list(job.program.commands)
    commands[index] = commands[index].replace(need_load=0, need_store=0, need_compute=0)
    return dataclasses.replace(job, program=dataclasses.replace(job.program, commands=tuple(commands)))


def waiting(job: Job) -> list[int]:
    needs = [f"need_{queue}" for queue in ("load", "store", "compute")]
    return [i for i, c in enumerate(job.program.commands) if any(c.fields.get(need) for need in needs)]


def implied(job: Job) -> list[int]:
    """Commands that wait for no more than those before them in their own queue, which runs in order."""
    seen: Counter[tuple[str, str]] = Counter()
    found = []
    for index in waiting(job):
        command = job.program.commands[index]
        queue = command.opcode.name.partition("_")[0]
        own = queue if queue in ("LOAD", "STORE") else "COMPUTE"
        waits = {other: command[f"wait_{other}"] for other in ("load", "store", "compute") if command[f"need_{other}"]}
        found += [index] if all(wait <= seen[own, other] for other, wait in waits.items()) else []
        for other, wait in waits.items():
            seen[own, other] = max(seen[own, other], wait)
    return found


def test_every_wait_that_is_left_out_is_a_hazard(workload: Workload) -> None:
    good = workload.job(0, "timed", BusMemory())
    indices = waiting(good)
    results = MachineBackend().run([without_waits(good, index) for index in indices])
    harmless = []
    for index, result in zip(indices, results, strict=True):
        if result.failure:
            assert f"command {index} " in result.failure or "a wait is missing" in result.failure, result.failure
        else:
            harmless.append(index)
    assert harmless == implied(good)


@pytest.mark.cosim
def test_missing_waits_do_not_hang_the_rtl(workload: Workload, base: Arch, tmp_path: Path) -> None:
    """What it computes is undefined; that it ends, and what the next Program computes, is not."""
    good = workload.job(0, "timed", BusMemory())
    bad = [without_waits(good, index) for index in random.Random(1).sample(waiting(good), 6)]
    results = RtlBackend(base, good.bases().size, tmp_path).run([job for b in bad for job in (b, good)])
    for broken, after in zip(results[::2], results[1::2], strict=True):
        assert "no interrupt" not in broken.failure and "AXI4 protocol" not in broken.failure
        assert not after.failure and differing(workload.golden, after.tensors) == []


@pytest.mark.cosim
def test_an_error_on_any_burst(workload: Workload, base: Arch, tmp_path: Path) -> None:
    """Bursts drawn from all of a run; those fetched behind END may fail unnoticed."""
    good, rng = workload.job(0, "timed", BusMemory()), random.Random(4)
    backend = RtlBackend(base, good.bases().size, tmp_path)
    (plain,) = run_programs(backend.built.accelerator, [register_run(good)], folder=tmp_path)
    reads, writes = plain.traffic["read_bursts"], plain.traffic["write_bursts"]
    chosen = [("read", n) for n in rng.sample(range(reads), READS)]
    chosen += [("write", n) for n in rng.sample(range(writes), min(WRITES, writes))]
    jobs: list[Job] = []
    for kind, index in chosen:
        fault = Fault(kind, index, response=rng.choice([SLVERR, DECERR]))
        timing = BusMemory(latency=rng.choice([2, 32, 90]), stall=rng.choice([0, 0.3]), seed=index, fault=fault)
        jobs += [dataclasses.replace(good, memory=timing), good]
    results, seen = backend.run(jobs), set()
    for (kind, index), bad, after in zip(chosen, results[::2], results[1::2], strict=True):
        if bad.error:
            seen.add(ErrorCode(bad.error[0]))
        else:
            assert not bad.failure and kind == "read" and index > reads * 3 // 4, (kind, index, bad.failure)
        assert not after.failure and differing(workload.golden, after.tensors) == [], (kind, index)
    assert seen == BUS_ERRORS


@pytest.mark.cosim
def test_register_writes_while_busy(workload: Workload, base: Arch, tmp_path: Path) -> None:
    """Each is answered SLVERR and changes nothing: not this run, not the registers, not the next run."""
    good = workload.job(0, "timed", BusMemory())
    locked = ("CTRL", "PROG_ADDR", "PROFILE_ADDR", *(f"BASE{i}" for i in range(8)))
    meddled = [(3, address(name), 0x1000) for name in locked] + [(1, address("STATUS"), None)]
    backend = RtlBackend(base, good.bases().size, tmp_path)
    run = register_run(good)
    kept = [address(name) for name in locked[1:]]
    bad: Run = dataclasses.replace(run, during=meddled, reads=[*run.reads, *kept])
    (during, after) = run_programs(backend.built.accelerator, [bad, run], folder=tmp_path)
    assert [response for _, response in during.during[:-1]] == [SLVERR] * len(locked)
    assert during.during[-1][0] & 0b1001 == 0b1001  # STATUS: busy, and a write was refused
    written = dict(run.writes)
    assert {a: during.registers[a] for a in kept} == {a: written[a] for a in kept}
    for result in (during, after):
        tensors = good.program.read_outputs(result.memory.tobytes(), good.bases(), traces=True)
        assert result.check() and differing(workload.golden, tensors) == []
    assert during.registers[address("CYCLES")] == after.registers[address("CYCLES")]
