# SPDX-License-Identifier: Apache-2.0
"""Records hold the counters of the cycle in which they were accepted, and go out whole."""

from __future__ import annotations

import random

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.sim import Simulator

from esl_ref.arch import Arch
from esl_ref.registers import COUNTERS, PROFILE_RECORD_BYTES
from rtl.axi.write_master import WriteMaster
from rtl.profile import Profile
from tests.rtl.axi_memory import Behaviour, WriteMemory, link_pins

BASE = 0x40


@pytest.mark.parametrize("axi_bytes", [8, 16])
@pytest.mark.parametrize("latency", [2, 60])
def test_records(axi_bytes: int, latency: int) -> None:
    arch = Arch(axi_bytes=axi_bytes, burst_beats=4)
    profile, master, m = Profile(arch), WriteMaster(arch, 1), Module()
    m.submodules.profile, m.submodules.master = profile, master
    wiring.connect(m, profile.client, master.client[0])
    memory = WriteMemory(bytearray(8192), axi_bytes, Behaviour(latency=latency, stall=0.2), 4)
    accepted: list[list[int]] = []

    async def bench(ctx) -> None:
        rng, taken = random.Random(latency), []
        ctx.set(profile.base, BASE)
        for step in range(400):
            counters = [rng.getrandbits(32) for _ in COUNTERS]
            for signal, value in zip(profile.counters, counters, strict=True):
                ctx.set(signal, value)
            for record in taken:  # in the cycle before: these counters have it in them
                record += counters
            for i, record in enumerate(profile.record):
                if not ctx.get(record.valid):
                    ctx.set(record.valid, rng.random() < 0.1)
                    ctx.set(record.payload, {"index": 3 * step + i, "tag": rng.getrandbits(16)})
            ready = [r for r in profile.record if ctx.get(r.valid) and ctx.get(r.ready)]
            assert len(ready) <= 1
            taken = [[ctx.get(record.payload.index), ctx.get(record.payload.tag)] for record in ready]
            accepted.extend(taken)
            await ctx.tick()
            for record in ready:
                ctx.set(record.valid, 0)
        for record in taken:
            record += counters
        for record in profile.record:
            ctx.set(record.valid, 0)
        while not ctx.get(profile.idle):
            await ctx.tick()
        assert memory.answered == len(memory.bursts)

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_process(memory.process(link_pins(master.link, "aw", "w", "b")))
    simulator.add_testbench(bench)
    simulator.run()
    assert len(accepted) > 5
    for n, record in enumerate(accepted):
        at = BASE + n * PROFILE_RECORD_BYTES
        assert [int.from_bytes(memory.data[at + 4 * i : at + 4 * i + 4], "little") for i in range(16)] == record
    assert not any(memory.data[BASE + len(accepted) * PROFILE_RECORD_BYTES :])
