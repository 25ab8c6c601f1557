# SPDX-License-Identifier: Apache-2.0
"""Jobs on the generated RTL: Verilated, driven through its registers by cocotb, fetching everything by itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from esl_ref.arch import Arch
from esl_ref.errors import ArchError
from esl_ref.program.fields import ErrorCode
from esl_ref.program.image import BASES
from esl_ref.registers import address
from sim.accelerator import BuiltRtl, build_rtl
from sim.jobs import Job, JobResult, as_image, counter_names, read_records
from sim.machine_backend import prediction
from sim.runner import Run, RunResult, run_programs

__all__ = ["RtlBackend", "cycle_limit", "job_result", "register_run"]

_STATE = ("STATUS", "ERROR_CODE", "ERROR_INDEX")
_ENABLE_ALL = 3
_PATIENCE, _LEAST_LIMIT = 8, 50_000


class RtlBackend:
    """The RTL of one architecture. `folder` keeps the files of the last simulation, waves included."""

    name = "RTL"

    def __init__(self, arch: Arch, memory_bytes: int, folder: Path, *, waves: bool = False) -> None:
        self.arch, self.folder, self.waves = arch, folder, waves
        self.built: BuiltRtl = build_rtl(arch, memory_bytes, waves=waves)

    def run(self, jobs: Sequence[Job]) -> list[JobResult]:
        """See `Backend.run`: one simulation, one reset at its start. ArchError for a Program of another machine."""
        for job in jobs:
            if job.program.arch.hash() != self.arch.hash():
                raise ArchError(f"program '{job.program.name}' is for another architecture than the RTL")
        runs = [register_run(job) for job in jobs]
        done = run_programs(self.built.accelerator, runs, folder=self.folder, waves=self.waves)
        results = [job_result(job, run) for job, run in zip(jobs, done, strict=False)]
        return results + [JobResult(j.label, failure="not run: the run before it hung") for j in jobs[len(done) :]]


def cycle_limit(job: Job) -> int:
    """Cycles after which a run has hung: far beyond what the timing model predicts."""
    return _LEAST_LIMIT + round(_PATIENCE * prediction(job).cycles / (1 - job.memory.stall) ** 2)


def register_run(job: Job) -> Run:
    """Register accesses and memory image of a job."""
    bases = job.bases()
    writes = [
        (address("IRQ_ENABLE"), _ENABLE_ALL),
        (address("PROG_ADDR"), bases.commands),
        (address("PROFILE_ADDR"), bases.profile),
        *((address(f"BASE{i}"), bases.base[i]) for i in range(BASES)),
        (address("CTRL"), 1),
    ]
    return Run(
        writes, cycle_limit(job), as_image(job.image()),
        reads=[address(name) for name in (*counter_names(), *_STATE)],
        acknowledge=[(address("IRQ_STATUS"), _ENABLE_ALL)], memory=job.memory,
    )  # fmt: skip


def job_result(job: Job, run: RunResult) -> JobResult:
    """What a run means for its job."""
    registers = {name: run.registers.get(address(name), 0) for name in (*counter_names(), *_STATE)}
    counters = {name: registers[name] for name in counter_names()}
    failure = _failure(job, run, registers)
    if failure:
        code = registers["ERROR_CODE"]
        error = (code, registers["ERROR_INDEX"]) if code and not run.timed_out else None
        return JobResult(
            job.label, cycles=run.cycles, counters=counters, seconds=run.seconds, failure=failure, error=error
        )
    memory, bases = np.ascontiguousarray(run.memory).tobytes(), job.bases()
    tensors = job.program.read_outputs(memory, bases, traces=True)
    records = read_records(job.program, memory, bases)
    return JobResult(job.label, tensors, counters["CYCLES"], counters, records, run.seconds)


def _failure(job: Job, run: RunResult, registers: dict[str, int]) -> str:
    """'' or what kept the run from giving results."""
    if run.timed_out:
        return f"no interrupt within {run.cycles} cycles of the doorbell"
    if run.breach:
        return f"AXI4 protocol: {run.breach}"
    if registers["ERROR_CODE"]:
        code, index = registers["ERROR_CODE"], registers["ERROR_INDEX"]
        name = ErrorCode(code).name if code in list(ErrorCode) else str(code)
        return f"the engine stopped with {name} at {job.program.where(index)}"
    if registers["STATUS"] & 7 != 2:
        return f"STATUS reads {registers['STATUS']:#x} after the interrupt, not done"
    return "the interrupt stayed up after it was acknowledged" if run.irq_after else ""
