# SPDX-License-Identifier: Apache-2.0
"""Bursts cover a transfer exactly, none too long, none across 4 KiB, none shorter than it has to be."""

from __future__ import annotations

import random

import pytest
from amaranth.sim import Simulator

from esl_ref.arch import Arch
from rtl.axi.splitter import BurstSplitter


def _expected(addr: int, beats: int, arch: Arch) -> list[tuple[int, int, int]]:
    bursts = []
    while beats:
        length = min(beats, arch.burst_beats, (4096 - addr % 4096) // arch.axi_bytes)
        beats -= length
        bursts.append((addr, length - 1, int(beats == 0)))
        addr += length * arch.axi_bytes
    return bursts


@pytest.mark.parametrize(("axi_bytes", "burst_beats"), [(8, 16), (8, 256), (16, 32), (8, 1), (16, 7), (16, 256)])
def test_bursts(axi_bytes: int, burst_beats: int) -> None:
    arch = Arch(axi_bytes=axi_bytes, burst_beats=burst_beats)
    split, rng = BurstSplitter(arch), random.Random(burst_beats)
    transfers = [(rng.randrange(1 << 16) * axi_bytes, rng.choice([1, 2, 12, 300, 1000])) for _ in range(12)]
    transfers += [(4096 - axi_bytes, 2), (0, 4096 // axi_bytes), (4096 - 96, 96 // axi_bytes)]
    wanted = [burst for addr, beats in transfers for burst in _expected(addr, beats, arch)]
    seen: list[tuple[int, int, int]] = []

    async def ask(ctx) -> None:
        for addr, beats in transfers:
            ctx.set(split.request.valid, 1)
            ctx.set(split.request.payload, {"addr": addr, "beats": beats})
            await ctx.tick().until(split.request.ready)
        ctx.set(split.request.valid, 0)

    async def take(ctx) -> None:
        p = split.burst.payload
        while len(seen) < len(wanted):
            ctx.set(split.burst.ready, rng.random() < 0.7)
            _, _, valid, ready, *burst = await ctx.tick().sample(
                split.burst.valid, split.burst.ready, p.addr, p.len, p.last
            )
            if valid and ready:
                seen.append(tuple(burst))
        assert not ctx.get(split.burst.valid)

    simulator = Simulator(split)
    simulator.add_clock(1e-6)
    simulator.add_testbench(ask)
    simulator.add_testbench(take)
    simulator.run()
    assert seen == wanted
