# SPDX-License-Identifier: Apache-2.0
"""Activation SRAM against a byte array: random unaligned reads and writes, both in every cycle."""

from __future__ import annotations

import dataclasses
import random

import pytest
from amaranth.sim import Simulator

from esl_ref.arch import load
from rtl.act_sram import READ_LATENCY, WRITE_LATENCY, ActSram


@pytest.mark.parametrize("name", ["tiny", "base", "wide"])
def test_random_unaligned_traffic(name: str) -> None:
    arch = dataclasses.replace(load(name), act_bytes=512)
    dut = ActSram(arch)
    rng = random.Random(1)
    cycles = 600

    def in_range(count: int) -> int:
        return rng.choice([rng.randrange(arch.act_bytes - count + 1), 0, arch.act_bytes - count])

    async def bench(ctx):
        memory = bytearray(arch.act_bytes)
        for base in range(0, arch.act_bytes, arch.lanes):  # the contents after power-up are not defined
            ctx.set(dut.write_en, 1)
            ctx.set(dut.write_addr, base)
            ctx.set(dut.write_data, 0)
            ctx.set(dut.write_count, arch.lanes)
            await ctx.tick()
        ctx.set(dut.write_en, 0)
        await ctx.tick().repeat(WRITE_LATENCY)
        landing: list[tuple[int, bytes] | None] = [None] * WRITE_LATENCY
        expected: list[bytes | None] = [None] * READ_LATENCY
        for cycle in range(cycles):
            wanted = expected.pop(0)
            if wanted is not None:
                got = ctx.get(dut.read_data).to_bytes(arch.lanes, "little")
                assert got == wanted, f"cycle {cycle}"
            write = landing.pop(0)
            if write is not None:
                memory[write[0] : write[0] + len(write[1])] = write[1]
            reading, writing = rng.random() < 0.8, rng.random() < 0.8
            at = in_range(arch.lanes)
            ctx.set(dut.read_en, reading)
            ctx.set(dut.read_addr, at)
            expected.append(bytes(memory[at : at + arch.lanes]) if reading else None)
            count = rng.randint(0, arch.lanes)
            to, payload = in_range(count), rng.randbytes(arch.lanes)
            ctx.set(dut.write_en, writing)
            ctx.set(dut.write_addr, to)
            ctx.set(dut.write_data, int.from_bytes(payload, "little"))
            ctx.set(dut.write_count, count)
            landing.append((to, payload[:count]) if writing else None)
            await ctx.tick()

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()


def test_read_below_zero_joins_with_the_first_bytes() -> None:
    """A window that starts in the left padding of a map at address 0 still finds the map's bytes."""
    arch = dataclasses.replace(load("tiny"), act_bytes=512)
    dut = ActSram(arch)

    async def bench(ctx):
        ctx.set(dut.write_en, 1)
        ctx.set(dut.write_data, 0x0807060504030201)
        ctx.set(dut.write_count, 8)
        await ctx.tick()
        ctx.set(dut.write_en, 0)
        await ctx.tick().repeat(WRITE_LATENCY)
        ctx.set(dut.read_en, 1)
        ctx.set(dut.read_addr, (1 << 24) - 3)
        await ctx.tick().repeat(READ_LATENCY)
        assert ctx.get(dut.read_data) >> 24 == 0x0504030201

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
