# SPDX-License-Identifier: Apache-2.0
"""Delay lines: lengths, reset of valid bits only. Hold-offs: their cycles."""

from __future__ import annotations

import pytest
from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.sim import Simulator

from rtl.delay import delay, hold


@pytest.mark.parametrize("cycles", [0, 1, 4])
def test_value_comes_that_many_cycles_later(cycles: int) -> None:
    m, source = Module(), Signal(8)
    m.d.sync += Signal().eq(1)  # without it a line of no cycles would have no clock to wait for
    m.d.comb += (late := Signal(8)).eq(delay(m, source, cycles, name="late"))

    async def bench(ctx) -> None:
        for now in range(20):
            ctx.set(source, now + 1)
            assert ctx.get(late) == (now + 1 - cycles if now >= cycles else 0)
            await ctx.tick()

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


def test_reset_clears_valid_lines_only() -> None:
    m, source, reset = Module(), Signal(), Signal()
    m.d.comb += [
        (data := Signal()).eq(delay(m, source, 2, name="data")),
        (valid := Signal()).eq(delay(m, source, 2, name="valid", valid=True)),
    ]

    async def bench(ctx) -> None:
        ctx.set(source, 1)
        await ctx.tick().repeat(2)
        assert (ctx.get(data), ctx.get(valid)) == (1, 1)
        ctx.set(reset, 1)
        await ctx.tick()
        assert (ctx.get(data), ctx.get(valid)) == (1, 0)

    simulator = Simulator(ResetInserter(reset)(m))
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


def test_negative_delays_are_refused() -> None:
    with pytest.raises(ValueError, match="delay of x must not be negative, not -1"):
        delay(Module(), Signal(), -1, name="x")


@pytest.mark.parametrize("cycles", [0, 1, 2, 5])
def test_a_hold_off_lasts_its_cycles_and_can_be_renewed(cycles: int) -> None:
    m, start = Module(), Signal()
    m.d.sync += Signal().eq(1)
    m.d.comb += (busy := Signal()).eq(hold(m, start, cycles, "busy"))
    starts = {3, 5, 20, 21}

    async def bench(ctx) -> None:
        for now in range(40):
            ctx.set(start, now in starts)
            assert ctx.get(busy) == any(then < now <= then + cycles for then in starts)
            await ctx.tick()

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
