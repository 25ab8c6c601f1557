# SPDX-License-Identifier: Apache-2.0
"""Whether a run gave what it must, and which check says no."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from sim.compare import differing
from sim.jobs import JobResult
from sim.mutation.simulate import Silence
from sim.mutation.stimuli import Expected, Stimulus
from sim.rtl_backend import job_result
from sim.runner import RunResult

__all__ = ["CHECKS", "Verdict", "calibrated", "judge"]

_PATIENCE, _LEAST_LIMIT = 2, 2000


@dataclass(frozen=True)
class Verdict:
    """`check` is '' for a run that gave what it must; `what` says what was found instead. `cycles` were simulated from
    the doorbell on."""

    check: str
    what: str
    cycles: int


def judge(stimulus: Stimulus, run: RunResult | Silence) -> Verdict:
    """The first check of CHECKS that a run fails."""
    if isinstance(run, str):
        return Verdict("registers", run, 0)
    result = job_result(stimulus.job, run)
    for check, finds in CHECKS.items():
        if what := finds(stimulus.expected, run, result):
            return Verdict(check, what, run.cycles)
    return Verdict("", "", run.cycles)


def _time_out(expected: Expected, run: RunResult, result: JobResult) -> str:
    return f"no interrupt within {run.cycles} cycles" if run.timed_out else ""


def _protocol(expected: Expected, run: RunResult, result: JobResult) -> str:
    return run.breach


def _error(expected: Expected, run: RunResult, result: JobResult) -> str:
    """ERROR_CODE, ERROR_INDEX, STATUS and the interrupt's fall."""
    if expected.error is None:
        return "" if expected.free else result.failure
    return "" if result.error == expected.error else result.failure or "an error was not noticed"


def _tensors(expected: Expected, run: RunResult, result: JobResult) -> str:
    wrong = [] if expected.error or not expected.tensors else differing(expected.tensors, result.tensors)
    return f"tensor '{wrong[0]}' differs" if wrong else ""


def _memory(expected: Expected, run: RunResult, result: JobResult) -> str:
    """Bytes that no command was to write."""
    if not expected.memory:
        return ""
    wanted = np.frombuffer(expected.memory, np.uint8)
    wrong = run.memory[: wanted.size] != wanted
    wrong[slice(*expected.unknown)] = False
    return f"byte {int(np.argmax(wrong))} of memory differs" if wrong.any() else ""


def _registers(expected: Expected, run: RunResult, result: JobResult) -> str:
    wrong = [f"{a:#05x}" for a, value in expected.registers.items() if run.registers.get(a) != value]
    if wrong:
        return f"register {wrong[0]} differs"
    if expected.responses and run.write_responses != expected.responses:
        return "a register write was answered wrongly"
    return "a register access while busy gave something else" if run.during != expected.during else ""


def _records(expected: Expected, run: RunResult, result: JobResult) -> str:
    found = tuple((r.index, r.tag, r.counters["CYCLES"]) for r in result.records)
    return "a profile record differs" if expected.turns and found != expected.turns else ""


def _cycles(expected: Expected, run: RunResult, result: JobResult) -> str:
    if expected.cycles is None or result.cycles == expected.cycles:
        return ""
    return f"{result.cycles} cycles, predicted {expected.cycles}"


def _counters(expected: Expected, run: RunResult, result: JobResult) -> str:
    wrong = [n for n, value in expected.counters.items() if result.counters[n] != value]
    return f"{wrong[0]} is {result.counters[wrong[0]]}, predicted {expected.counters[wrong[0]]}" if wrong else ""


CHECKS: dict[str, Callable[[Expected, RunResult, JobResult], str]] = {
    "time-out": _time_out, "protocol": _protocol, "error code": _error, "bytes": _tensors, "stray write": _memory,
    "registers": _registers, "records": _records, "cycles": _cycles, "counters": _counters,
}  # fmt: skip
"""In the order in which a run is judged; the first seven are exact demands, the last two the timing model's."""


def calibrated(stimulus: Stimulus, run: RunResult) -> Stimulus:
    """The stimulus with only such predictions as the design itself fulfils, and a limit on cycles that suits it."""
    result, expected = job_result(stimulus.job, run), stimulus.expected
    if _records(expected, run, result):
        expected = replace(expected, turns=())
    if _cycles(expected, run, result):
        expected = replace(expected, cycles=None)
    same = {n: value for n, value in expected.counters.items() if result.counters[n] == value}
    limit = _LEAST_LIMIT + _PATIENCE * run.cycles
    return Stimulus(stimulus.job, replace(stimulus.run, timeout_cycles=limit), replace(expected, counters=same))
