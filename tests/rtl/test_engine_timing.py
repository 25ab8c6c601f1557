# SPDX-License-Identifier: Apache-2.0
"""The engine takes exactly the cycles that `esl_ref.machine.timing_constants` says."""

from __future__ import annotations

import dataclasses
import random

import pytest

from esl_ref.arch import PRESETS, load
from esl_ref.machine.timing_constants import EngineTiming, IssueClock
from rtl import issuer, pipeline
from rtl.op import Cause
from rtl.timing import header_gap
from tests.helpers.random_commands import KINDS, make_case
from tests.rtl.engine_bench import EngineBench, Job
from tests.rtl.test_engine import TINY


@pytest.mark.parametrize("name", PRESETS)
def test_constants_are_those_of_the_rtl(name: str) -> None:
    for arch in (load(name), load(name).with_depths(post_lanes=2)):
        timing = EngineTiming.of(arch)
        assert timing.completion == pipeline.completion_latency(arch)
        assert timing.store_read == pipeline.STORE_READ_LATENCY
        assert timing.header_gap == header_gap(arch)
        assert timing.setup == pipeline.SETUP_CYCLES
        assert timing.in_flight == issuer.IN_FLIGHT


@pytest.mark.parametrize("post_lanes", [1, 4, 8])
@pytest.mark.parametrize("kind", KINDS)
def test_issue_slots_and_completion(kind: str, post_lanes: int) -> None:
    arch = dataclasses.replace(TINY, post_lanes=post_lanes)
    timing = EngineTiming.of(arch)
    cases = [make_case(kind, random.Random(seed).randint, seed, arch) for seed in range(20, 24)]
    outcomes = EngineBench(arch).run(*(Job([case.command], dump=False) for case in cases))
    for case, outcome in zip(cases, outcomes, strict=True):
        issued = IssueClock(arch).run(case.command, timing.setup)
        fields = dict(case.command.fields)
        assert outcome.completed[0][0] == issued.last + timing.completion, fields
        assert outcome.causes[Cause.MAC] == issued.array, fields
        assert outcome.causes[Cause.VECTOR] == issued.vector, fields
        assert outcome.causes[Cause.OVERHEAD] == issued.overhead + timing.setup - 1, fields


def test_commands_follow_each_other_without_a_gap() -> None:
    """The next command's first slot is right behind the last of its predecessor, unless that was too short."""
    timing = EngineTiming.of(TINY)
    cases = [make_case(kind, random.Random(seed).randint, seed, TINY) for seed in range(3) for kind in KINDS]
    outcome = EngineBench(TINY).run(Job([case.command for case in cases], dump=False))[0]
    clock, first, taken, expected = IssueClock(TINY), timing.setup, 0, []
    for case in cases:
        issued = clock.run(case.command, max(first, taken + timing.decode))
        expected.append(issued.last + timing.completion)
        first, taken = issued.last + 1, issued.first - 1
    assert [cycle for cycle, *_ in outcome.completed] == expected
