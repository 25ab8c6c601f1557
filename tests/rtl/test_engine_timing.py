# SPDX-License-Identifier: Apache-2.0
"""The engine takes exactly the cycles that `esl_ref.machine.engine_timing` says."""

from __future__ import annotations

import dataclasses
import random

import pytest

from esl_ref.arch import PRESETS, load
from esl_ref.machine.engine_timing import EngineTiming, IssueClock
from esl_ref.program.commands import Command
from esl_ref.program.fields import Opcode
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
def test_issue_slots_and_completion(post_lanes: int) -> None:
    arch = dataclasses.replace(TINY, post_lanes=post_lanes)
    timing = EngineTiming.of(arch)
    cases = [make_case(kind, random.Random(seed).randint, seed, arch) for kind in KINDS for seed in range(20, 24)]
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
    cases = [make_case(kind, random.Random(seed).randint, seed, TINY) for seed in range(3) for kind in KINDS]
    check_completions([case.command for case in cases])


def check_completions(commands: list[Command]) -> None:
    timing = EngineTiming.of(TINY)
    outcome = EngineBench(TINY).run(Job(commands, dump=False))[0]
    clock, first, taken, expected = IssueClock(TINY), timing.setup, 0, []
    for command in commands:
        issued = clock.run(command, max(first, taken + timing.decode))
        expected.append(issued.last + timing.completion)
        first, taken = issued.last + 1, issued.first - 1
    assert [cycle for cycle, *_ in outcome.completed] == expected


@pytest.mark.parametrize("cols", [1, 2, 3, 7])
def test_rows_that_only_enter_line_buffers_wait_for_their_records(cols: int) -> None:
    """Behind a result whose records are still in use, a command of a few ops must not end before its own are read: its
    successor's ops would not be there yet, and an op long gone be issued instead."""
    one = {"groups": 1, "last_lanes": 8, "oy_count": 1, "ox_count": 1, "ky_count": 1, "kx_count": 1, "chunks": 3}
    rows = {"groups": 2, "last_lanes": 8, "passes": 1, "cols": cols, "fire_row": 1, "column": 1, "chunks": 1}
    dot, fill = Command(Opcode.CONV, one), Command(Opcode.DEPTHWISE_WINDOW, {**rows, "oy_rows": 1, "col_stride": 1})
    check_completions([dot, fill, dot, fill, fill, dot])


def test_records_of_long_groups_cost_only_their_own_cycles() -> None:
    """A fully connected layer: the record words of a group are read while the previous group's sums leave the array."""
    fields = {"groups": 4, "last_lanes": 8, "oy_count": 1, "ox_count": 1, "ky_count": 1, "kx_count": 1, "chunks": 8}
    outcome = EngineBench(TINY).run(Job([Command(Opcode.CONV, fields)], dump=False))[0]
    slots = [cycle for cycle, _ in outcome.issued][EngineTiming.of(TINY).setup - 1 :]
    assert len(slots) == 4 * (8 + TINY.header_words)


DEPTHWISE_48 = Command(Opcode.DEPTHWISE_WINDOW, {
    "groups": 1, "last_lanes": 16, "passes": 49, "cols": 49, "fire_row": 1, "fire_col": 1, "oy_rows": 1,
    "col_stride": 1, "chunks": 1, "ox_count": 48, "oy_count": 48, "column": 1,
})  # fmt: skip


def test_depthwise_visits_one_column_per_cycle() -> None:
    """3 x 3, stride 1, 16 channels, 48 x 48 on `base`: more than half of the array's peak (at most 9 of 16 taps)."""
    base = load("base")
    issued = IssueClock(base).run(DEPTHWISE_48, 0)
    cycles = issued.last + 1 + EngineTiming.of(base).completion
    assert cycles <= 49 * 49 + 30
    assert 48 * 48 * 9 * 16 / (cycles * base.macs_per_cycle) > 0.5


@pytest.mark.slow
def test_depthwise_takes_these_cycles_in_the_rtl() -> None:
    base = load("base").with_depths(act_bytes=4096)
    timing = EngineTiming.of(base)
    outcome = EngineBench(base).run(Job([DEPTHWISE_48], dump=False))[0]
    assert outcome.completed[0][0] == IssueClock(base).run(DEPTHWISE_48, timing.setup).last + timing.completion
