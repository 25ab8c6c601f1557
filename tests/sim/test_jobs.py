# SPDX-License-Identifier: Apache-2.0
"""Jobs: memory images and profile records."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from esl_ref import arch, executor
from esl_ref.frontends import load
from esl_ref.models import embedded_path
from sim.jobs import FILL, Job, counter_names, read_records
from sim.runner import BusMemory
from sim.workload import Workload, prepare


@pytest.fixture(scope="module")
def workload() -> Workload:
    graph = load(embedded_path())
    return prepare(graph, executor.random_inputs(graph, 3), arch.load("base"))


def test_records_are_off_unless_asked_for(workload: Workload) -> None:
    timed, profiled, _ = workload.jobs(0, BusMemory())
    assert timed.bases().profile == 0
    assert profiled.bases().profile > 0
    assert timed.bases().commands == profiled.bases().commands


def test_image_holds_constants_inputs_and_filling(workload: Workload) -> None:
    job = workload.job(0, "timed", BusMemory())
    image, bases = job.image(), job.bases()
    constants = job.program.constants
    assert bytes(image[bases.base[0] : bases.base[0] + len(constants)]) == constants
    (surface,) = job.program.surfaces_of("in")
    assert np.array_equal(surface.pick(image[bases.base[surface.base] :]), job.inputs[surface.name])
    assert set(image[bases.base[2] : bases.base[2] + 8]) == {FILL}


def test_flips_invert_single_constants(workload: Workload) -> None:
    clean = workload.job(0, "timed", BusMemory())
    dirty = Job(clean.label, clean.program, clean.inputs, flips=(7,))
    place = clean.bases().base[0] + 7
    differing = [i for i, (a, b) in enumerate(zip(clean.image(), dirty.image(), strict=True)) if a != b]
    assert differing == [place]


def test_records_are_decoded_in_order(workload: Workload) -> None:
    job = workload.job(0, "profiled", BusMemory(), profile=True)
    memory, bases, count = job.image(), job.bases(), job.program.stamped()
    for n in range(count):
        values = [100 * n + i for i in range(len(counter_names()))]
        struct.pack_into("<16I", memory, bases.profile + 64 * n, n + 5, n, *values)
    records = read_records(job.program, memory, bases)
    assert [(r.index, r.tag) for r in records] == [(n + 5, n) for n in range(count)]
    assert records[1].counters["CYCLES"] == 100
    assert records[1].counters["COMMANDS"] == 100 + len(counter_names()) - 1
    assert read_records(job.program, memory, workload.job(0, "timed", BusMemory()).bases()) == ()
