# SPDX-License-Identifier: Apache-2.0
"""Partial sums and line buffers: work spread over several commands gives the bytes of one command that does it all."""

from __future__ import annotations

import random

import numpy as np
import pytest

from esl_ref.errors import HazardError, ProgramError
from esl_ref.machine import MachineFault, execute
from esl_ref.program.commands import Command
from tests.helpers.naive_machine import NaiveMachine
from tests.helpers.random_commands import SMALL as ARCH
from tests.helpers.random_commands import CommandCase, make_case, program_of

SEEDS = range(400)


def run(case: CommandCase, commands: list[Command]) -> np.ndarray:
    program = program_of(ARCH, commands, case.weights, case.table)
    return execute(program, case.inputs()).outputs["after"]


def by_loops(case: CommandCase) -> np.ndarray:
    naive = NaiveMachine(ARCH, case.act, case.weights, case.table)
    naive.compute(case.command)
    return np.array(naive.act, np.int8)


def small_convolutions(count: int) -> list[CommandCase]:
    """Convolutions of several kernel rows whose results fit the accumulator slots."""
    cases = (make_case("conv", random.Random(seed).randint, seed) for seed in SEEDS)
    fitting = [
        c for c in cases
        if c.command["ky_count"] > 1
        and c.command["groups"] * c.command["oy_count"] * c.command["ox_count"] <= ARCH.acc_words
    ]  # fmt: skip
    return fitting[:count]


def kernel_rows(command: Command, first: int, count: int) -> Command:
    """The part of a convolution that is kernel rows first .. first + count - 1."""
    skipped = first * command["kx_count"] * command["chunks"]
    return command.replace(
        ky_count=count, ifm_y0=command["ifm_y0"] + first * command["ky_rows"],
        ifm_start=(command["ifm_start"] + first * command["ky_step"]) % command["ifm_wrap"],
        wgt_first=command["wgt_first"] + skipped,
    )  # fmt: skip


@pytest.mark.parametrize("place", range(6))
def test_a_sum_spread_over_commands(place):
    case = small_convolutions(6)[place]
    rows, command = case.command["ky_count"], case.command
    results = command["groups"] * command["oy_count"] * command["ox_count"]
    parts = [
        kernel_rows(command, row, 1).replace(
            acc_in=int(row > 0), acc_out=int(row < rows - 1), acc_base=ARCH.acc_words - results
        )
        for row in range(rows)
    ]
    assert (run(case, parts) == by_loops(case)).all()


def test_kept_sums_write_no_byte():
    case = small_convolutions(1)[0]
    assert (run(case, [case.command.replace(acc_out=1)]) == np.frombuffer(case.act, np.int8)).all()


def test_slots_must_be_there_and_be_written():
    case = small_convolutions(1)[0]
    with pytest.raises(HazardError, match="which nothing has written"):
        run(case, [case.command.replace(acc_in=1)])
    with pytest.raises(MachineFault, match="accumulator slots"):
        run(case, [case.command.replace(acc_out=1, acc_base=ARCH.acc_words - 1, oy_count=2)])


def streamed(command: Command, cut: int, base: int) -> tuple[Command, Command]:
    """A window command as two, the second going on at pass `cut` with the lines the first has left."""
    fires = [p for p in range(command["fire_row"], command["passes"], command["oy_rows"])]
    before, after = [p for p in fires if p < cut], [p for p in fires if p >= cut]
    lines = {"line_keep": 1, "line_base": base}
    older = sum(
        1 << (age - 1)
        for age in range(1, min(cut, ARCH.window_rows - 1) + 1)
        if 0 <= command["ifm_y0"] + cut - age < command["ifm_rows"]
    )
    ofm = command["ofm_start"] + len(before) * command["ofm_row_step"]
    return command.replace(passes=cut, oy_count=len(before), **lines), command.replace(
        passes=command["passes"] - cut, oy_count=len(after), fire_row=after[0] - cut, older=older,
        ifm_y0=command["ifm_y0"] + cut, ofm_start=ofm % command["ofm_wrap"],
        ifm_start=(command["ifm_start"] + cut * command["ky_step"]) % command["ifm_wrap"], **lines,
    )  # fmt: skip


def windows(count: int) -> list[tuple[CommandCase, int]]:
    """Windows of several results whose columns all fit the line buffers, and the pass after their first result."""
    found = []
    for seed in SEEDS:
        case = make_case("window", random.Random(seed).randint, seed)
        c = case.command
        if c["column"] and c["oy_count"] > 1 and c["groups"] * c["cols"] < ARCH.line_depth:
            found.append((case, c["fire_row"] + 1))
    return found[:count]


@pytest.mark.parametrize("place", range(8))
def test_a_window_that_goes_on(place):
    case, cut = windows(8)[place]
    base = ARCH.line_depth - case.command["groups"] * case.command["cols"]
    assert (run(case, list(streamed(case.command, cut, base))) == by_loops(case)).all()


def test_lines_must_have_been_left():
    case, cut = next((c, n) for c, n in windows(50) if streamed(c.command, n, 0)[1]["older"])
    with pytest.raises(ProgramError, match="no command has left"):
        run(case, [streamed(case.command, cut, 0)[1]])
