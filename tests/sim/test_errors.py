# SPDX-License-Identifier: Apache-2.0
"""Programs and memories that are broken: ESL machine and RTL stop with the same code at the same command, and the next
Program runs as if nothing had been."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from esl_ref.arch import Arch
from esl_ref.program.fields import COMMAND_BYTES, ErrorCode, Opcode
from sim.compare import differing
from sim.jobs import Job
from sim.machine_backend import MachineBackend
from sim.rtl_backend import RtlBackend
from sim.runner import DECERR, SLVERR, Fault, MemoryTiming
from sim.workload import Workload

Broken = tuple[str, Job, ErrorCode, int]


def find(job: Job, *opcodes: Opcode) -> int:
    """Index of the last command with one of these opcodes."""
    return max(i for i, c in enumerate(job.program.commands) if c.opcode in opcodes)


def patched(job: Job, index: int, raw: bytes, offset: int = 0) -> Job:
    return dataclasses.replace(job, patches={job.bases().commands + index * COMMAND_BYTES + offset: raw})


def changed(job: Job, index: int, **fields: int) -> Job:
    return patched(job, index, job.program.commands[index].replace(**fields).encode())


def refusing(job: Job, low: int, high: int, response: int = SLVERR) -> Job:
    fault = Fault("range", addresses=(low, high), response=response)
    return dataclasses.replace(job, memory=MemoryTiming(fault=fault))


def corrupt_programs(good: Job) -> Iterator[Broken]:
    conv, store = find(good, Opcode.CONV), find(good, Opcode.STORE_ROWS)
    weights, rows = find(good, Opcode.LOAD_WEIGHTS), find(good, Opcode.LOAD_ROWS)
    pool, window = find(good, Opcode.POOL), find(good, Opcode.DEPTHWISE_WINDOW)
    add = find(good, Opcode.ELTWISE)
    machine = good.program.arch
    yield "magic", changed(good, 0, magic=1), ErrorCode.BAD_MAGIC, 0
    yield "no header", patched(good, 0, bytes([Opcode.END])), ErrorCode.BAD_MAGIC, 0
    yield "version", changed(good, 0, version=99), ErrorCode.BAD_VERSION, 0
    yield "another machine", changed(good, 0, arch_hash=machine.hash() ^ 1), ErrorCode.WRONG_ARCH, 0
    for index in (1, conv, len(good.program.commands) - 1):
        yield f"opcode {index}", patched(good, index, b"\x7f"), ErrorCode.BAD_OPCODE, index
    for name, index, prefix in (
        ("conv ifm", conv, "ifm"), ("conv ofm", conv, "ofm"), ("store", store, "buf"), ("load", rows, "buf"),
        ("pool ofm", pool, "ofm"), ("window ifm", window, "ifm"), ("second operand", add, "ifm2"),
    ):  # fmt: skip
        wrap = good.program.commands[index][f"{prefix}_wrap"]
        beyond = {f"{prefix}_base": machine.act_bytes - wrap + 1}
        yield name, changed(good, index, **beyond), ErrorCode.BAD_ADDRESS, index
    yield "a second header", patched(good, conv, bytes([Opcode.HEADER])), ErrorCode.BAD_OPCODE, conv
    beyond = {"column": 1, "line_base": machine.line_depth - good.program.commands[window]["cols"] + 1}
    yield "line buffers", changed(good, window, **beyond), ErrorCode.BAD_ADDRESS, window
    beyond = {"word": machine.weight_words - good.program.commands[weights]["words"] + 1}
    yield "weights", changed(good, weights, **beyond), ErrorCode.BAD_ADDRESS, weights
    for name, field, by in (("lanes", "last_lanes", 1), ("bytes", "size", -1), ("records", "record_words", 1)):
        other = good.program.commands[weights][field] + by
        yield f"{name} of weights", changed(good, weights, **{field: other}), ErrorCode.BAD_PATTERN, weights


def failing_buses(good: Job) -> Iterator[Broken]:
    bases, commands = good.bases(), good.program.commands
    weights, store = find(good, Opcode.LOAD_WEIGHTS), find(good, Opcode.STORE_ROWS)
    middle = len(commands) // 2
    at = bases.commands + middle * COMMAND_BYTES
    yield "fetch", refusing(good, at, at + 8), ErrorCode.FETCH_BUS, middle
    at = bases.base[0] + commands[weights]["offset"]  # the memory looks at the addresses of bursts
    yield "load", refusing(good, at, at + 8), ErrorCode.LOAD_BUS, weights
    yield "load, nobody there", refusing(good, at, at + 8, DECERR), ErrorCode.LOAD_BUS, weights
    at = bases.base[2]
    yield "store", refusing(good, at, at + 8), ErrorCode.STORE_BUS, store


def broken(workload: Workload) -> list[Broken]:
    good = workload.job(0, "timed", MemoryTiming())
    return [*corrupt_programs(good), *failing_buses(good)]


def test_the_esl_machine_says_what_and_where(workload: Workload) -> None:
    for name, job, code, index in broken(workload):
        (result,) = MachineBackend().run([job])
        assert result.error == (code, index), (name, result.failure)
        assert f"[{code.name}]" in result.failure


@pytest.mark.cosim
@pytest.mark.xdist_group("base")
def test_the_rtl_says_the_same_and_recovers(workload: Workload, base: Arch, tmp_path: Path) -> None:
    good = workload.job(0, "timed", MemoryTiming())
    cases = broken(workload)
    jobs: Sequence[Job] = [job for _, bad, _, _ in cases for job in (bad, good)]
    results = RtlBackend(base, good.bases().size, tmp_path).run(jobs)
    for (name, _, code, index), bad, after in zip(cases, results[::2], results[1::2], strict=True):
        assert bad.error == (code, index), (name, bad.failure)
        assert not after.failure, (name, after.failure)
        assert differing(workload.golden, after.tensors) == [], name
        assert after.cycles == results[1].cycles, name


@pytest.mark.cosim
@pytest.mark.xdist_group("base")
def test_records_that_cannot_be_written(workload: Workload, base: Arch, tmp_path: Path) -> None:
    """The ESL machine writes no records, so this one is the RTL's alone."""
    good = workload.job(0, "profiled", MemoryTiming(), profile=True)
    bad = refusing(good, good.bases().profile, good.bases().profile + 8)
    first = next(i for i, c in enumerate(good.program.commands) if c["stamp"])
    failed, after = RtlBackend(base, good.bases().size, tmp_path).run([bad, good])
    assert failed.error == (ErrorCode.PROFILE_BUS, first)
    assert differing(workload.golden, after.tensors) == []
