# SPDX-License-Identifier: Apache-2.0
"""What the RTL backend makes of registers and memory; the RTL itself runs in `test_cosim.py`."""

from __future__ import annotations

import numpy as np
import pytest

from esl_ref import arch
from esl_ref.program.fields import ErrorCode
from esl_ref.registers import address
from sim.jobs import Job, counter_names
from sim.machine_backend import prediction
from sim.random_layers import LayerSpec, build, inputs_of
from sim.rtl_backend import cycle_limit, job_result, register_run
from sim.runner import BusMemory, RunResult
from sim.workload import prepare


@pytest.fixture(scope="module")
def job() -> Job:
    spec = LayerSpec("conv", 5, 6, 6, 5, 20, (3, 3))
    graph = build(spec)
    return prepare(graph, inputs_of(spec, graph), arch.load("base")).job(0, "timed", BusMemory())


def finished(job: Job, **changes: object) -> RunResult:
    registers = {address(name): 10 + i for i, name in enumerate(counter_names())}
    registers |= {address("STATUS"): 2, address("ERROR_CODE"): 0, address("ERROR_INDEX"): 0}
    registers |= {address(n): v for n, v in dict(changes.pop("registers", {})).items()}  # type: ignore[call-overload]
    memory = np.frombuffer(bytes(job.image()), np.uint8)
    given = {
        "cycles": 13, "registers": registers, "memory": memory, "memory_base": 0, "timed_out": False, "breach": "",
        "irq_after": False, "seconds": 0.5, "traffic": {}, "write_responses": (), "during": (),
    }  # fmt: skip
    return RunResult(**(given | changes))  # type: ignore[arg-type]


def test_the_doorbell_is_the_last_write(job: Job) -> None:
    run, bases = register_run(job), job.bases()
    assert run.writes[-1] == (address("CTRL"), 1)
    assert dict(run.writes)[address("PROG_ADDR")] == bases.commands
    assert [dict(run.writes)[address(f"BASE{i}")] for i in range(8)] == list(bases.base)
    assert dict(run.writes)[address("PROFILE_ADDR")] == 0


def test_patience_grows_with_the_work_and_the_stalls(job: Job) -> None:
    stalled = Job(job.label, job.program, job.inputs, BusMemory(stall=0.9))
    assert cycle_limit(job) > 2 * prediction(job).cycles
    assert cycle_limit(stalled) > 20 * prediction(job).cycles


def test_a_good_run_gives_tensors_and_counters(job: Job) -> None:
    result = job_result(job, finished(job))
    assert not result.failure
    assert set(result.tensors) == {"y"}
    assert (result.cycles, result.counters["MAC_ACTIVE"]) == (10, 11)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"timed_out": True}, "no interrupt within 13 cycles"),
        ({"breach": "a read burst crosses a 4 KiB boundary"}, "AXI4 protocol: a read burst"),
        (
            {"registers": {"ERROR_CODE": ErrorCode.LOAD_BUS, "ERROR_INDEX": 1, "STATUS": 4}},
            "LOAD_BUS at command 1 LOAD",
        ),
        ({"registers": {"ERROR_CODE": 77, "ERROR_INDEX": 1}}, "stopped with 77"),
        ({"registers": {"STATUS": 1}}, "STATUS reads 0x1"),
        ({"irq_after": True}, "interrupt stayed up"),
    ],
)
def test_failures_are_told_apart(job: Job, changes: dict[str, object], said: str) -> None:
    assert said in job_result(job, finished(job, **changes)).failure
