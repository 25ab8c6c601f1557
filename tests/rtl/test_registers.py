# SPDX-License-Identifier: Apache-2.0
"""Every register obeys its access rule, idle and busy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from amaranth.sim import Simulator

from esl_ref.arch import Arch
from esl_ref.program.fields import FORMAT_VERSION
from esl_ref.registers import COUNTERS, DEVICE_ID, DEVICE_VERSION, REGISTERS, Access, Register, address
from rtl.registers import ALIGNMENT, Registers, writable_mask

ARCH = Arch()
OKAY, SLVERR = 0, 2


class Bus:
    """AXI4-Lite master; `late` cycles pass between a write's address and its data (negative: data first)."""

    def __init__(self, bus: Any, ctx: Any) -> None:
        self.bus, self.ctx = bus, ctx

    async def _send(self, channel: Any, payload: Any) -> None:
        self.ctx.set(channel.valid, 1)
        self.ctx.set(channel.payload, payload)
        await self.ctx.tick().until(channel.ready)
        self.ctx.set(channel.valid, 0)

    async def write(self, addr: int, value: int, strb: int = 15, late: int = 0) -> int:
        sends = [(self.bus.aw, addr), (self.bus.w, {"data": value, "strb": strb})]
        for channel, payload in sends if late >= 0 else sends[::-1]:
            await self._send(channel, payload)
            await self.ctx.tick().repeat(abs(late) + 1)
        while not self.ctx.get(self.bus.b.valid):
            await self.ctx.tick()
        resp = self.ctx.get(self.bus.b.payload)
        await self.ctx.tick().repeat(abs(late) + 1)
        assert self.ctx.get(self.bus.b.valid) and self.ctx.get(self.bus.b.payload) == resp
        self.ctx.set(self.bus.b.ready, 1)
        await self.ctx.tick()
        self.ctx.set(self.bus.b.ready, 0)
        return resp

    async def read(self, addr: int) -> tuple[int, int]:
        await self._send(self.bus.ar, addr)
        while not self.ctx.get(self.bus.r.valid):
            await self.ctx.tick()
        answer = self.ctx.get(self.bus.r.payload.data), self.ctx.get(self.bus.r.payload.resp)
        self.ctx.set(self.bus.r.ready, 1)
        await self.ctx.tick()
        self.ctx.set(self.bus.r.ready, 0)
        return answer


def simulate(bench: Callable[..., Any]) -> None:
    dut = Registers(ARCH)

    async def run(ctx: Any) -> None:
        await bench(ctx, dut, Bus(dut.bus, ctx))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(run)
    simulator.run()


def _expected(register: Register, written: int) -> int:
    return written & writable_mask(register) if register.access in (Access.RW, Access.RWA) else 0


def test_constants() -> None:
    async def bench(ctx, dut, bus) -> None:
        for name, value in (
            ("ID", DEVICE_ID), ("VERSION", FORMAT_VERSION << 16 | DEVICE_VERSION),
            ("ARCH_HASH_LO", ARCH.hash() & 0xFFFFFFFF), ("ARCH_HASH_HI", ARCH.hash() >> 32),
        ):  # fmt: skip
            assert await bus.read(address(name)) == (value, OKAY)

    simulate(bench)


@pytest.mark.parametrize("busy", [0, 1])
def test_access_rules(busy: int) -> None:
    async def bench(ctx, dut, bus) -> None:
        ctx.set(dut.busy, busy)
        for register in REGISTERS:
            before, resp = await bus.read(register.offset)
            assert resp == OKAY
            value = 0xFFFFFFFE if register.access is Access.WO else 0xFFFFFFFF
            refused = register.access is Access.RO or (busy and register.access in (Access.RW, Access.WO))
            assert await bus.write(register.offset, value) == (SLVERR if refused else OKAY), register.name
            after, _ = await bus.read(register.offset)
            if register.name != "STATUS":
                assert after == (before if refused else _expected(register, value)), register.name

    simulate(bench)


def test_unmapped_addresses() -> None:
    mapped = {r.offset for r in REGISTERS}

    async def bench(ctx, dut, bus) -> None:
        for addr in (0x030, 0x060, 0x07C, 0x0FC, 0x100, 0x800, 0xFFC):
            assert addr not in mapped
            assert await bus.read(addr) == (0, SLVERR)
            assert (await bus.read(address("STATUS")))[0] & 8 == 0
            assert await bus.write(addr, 1) == SLVERR
            assert (await bus.read(address("STATUS")))[0] & 8
            assert await bus.write(address("CTRL"), 1) == OKAY

    simulate(bench)


