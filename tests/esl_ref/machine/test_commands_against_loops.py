# SPDX-License-Identifier: Apache-2.0
"""Every compute opcode in random geometry: the machine's SRAM equals plain loops written from docs/program.md."""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from esl_ref.arch import Arch
from esl_ref.machine import execute
from esl_ref.numerics import Profile
from tests.helpers.naive_machine import NaiveMachine
from tests.helpers.random_commands import KINDS, SMALL, CommandCase, make_case

SIXTEEN = dataclasses.replace(
    SMALL, name="sixteen", lanes=16, post_lanes=16, axi_bytes=16, window_rows=5, window_cols=4, act_bytes=16384
)
SINGLE = dataclasses.replace(SMALL, name="single", profile=Profile.SINGLE, window_rows=4)
EVEN = dataclasses.replace(SMALL, name="even", profile=Profile.EVEN)


def assert_equal_to_loops(case: CommandCase) -> None:
    naive = NaiveMachine(case.arch, case.act, case.weights, case.table)
    naive.compute(case.command)
    after = execute(case.program(), case.inputs()).outputs["after"]
    wrong = np.flatnonzero(after != np.array(naive.act, np.int8))
    assert not wrong.size, f"{len(wrong)} bytes differ, first at {wrong[0]}, of {dict(case.command.fields)}"


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_command_equals_loops(kind, data):
    case = make_case(kind, lambda low, high: data.draw(st.integers(low, high)), data.draw(st.integers(0, 99)))
    assert_equal_to_loops(case)


@pytest.mark.parametrize("arch", [SIXTEEN, SINGLE, EVEN], ids=lambda a: a.name)
@pytest.mark.parametrize("kind", KINDS)
def test_command_equals_loops_on_other_architectures(kind: str, arch: Arch):
    for seed in range(12):
        assert_equal_to_loops(make_case(kind, random.Random(seed).randint, seed, arch))
