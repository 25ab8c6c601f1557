# SPDX-License-Identifier: Apache-2.0
"""Collects the ops of a walker, command after command, with random pauses that must not change them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from amaranth.lib.data import Const
from amaranth.sim import Simulator

from esl_ref.program.commands import Command
from rtl.walk import Walk

__all__ = ["offset_of", "result_address", "walk_all"]

_LIMIT = 20_000


def walk_all(walk: Walk, commands: Sequence[Command], pause: float = 0.2) -> Iterator[list[Const]]:
    """Ops of each command; the next command is loaded in the cycle of the previous one's last advance."""
    walked: list[list[Const]] = []
    rng = random.Random(len(commands))

    async def bench(ctx) -> None:
        def load(command: Command) -> None:
            ctx.set(walk.load, 1)
            ctx.set(walk.upcoming, ctx.get(walk.upcoming).shape().from_bits(int.from_bytes(command.encode(), "little")))

        coming = list(commands)
        load(coming[0])
        await ctx.tick()
        while coming:
            ctx.set(walk.load, 0)
            ctx.set(walk.current, ctx.get(walk.upcoming))
            coming.pop(0)
            ops: list[Const] = []
            while not ops or not ops[-1].end:
                assert len(ops) < _LIMIT, "the walk does not end"
                while rng.random() < pause:
                    ctx.set(walk.advance, 0)
                    await ctx.tick()
                ctx.set(walk.advance, 1)
                ops.append(ctx.get(walk.op))
                if ops[-1].end and coming:
                    load(coming[0])
                await ctx.tick()
            walked.append(ops)

    simulator = Simulator(walk)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return iter(walked)


def offset_of(command: Command, start: str, wrap: str, *steps: tuple[int, str]) -> int:
    """(start + sum of count * step) mod wrap, as docs/program.md writes it."""
    return (command[start] + sum(count * command[step] for count, step in steps)) % command[wrap]


def result_address(command: Command, lanes: int, g: int, oy: int, ox: int) -> int:
    """Address of result vector (g, oy, ox)."""
    row = offset_of(command, "ofm_start", "ofm_wrap", (oy, "ofm_row_step"))
    return command["ofm_base"] + row + ox * command["ofm_pix_step"] + g * lanes
