# SPDX-License-Identifier: Apache-2.0
"""Commands leave a queue as they came, with their index."""

from __future__ import annotations

import random

import pytest
from amaranth.sim import Simulator

from esl_ref.arch import Arch
from esl_ref.program.fields import COMMAND_BYTES
from rtl.queues import CommandQueue


@pytest.mark.parametrize("axi_bytes", [8, 16])
@pytest.mark.parametrize("depth", [1, 2, 4])
@pytest.mark.parametrize("consume", [0.02, 1.0])
def test_order_and_index(axi_bytes: int, depth: int, consume: float) -> None:
    queue = CommandQueue(Arch(axi_bytes=axi_bytes, queue_depth=depth))
    rng = random.Random(depth)
    sent = [(rng.getrandbits(8 * COMMAND_BYTES), rng.getrandbits(32)) for _ in range(12)]
    seen: list[tuple[int, int]] = []

    async def write(ctx) -> None:
        for word, index in sent:
            while ctx.get(queue.used) == depth:
                await ctx.tick()
            ctx.set(queue.index, index)
            for beat in range(COMMAND_BYTES // axi_bytes):
                if rng.random() < 0.2:
                    ctx.set(queue.write, 0)
                    await ctx.tick()
                ctx.set(queue.write, 1)
                ctx.set(queue.word, word >> (8 * axi_bytes * beat) & ((1 << 8 * axi_bytes) - 1))
                await ctx.tick()
            ctx.set(queue.write, 0)

    async def read(ctx) -> None:
        p = queue.command.payload
        while len(seen) < len(sent):
            ctx.set(queue.command.ready, rng.random() < consume)
            _, _, valid, ready, empty, word, index = await ctx.tick().sample(
                queue.command.valid, queue.command.ready, queue.empty, p.word, p.index
            )
            assert not (valid and empty)
            if valid and ready:
                seen.append((word, index))
        assert ctx.get(queue.empty) and not ctx.get(queue.used)

    simulator = Simulator(queue)
    simulator.add_clock(1e-6)
    simulator.add_testbench(write)
    simulator.add_testbench(read)
    simulator.run()
    assert seen == sent


def test_an_empty_queue_passes_a_command_on_two_cycles_after_its_last_word() -> None:
    queue = CommandQueue(Arch())

    async def bench(ctx) -> None:
        ctx.set(queue.write, 1)
        await ctx.tick().repeat(COMMAND_BYTES // 8)
        ctx.set(queue.write, 0)
        waited = 0
        while not ctx.get(queue.command.valid):
            await ctx.tick()
            waited += 1
        assert waited == 2

    simulator = Simulator(queue)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
