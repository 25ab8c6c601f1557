# SPDX-License-Identifier: Apache-2.0
"""A register FIFO is a queue."""

from __future__ import annotations

import random
from collections import deque

import pytest
from amaranth.sim import Simulator

from rtl.register_fifo import RegisterFifo


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_is_a_queue(depth: int) -> None:
    fifo, rng = RegisterFifo(8, depth), random.Random(depth)
    model: deque[int] = deque()

    async def bench(ctx) -> None:
        for step in range(400):
            busy = 0.2 if step % 100 < 50 else 0.8
            ctx.set(fifo.push.valid, push := rng.random() < busy)
            ctx.set(fifo.push.payload, value := rng.randrange(256))
            ctx.set(fifo.pop.ready, pop := rng.random() < 0.5)
            assert ctx.get(fifo.level) == len(model)
            assert ctx.get(fifo.push.ready) == (len(model) < depth)
            assert ctx.get(fifo.pop.valid) == bool(model)
            if model:
                assert ctx.get(fifo.pop.payload) == model[0]
            taken = push and len(model) < depth
            if pop and model:
                model.popleft()
            if taken:
                model.append(value)
            await ctx.tick()

    simulator = Simulator(fifo)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


def test_depth_must_be_positive() -> None:
    with pytest.raises(ValueError, match="at least 1, not 0"):
        RegisterFifo(8, 0)
