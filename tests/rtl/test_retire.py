# SPDX-License-Identifier: Apache-2.0
"""Commands retire in order, once each, and stamped ones only with their record."""

from __future__ import annotations

import random

import pytest
from amaranth.sim import Simulator

from esl_ref.program.commands import Command
from esl_ref.program.fields import Opcode
from rtl.retire import IN_FLIGHT, Retire


@pytest.mark.parametrize("profiling", [0, 1])
@pytest.mark.parametrize("eager", [0.05, 1.0])
def test_in_order_and_none_lost(profiling: int, eager: float) -> None:
    dut, rng = Retire(), random.Random(3)
    commands = [Command(Opcode.POOL, {"tag": rng.randrange(1 << 16), "stamp": rng.randrange(2)}) for _ in range(40)]
    records: list[tuple[int, int]] = []

    async def bench(ctx) -> None:
        sent = taken = completed = retired = 0
        while retired < len(commands):
            offer = sent < len(commands)
            ctx.set(dut.profiling, profiling)
            ctx.set(dut.queue.valid, offer)
            if offer:
                word = int.from_bytes(commands[sent].encode(), "little")
                ctx.set(dut.queue.payload, {"word": word, "index": 100 + sent})
            ctx.set(dut.unit.ready, rng.random() < 0.7)
            ctx.set(dut.completed, done := completed < taken and rng.random() < 0.3)
            ctx.set(dut.record.ready, rng.random() < eager)
            assert ctx.get(dut.count) == retired
            assert ctx.get(dut.empty) == (taken == retired)
            assert taken - retired <= IN_FLIGHT
            if taken > retired:
                assert ctx.get(dut.oldest) == 100 + retired
            if ctx.get(dut.record.valid) and ctx.get(dut.record.ready):
                records.append((ctx.get(dut.record.payload.index), ctx.get(dut.record.payload.tag)))
            passed = ctx.get(dut.unit.valid) and ctx.get(dut.unit.ready)
            assert passed == (ctx.get(dut.queue.valid) and ctx.get(dut.queue.ready))
            if ctx.get(dut.retired):
                assert retired < completed + done
                retired += 1
            completed += done
            sent, taken = sent + passed, taken + passed
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    wanted = [(100 + i, c["tag"]) for i, c in enumerate(commands) if c["stamp"] and profiling]
    assert records == wanted


def test_unstamped_command_retires_in_the_cycle_of_its_completion() -> None:
    dut = Retire()

    async def bench(ctx) -> None:
        ctx.set(dut.unit.ready, 1)
        ctx.set(dut.queue.valid, 1)
        await ctx.tick()
        ctx.set(dut.queue.valid, 0)
        ctx.set(dut.completed, 1)
        assert ctx.get(dut.retired)
        await ctx.tick()
        assert ctx.get(dut.count) == 1

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
