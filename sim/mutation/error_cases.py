# SPDX-License-Identifier: Apache-2.0
"""Jobs that must stop with an error: broken Programs, waits that never end, and errors on bursts in mid-work."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from esl_ref.program.fields import ErrorCode, Opcode
from sim.broken import broken, changed, find, refusing
from sim.jobs import Job
from sim.runner import DECERR, SLVERR, BusMemory, Fault

__all__ = ["ErrorCase", "error_cases"]

_NEVER = 1000
_READS = (2, 3, 5, 8, 11, 14, 17, 20, 24, 28)
_WRITES = (0, 1, 3, 6)

ErrorCase = tuple[str, Job, tuple[int, int] | None]
"""Name, job, and (code, index) that it must stop with; None where only the next job can tell."""


def error_cases(good: Job) -> Iterator[ErrorCase]:
    """Ways to break a job that runs; its Program must have commands of every kind."""
    for name, job, code, index in broken(good):
        yield f"broken: {name}", job, (int(code), index)
    yield from _deadlocks(good)
    profiled = dataclasses.replace(good, profile=True)
    first = next(i for i, c in enumerate(good.program.commands) if c["stamp"])
    records = profiled.bases().profile
    yield "records", refusing(profiled, records, records + 8), (int(ErrorCode.PROFILE_BUS), first)
    yield from _bursts(profiled)


def _deadlocks(good: Job) -> Iterator[ErrorCase]:
    """Commands that wait for more of another queue than the Program has."""
    for opcode, queue in (
        (Opcode.CONV, "load"), (Opcode.POOL, "store"), (Opcode.STORE_ROWS, "compute"), (Opcode.LOAD_WEIGHTS, "compute"),
    ):  # fmt: skip
        index = find(good, opcode)
        waits = {f"need_{queue}": 1, f"wait_{queue}": _NEVER}
        yield f"{opcode.name} waits for ever", changed(good, index, **waits), (int(ErrorCode.DEADLOCK), index)


def _bursts(good: Job) -> Iterator[ErrorCase]:
    """An error on one burst of the run, on memories of several speeds: where it stops depends on what was under way."""
    for number, (kind, index) in enumerate([*(("read", n) for n in _READS), *(("write", n) for n in _WRITES)]):
        fault = Fault(kind, index, response=(SLVERR, DECERR)[number % 2])
        timing = BusMemory(latency=(2, 32, 90)[number % 3], stall=(0, 0.3)[number // 3 % 2], seed=number, fault=fault)
        yield f"error on {kind} burst {index}", dataclasses.replace(good, memory=timing), None