def test_refused_is_cleared_by_the_next_doorbell() -> None:
    async def bench(ctx, dut, bus) -> None:
        ctx.set(dut.busy, 1)
        assert await bus.write(address("CTRL"), 1) == SLVERR
        assert await bus.read(address("STATUS")) == (0b1001, OKAY)
        ctx.set(dut.busy, 0)
        assert await bus.write(address("CTRL"), 0) == OKAY
        assert (await bus.read(address("STATUS")))[0] == 0b1000
        assert await bus.write(address("CTRL"), 1) == OKAY
        assert (await bus.read(address("STATUS")))[0] == 0

    simulate(bench)


def test_doorbell_is_one_cycle_and_only_by_bit_0() -> None:
    starts = []

    async def bench(ctx, dut, bus) -> None:
        for value, strb in ((0xFFFFFFFE, 15), (1, 14), (1, 1), (1, 15)):
            before = len(starts)
            await bus.write(address("CTRL"), value, strb)
            assert len(starts) - before == (value & strb & 1)

    dut = Registers(ARCH)

    async def run(ctx: Any) -> None:
        await bench(ctx, dut, Bus(dut.bus, ctx))

    async def watch(ctx: Any) -> None:
        async for _, _, start in ctx.tick().sample(dut.start):
            starts.extend([1] * start)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(run)
    simulator.add_testbench(watch, background=True)
    simulator.run()


def test_byte_strobes_and_alignment() -> None:
    async def bench(ctx, dut, bus) -> None:
        for name, align in ALIGNMENT.items():
            await bus.write(address(name), 0x11223344, late=2)
            await bus.write(address(name), 0xAABBCCDD, 0b0110, late=-2)
            assert (await bus.read(address(name)))[0] == 0x11BBCC44 & -align
        assert ctx.get(dut.prog_addr) == 0x11BBCC40
        assert ctx.get(dut.profile_addr) == 0x11BBCC40
        assert [ctx.get(base) for base in dut.bases.base] == [0x11BBCC40] * 8
        assert (await bus.read(address("BASE3") + 2))[0] == 0x11BBCC40

    simulate(bench)


def test_a_write_waits_for_the_answer_to_the_one_before() -> None:
    async def bench(ctx, dut, bus) -> None:
        for value in (0x1000, 0x2000):
            await bus._send(dut.bus.aw, address("BASE0" if value == 0x1000 else "ID"))
            await bus._send(dut.bus.w, {"data": value, "strb": 15})
            await ctx.tick().repeat(4)
            assert ctx.get(dut.bus.b.valid) and ctx.get(dut.bus.b.payload) == OKAY
        ctx.set(dut.bus.b.ready, 1)
        await ctx.tick().repeat(2)
        assert ctx.get(dut.bus.b.valid) and ctx.get(dut.bus.b.payload) == SLVERR

    simulate(bench)


def test_interrupts() -> None:
    async def bench(ctx, dut, bus) -> None:
        for bit, event in enumerate((dut.done_event, dut.error_event)):
            ctx.set(event, 1)
            await ctx.tick()
            ctx.set(event, 0)
            assert (await bus.read(address("IRQ_STATUS")))[0] == 1 << bit
            assert not ctx.get(dut.irq)
            ctx.set(dut.busy, 1)
            for enable in (0, 1, 2, 3):
                await bus.write(address("IRQ_ENABLE"), enable)
                assert ctx.get(dut.irq) == enable >> bit & 1
            await bus.write(address("IRQ_STATUS"), 2 >> bit)
            assert ctx.get(dut.irq)
            await bus.write(address("IRQ_STATUS"), 1 << bit)
            assert not ctx.get(dut.irq) and await bus.read(address("IRQ_STATUS")) == (0, OKAY)
            await bus.write(address("IRQ_ENABLE"), 0)
            ctx.set(dut.busy, 0)

    simulate(bench)


def test_status_and_counters_are_visible() -> None:
    async def bench(ctx, dut, bus) -> None:
        ctx.set(dut.error, 1)
        ctx.set(dut.error_code, 7)
        ctx.set(dut.error_index, 123456)
        for i, counter in enumerate(dut.counters):
            ctx.set(counter, 1000 + i)
        assert (await bus.read(address("STATUS")))[0] == 0b100
        assert (await bus.read(address("ERROR_CODE")))[0] == 7
        assert (await bus.read(address("ERROR_INDEX")))[0] == 123456
        for i, (name, _) in enumerate(COUNTERS):
            assert await bus.read(address(name)) == (1000 + i, OKAY)

    simulate(bench)
