# SPDX-License-Identifier: Apache-2.0
"""Where tensors part: the element, and the command that wrote it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from esl_ref import arch, executor
from esl_ref.frontends import load
from esl_ref.models import embedded_path
from esl_ref.program.image import Program
from sim.compare import differing, first_mismatch
from sim.workload import Workload, prepare


@pytest.fixture(scope="module")
def workload() -> Workload:
    graph = load(embedded_path())
    return prepare(graph, executor.random_inputs(graph, 3), arch.load("base"))


@pytest.fixture(scope="module")
def program(workload: Workload) -> Program:
    return workload.traced.programs[0].program


def test_differing_names_only_what_differs() -> None:
    golden = {"a": np.zeros(4, np.int8), "b": np.ones(2, np.int8)}
    assert differing(golden, {"a": np.zeros(4, np.int8)}) == []
    assert differing(golden, {"a": np.zeros(4, np.int8), "b": np.zeros(2, np.int8)}) == ["b"]


def test_element_values_and_counts(workload: Workload, program: Program) -> None:
    golden = workload.golden["conv2"]
    actual = golden.copy()
    actual[0, 5, 3, 7] ^= 1
    actual[0, 9, 9, 9] ^= 1
    found = first_mismatch("conv2", golden, actual, program)
    assert (found.coordinate, found.index) == ((5, 3, 7), (0, 5, 3, 7))
    assert (found.expected, found.actual) == (golden[0, 5, 3, 7], actual[0, 5, 3, 7])
    assert (found.wrong, found.size) == (2, golden.size)


def test_every_element_has_a_command_that_covers_it(workload: Workload, program: Program) -> None:
    for name in sorted(workload.compared):
        golden = workload.golden[name]
        for place in ((0,) * golden.ndim, tuple(n - 1 for n in golden.shape)):
            actual = golden.copy()
            actual[place] ^= 1
            found = first_mismatch(name, golden, actual, program)
            info = program.info(found.command)
            assert name in info.writes, name
            assert info.channels[0] <= found.coordinate[2] < info.channels[0] + info.channels[1]


def test_groups_come_before_rows(workload: Workload, program: Program) -> None:
    """The engine computes all rows of a group of channels before the next group's."""
    golden = workload.golden["pw3"]
    actual = golden.copy()
    actual[0, 0, 0, 20] ^= 1
    actual[0, 6, 6, 3] ^= 1
    whole = dataclasses.replace(program, debug=())
    assert first_mismatch("pw3", golden, actual, whole).coordinate == (6, 6, 3)
    assert first_mismatch("pw3", golden, actual, whole).command == -1
