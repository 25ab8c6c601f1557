# SPDX-License-Identifier: Apache-2.0
"""Jobs on the ESL machine: bytes from its memories, cycles from its timing model."""

from __future__ import annotations

import time
from collections.abc import Sequence

from esl_ref.errors import HazardError, NumericError, ProgramError
from esl_ref.machine import BusFault, Machine, MachineFault
from esl_ref.machine.timing import MemoryTiming, Timing, predict
from sim.jobs import Job, JobResult, Record

__all__ = ["MachineBackend", "memory_after", "prediction"]


class MachineBackend:
    """The ESL machine has no random stalls: cycles are those of a memory that never stalls."""

    name = "ESL machine"

    def run(self, jobs: Sequence[Job]) -> list[JobResult]:
        """See `Backend.run`."""
        return [_run(job) for job in jobs]


def prediction(job: Job) -> Timing:
    """Predicted timing of a job, stalls left out."""
    memory = MemoryTiming(job.memory.latency, job.memory.gap)
    return predict(job.program, job.bases(), memory, profiling=job.profile)


def memory_after(job: Job) -> bytearray:
    """External memory as a good job leaves it, all of it; the machine writes no profile records."""
    memory = job.image()
    Machine(job.program.arch).run(job.program, memory, job.bases(), faults=_faults(job))
    return memory


def _run(job: Job) -> JobResult:
    bases, memory, start = job.bases(), job.image(), time.perf_counter()
    try:
        Machine(job.program.arch).run(job.program, memory, bases, faults=_faults(job))
    except MachineFault as fault:
        return JobResult(job.label, failure=str(fault), error=(int(fault.code), fault.index))
    except (HazardError, NumericError, ProgramError) as error:
        return JobResult(job.label, failure=str(error))
    seconds = time.perf_counter() - start
    timing = prediction(job)
    tensors = job.program.read_outputs(memory, bases, traces=True)
    return JobResult(job.label, tensors, timing.cycles, timing.counters, _records(timing), seconds)


def _faults(job: Job) -> tuple[BusFault, ...]:
    """Address ranges that answer with an error; faults of single bursts have no counterpart here."""
    fault = job.memory.fault
    if fault is None or fault.kind != "range":
        return ()
    return (BusFault(fault.addresses[0], fault.addresses[1] - 1),)


def _records(timing: Timing) -> tuple[Record, ...]:
    """Turns as records; without profiling the timing model dates them and nothing more."""
    return tuple(Record(turn.index, turn.layer, turn.counters or {"CYCLES": turn.complete}) for turn in timing.turns)
