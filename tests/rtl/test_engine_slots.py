# SPDX-License-Identifier: Apache-2.0
"""Partial sums in accumulator slots: a convolution spread over commands gives the bytes and cycles it should."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from esl_ref.machine.engine_timing import EngineTiming, IssueClock
from esl_ref.program.commands import Command
from esl_ref.program.fields import ErrorCode
from tests.helpers.random_commands import CommandCase, make_case
from tests.rtl.engine_bench import EngineBench, Job
from tests.rtl.test_engine import TINY, differences, naive_result, used_words

SLOTS = TINY.with_depths(acc_words=24)


def results(command: Command) -> int:
    return command["groups"] * command["oy_count"] * command["ox_count"]


def suitable_cases(count: int) -> Iterator[CommandCase]:
    """Convolutions of at least 3 kernel rows whose results fit the slots; among them ones of a single issue per row."""
    found = 0
    for seed in range(1000):
        case = make_case("conv", random.Random(seed).randint, seed, SLOTS)
        if results(case.command) <= SLOTS.acc_words and case.command["ky_count"] >= 3:
            yield case
            found += 1
        if found == count:
            return


def kernel_rows(command: Command, first: int, count: int, **slots: int) -> Command:
    """The part of a CONV that sums over `count` kernel rows from `first`."""
    return command.replace(
        ifm_y0=command["ifm_y0"] + first * command["ky_rows"],
        ifm_start=(command["ifm_start"] + first * command["ky_step"]) % command["ifm_wrap"],
        ky_count=count,
        wgt_first=command["wgt_first"] + first * command["kx_count"] * command["chunks"],
        **slots,
    )


def in_three_parts(command: Command) -> list[Command]:
    """First row, second row, the others: kept, added and kept, added and written. The last slots there are."""
    base = SLOTS.acc_words - results(command)
    return [
        kernel_rows(command, 0, 1, acc_out=1, acc_base=base),
        kernel_rows(command, 1, 1, acc_in=1, acc_out=1, acc_base=base),
        kernel_rows(command, 2, command["ky_count"] - 2, acc_in=1, acc_base=base),
    ]


def test_parts_add_up_back_to_back() -> None:
    cases = list(suitable_cases(6))
    jobs = [Job(in_three_parts(case.command), case.act, used_words(case), case.table) for case in cases]
    for case, outcome in zip(cases, EngineBench(SLOTS).run(*jobs), strict=True):
        wrong = differences(outcome.act, naive_result(case))
        assert not wrong, f"{len(wrong)} bytes differ, first at {wrong[0]}, of {dict(case.command.fields)}"
        assert outcome.computes_done == 3


def test_a_kept_result_writes_no_byte() -> None:
    case = next(suitable_cases(1))
    kept = in_three_parts(case.command)[0]
    outcome = EngineBench(SLOTS).run(Job([kept], case.act, used_words(case), case.table))[0]
    assert outcome.computes_done == 1
    assert not differences(outcome.act, case.act)


def test_cycles_include_the_way_into_a_slot_and_back() -> None:
    timing = EngineTiming.of(SLOTS)
    jobs = [Job(in_three_parts(case.command), dump=False) for case in suitable_cases(6)]
    for job, outcome in zip(jobs, EngineBench(SLOTS).run(*jobs), strict=True):
        clock, first, taken, expected = IssueClock(SLOTS), timing.setup, 0, []
        for command in job.commands:
            issued = clock.run(command, max(first, taken + timing.decode))
            expected.append(issued.last + timing.completion)
            first, taken = issued.last + 1, issued.first - 1
        assert [cycle for cycle, *_ in outcome.completed] == expected


@pytest.mark.parametrize("way", ["acc_in", "acc_out"])
def test_one_slot_too_far_is_a_bad_address(way: str) -> None:
    case = next(suitable_cases(1))
    base = SLOTS.acc_words - results(case.command) + 1
    outcome = EngineBench(SLOTS).run(Job([case.command.replace(acc_base=base, **{way: 1})], dump=False))[0]
    assert outcome.error == (ErrorCode.BAD_ADDRESS, 1)
