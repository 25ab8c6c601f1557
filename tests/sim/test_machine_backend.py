# SPDX-License-Identifier: Apache-2.0
"""The ESL machine behind the interface that it shares with the RTL."""

from __future__ import annotations

import dataclasses

import numpy as np

from esl_ref import arch
from esl_ref.program.fields import Opcode
from sim.compare import differing
from sim.machine_backend import MachineBackend, prediction
from sim.random_layers import LayerSpec, build, inputs_of
from sim.runner import BusMemory
from sim.workload import Workload, prepare

SPEC = LayerSpec("conv", 5, 9, 7, 5, 20, (3, 3), padding=(1, 1, 1, 1))


def made() -> Workload:
    graph = build(SPEC)
    return prepare(graph, inputs_of(SPEC, graph), arch.load("base"))


def test_results_equal_golden_and_carry_a_prediction() -> None:
    workload = made()
    results = MachineBackend().run(workload.jobs(0, BusMemory()))
    for result in results:
        assert not result.failure
        assert differing(workload.golden, result.tensors) == []
        assert result.counters["CYCLES"] == result.cycles > workload.job(0, "timed", BusMemory()).program.stamped()
    assert results[0].records == results[1].records or len(results[1].records) == 1
    assert results[1].records[0].counters["CYCLES"] < results[1].cycles


def test_latency_is_predicted() -> None:
    workload = made()
    near, far = (prediction(workload.job(0, "timed", BusMemory(latency=n))).cycles for n in (2, 200))
    assert far > near + 190


def test_a_missing_wait_is_a_failure_and_not_an_exception() -> None:
    job = made().job(0, "timed", BusMemory())
    commands = [
        c.replace(need_load=0, need_store=0, need_compute=0) if c.opcode is Opcode.CONV else c
        for c in job.program.commands
    ]
    broken = dataclasses.replace(job.program, commands=tuple(commands))
    (result,) = MachineBackend().run([dataclasses.replace(job, program=broken)])
    assert "may still be writing" in result.failure
    assert not result.tensors


def test_planted_faults_show() -> None:
    workload = made()
    # Third byte of the bias of lane 0, whose record is the first word of the constants.
    job = dataclasses.replace(workload.job(0, "timed", BusMemory()), flips=(2,))
    (result,) = MachineBackend().run([job])
    assert not result.failure
    assert differing(workload.golden, result.tensors) == ["y"]
    wrong = result.tensors["y"] != workload.golden["y"]
    assert set(np.flatnonzero(wrong.any(axis=(0, 1, 2)))) == {0}
