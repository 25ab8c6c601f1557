# SPDX-License-Identifier: Apache-2.0
"""Ops come out of WalkAhead as the walkers make them, in the order of the commands, and without a gap."""

from __future__ import annotations

import random

from amaranth.sim import Simulator

from esl_ref.program.commands import Command
from esl_ref.program.fields import Opcode
from rtl.walk import Walk
from rtl.walk_ahead import OPS_AHEAD, WalkAhead
from rtl.walk_kernel import KernelWalk
from rtl.walk_operand import OperandWalk
from rtl.walk_window import WindowWalk
from tests.helpers.random_commands import KINDS, make_case
from tests.rtl.test_engine import TINY
from tests.rtl.walk_bench import walk_all

WALKS: dict[Opcode, type[Walk]] = {Opcode.DEPTHWISE_WINDOW: WindowWalk, Opcode.ELTWISE: OperandWalk}


def _expected(commands: list[Command]) -> list[list[int]]:
    """Ops of each command as bits, from its walker alone."""
    return [
        [op.as_bits() for op in next(walk_all(WALKS.get(command.opcode, KernelWalk)(TINY), [command], pause=0.0))]
        for command in commands
    ]


def _run(commands: list[Command], pause: float, records: int) -> tuple[list[int], int]:
    """The ops as they were taken, and cycles in which none was there; `records` slots a command are left out before
    its last op, as record words take them."""
    dut, taken, gaps = WalkAhead(TINY), [], 0

    async def offer(ctx) -> None:
        for command in commands:
            while not ctx.get(dut.ready):
                await ctx.tick()
            shape = ctx.get(dut.upcoming).shape()
            ctx.set(dut.upcoming, shape.from_bits(int.from_bytes(command.encode(), "little")))
            ctx.set(dut.load, 1)
            await ctx.tick()
            ctx.set(dut.load, 0)

    async def issue(ctx) -> None:
        nonlocal gaps
        rng = random.Random(len(commands))
        await ctx.tick().repeat(3)
        ended, left = 0, records
        while ended < len(commands):
            there, op = ctx.get(dut.valid), ctx.get(dut.op)
            record = left and there and op.end
            left -= bool(record)
            take = bool(there and not record and rng.random() >= pause)
            ctx.set(dut.take, take)
            gaps += not there
            if take:
                taken.append(op.as_bits())
                if op.end:
                    ended, left = ended + 1, records
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(offer)
    simulator.add_testbench(issue)
    simulator.run()
    return taken, gaps


def _commands(seeds: range) -> list[Command]:
    return [make_case(kind, random.Random(seed).randint, seed, TINY).command for seed in seeds for kind in KINDS]


def test_ops_of_all_walkers_in_order() -> None:
    commands = _commands(range(2))
    taken, _ = _run(commands, pause=0.3, records=0)
    assert taken == [bits for ops in _expected(commands) for bits in ops]


def test_one_record_word_a_command_makes_up_for_the_change_over() -> None:
    """Commands of one op after the other are slower to decode than to walk: they are not in it."""
    commands = [c for c in _commands(range(3)) if len(_expected([c])[0]) > OPS_AHEAD]
    assert len(commands) > 5
    assert _run(commands, pause=0.0, records=1)[1] == 0
    assert _run(commands, pause=0.0, records=0)[1] > 0
