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
from tests.rtl.engine_bench import EngineBench
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
    for seed in range(20, 23):
        case = make_case(kind, random.Random(seed).randint, seed, arch)
        outcome = EngineBench(arch).run([case.command], b"", {}, bytes(256))[0]
        issued = IssueClock(arch).run(case.command, timing.setup)
        fields = dict(case.command.fields)
        assert outcome.completed[0][0] == issued.last + timing.completion, fields
        assert outcome.causes[Cause.MAC] == issued.array, fields
        assert outcome.causes[Cause.VECTOR] == issued.vector, fields
        assert outcome.causes[Cause.OVERHEAD] == issued.overhead + timing.setup - 1, fields
