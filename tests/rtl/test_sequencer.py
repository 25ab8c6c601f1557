# SPDX-License-Identifier: Apache-2.0
"""States from doorbell to interrupt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from amaranth.sim import Simulator

from esl_ref import arch
from esl_ref.program.fields import ErrorCode
from rtl.pipeline import completion_latency
from rtl.sequencer import Sequencer, deadlock_cycles

SILENCE = deadlock_cycles(arch.load("base"))


def _simulate(bench: Callable[[Any, Sequencer], Any]) -> None:
    dut = Sequencer(3, SILENCE)

    async def run(ctx: Any) -> None:
        ctx.set(dut.progress, 1)
        await bench(ctx, dut)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(run)
    simulator.run()


async def _pulse(ctx: Any, signal: Any) -> None:
    ctx.set(signal, 1)
    await ctx.tick()
    ctx.set(signal, 0)


async def _start(ctx: Any, dut: Sequencer) -> None:
    await _pulse(ctx, dut.start)
    assert ctx.get(dut.flush) and ctx.get(dut.new_program) and ctx.get(dut.busy) and not ctx.get(dut.run)
    await ctx.tick()
    assert ctx.get(dut.run) and not ctx.get(dut.flush)


async def _fail(ctx: Any, dut: Sequencer, *faults: tuple[int, ErrorCode, int]) -> None:
    for unit, code, index in faults:
        ctx.set(dut.faults[unit].valid, 1)
        ctx.set(dut.faults[unit].code, code)
        ctx.set(dut.faults[unit].index, index)
    await ctx.tick()
    for unit, _, _ in faults:
        ctx.set(dut.faults[unit].valid, 0)


def test_program_ends_well() -> None:
    async def bench(ctx, dut) -> None:
        await _start(ctx, dut)
        await ctx.tick().repeat(5)
        ctx.set(dut.finished, 1)
        assert ctx.get(dut.done_event) and ctx.get(dut.busy) and not ctx.get(dut.done)
        await ctx.tick()
        assert ctx.get(dut.done) and not ctx.get(dut.busy) and not ctx.get(dut.done_event)
        ctx.set(dut.finished, 0)
        await _start(ctx, dut)
        assert not ctx.get(dut.done)

    _simulate(bench)


def test_error_drains_flushes_and_reports_the_first() -> None:
    async def bench(ctx, dut) -> None:
        await _start(ctx, dut)
        ctx.set(dut.bus_busy, 1)
        await _fail(ctx, dut, (2, ErrorCode.STORE_BUS, 9), (1, ErrorCode.LOAD_BUS, 5))
        await _fail(ctx, dut, (0, ErrorCode.BAD_ADDRESS, 1))
        for _ in range(10):
            assert ctx.get(dut.stop) and ctx.get(dut.busy) and not ctx.get(dut.flush) and not ctx.get(dut.run)
            await ctx.tick()
        ctx.set(dut.bus_busy, 0)
        await ctx.tick()
        assert ctx.get(dut.flush) and ctx.get(dut.error_event) and not ctx.get(dut.new_program)
        await ctx.tick()
        assert ctx.get(dut.error) and not ctx.get(dut.busy) and not ctx.get(dut.flush) and not ctx.get(dut.done)
        assert (ctx.get(dut.error_code), ctx.get(dut.error_index)) == (ErrorCode.LOAD_BUS, 5)
        await _start(ctx, dut)
        assert (ctx.get(dut.error), ctx.get(dut.error_code), ctx.get(dut.error_index)) == (0, 0, 0)

    _simulate(bench)


def test_faults_while_idle_are_ignored() -> None:
    async def bench(ctx, dut) -> None:
        await _fail(ctx, dut, (0, ErrorCode.FETCH_BUS, 1))
        await ctx.tick()
        assert not ctx.get(dut.busy) and not ctx.get(dut.error)

    _simulate(bench)


@pytest.mark.parametrize("quiet", [SILENCE - 1, SILENCE + 1])
def test_deadlock_after_so_many_silent_cycles(quiet: int) -> None:
    async def bench(ctx, dut) -> None:
        await _start(ctx, dut)
        ctx.set(dut.waiting_index, 42)
        for _ in range(3):
            ctx.set(dut.progress, 0)
            await ctx.tick().repeat(quiet)
            ctx.set(dut.progress, 1)
            await ctx.tick()
        stopped = not ctx.get(dut.run)
        assert stopped == (quiet > SILENCE)
        if stopped:
            assert (ctx.get(dut.error_code), ctx.get(dut.error_index)) == (ErrorCode.DEADLOCK, 42)

    _simulate(bench)


@pytest.mark.parametrize("machine", ["base", "base,lanes=64,post_lanes=1,act_bytes=8192", "tiny"])
def test_the_pipe_is_no_deadlock(machine: str) -> None:
    """A result on its way is shorter than the silence, with time for what waits for it to start."""
    described = arch.load(machine)
    assert deadlock_cycles(described) >= completion_latency(described) + 32
