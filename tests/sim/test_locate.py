# SPDX-License-Identifier: Apache-2.0
"""The first-divergence report: place, values, cycles, and who is alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from esl_ref import arch, executor
from esl_ref.frontends import load
from esl_ref.models import embedded_path
from sim.jobs import Job, JobResult
from sim.locate import Divergence, diverged, locate
from sim.machine_backend import MachineBackend
from sim.runner import BusMemory
from sim.workload import Workload, prepare


@pytest.fixture(scope="module")
def workload() -> Workload:
    graph = load(embedded_path())
    return prepare(graph, executor.random_inputs(graph, 3), arch.load("base"))


@pytest.fixture(scope="module")
def traced(workload: Workload) -> tuple[Job, JobResult]:
    job = workload.jobs(0, BusMemory())[2]
    return job, MachineBackend().run([job])[0]


def spoil(result: JobResult, *names: str) -> JobResult:
    tensors = dict(result.tensors)
    for name in names:
        tensors[name] = tensors[name].copy()
        tensors[name].reshape(-1)[-1] ^= 4
    return dataclasses.replace(result, tensors=tensors)


def find(workload: Workload, job: Job, bad: JobResult, other: JobResult) -> Divergence:
    ops = workload.plain.programs[0].segment.ops
    return locate(job, bad, workload.golden, "RTL", {"ESL machine": other}, ops)


def test_the_first_tensor_in_program_order_is_named(workload: Workload, traced: tuple[Job, JobResult]) -> None:
    job, good = traced
    assert not diverged(workload.golden, good)
    bad = spoil(good, "pw4", "conv2", "fc6")
    assert diverged(workload.golden, bad)
    found = find(workload, job, bad, good)
    assert (found.layer, found.kind) == ("conv2", "Conv2D")
    assert found.mismatch is not None
    assert found.mismatch.coordinate == (13, 13, 15)
    assert "CONV" in found.where
    assert 0 < found.cycles[0] < found.cycles[1]
    assert found.cycles[0] <= found.issue[1] < found.cycles[1]
    text = " ".join(found.sentences())
    said = ("RTL", "conv2", "row 13, column 13, channel 15", "1 of 3136", "strip of rows", "in cycles", "issue in")
    for part in said:
        assert part in text, text


def test_who_is_alone(workload: Workload, traced: tuple[Job, JobResult]) -> None:
    job, good = traced
    bad = spoil(good, "conv2")
    assert "golden and the ESL machine agree" in find(workload, job, bad, good).verdict
    assert "same wrong bytes" in find(workload, job, bad, bad).verdict
    worse = dict(bad.tensors)
    worse["conv2"] = np.zeros_like(worse["conv2"])
    assert "all different" in find(workload, job, bad, dataclasses.replace(bad, tensors=worse)).verdict
    failed = JobResult(job.label, failure="HazardError")
    assert "did not finish" in find(workload, job, bad, failed).verdict


def test_a_run_without_results_reports_why(workload: Workload, traced: tuple[Job, JobResult]) -> None:
    job, good = traced
    hung = JobResult(job.label, failure="no interrupt within 1000 cycles of the doorbell")
    found = find(workload, job, hung, good)
    assert found.mismatch is None
    assert found.sentences() == [f"RTL, run '{job.label}': {hung.failure}"]
