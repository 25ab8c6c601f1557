# SPDX-License-Identifier: Apache-2.0
"""Writes arrive, are answered in order, and stop cleanly."""

from __future__ import annotations

import random
from typing import Any

import pytest
from amaranth.sim import Simulator

from esl_ref.arch import Arch
from rtl.axi.write_master import WriteMaster
from tests.rtl.axi_memory import Behaviour, WriteMemory, accepted, link_pins

ARCH = Arch(axi_bytes=8, burst_beats=8, outstanding=3)
SIZE = 1 << 14


def _bench(arch: Arch, behaviour: Behaviour) -> tuple[WriteMaster, WriteMemory, Simulator]:
    master = WriteMaster(arch, 2)
    memory = WriteMemory(bytearray(SIZE), arch.axi_bytes, behaviour, arch.burst_beats)
    simulator = Simulator(master)
    simulator.add_clock(1e-6)
    simulator.add_process(memory.process(link_pins(master.link, "aw", "w", "b")))
    return master, memory, simulator


def _send(client: Any, transfers: list[tuple[int, list[tuple[int, int]]]], eager: float, seed: int) -> list[Any]:
    async def ask(ctx) -> None:
        for addr, beats in transfers:
            ctx.set(client.request.valid, 1)
            ctx.set(client.request.payload, {"addr": addr, "beats": len(beats)})
            await accepted(ctx, client.request.ready)
        ctx.set(client.request.valid, 0)

    async def give(ctx) -> None:
        rng = random.Random(seed)
        for data, strb in [beat for _, beats in transfers for beat in beats]:
            while rng.random() >= eager:
                await ctx.tick()
            ctx.set(client.data.valid, 1)
            ctx.set(client.data.payload, {"data": data, "strb": strb})
            await accepted(ctx, client.data.ready)
            ctx.set(client.data.valid, 0)

    return [ask, give]


def _watch(client: Any, count: int, events: list[str]) -> Any:
    async def bench(ctx) -> None:
        while events.count("done") < count:
            _, _, done, error = await ctx.tick().sample(client.done, client.error)
            events.extend(["error"] * error + ["done"] * done)

    return bench


def _transfers(rng: random.Random, low: int, high: int, arch: Arch) -> list[tuple[int, list[tuple[int, int]]]]:
    transfers, addr, size = [], low, arch.axi_bytes
    for _ in range(6):
        beats = [(rng.getrandbits(8 * size), rng.getrandbits(size)) for _ in range(rng.randrange(1, 30))]
        transfers.append((addr, beats))
        addr += (len(beats) + rng.randrange(3)) * size
    assert addr <= high
    return transfers


@pytest.mark.parametrize("stall", [0.0, 0.4])
@pytest.mark.parametrize("axi_bytes", [8, 16])
def test_two_clients(axi_bytes: int, stall: float) -> None:
    arch = ARCH.with_depths(axi_bytes=axi_bytes)
    master, memory, simulator = _bench(arch, Behaviour(latency=11, stall=stall, seed=axi_bytes))
    rng, wanted, events = random.Random(axi_bytes), bytearray(SIZE), ([], [])
    for i, client in enumerate(master.client):
        transfers = _transfers(rng, 4000 + 6000 * i, 4000 + 6000 * (i + 1), arch)
        for addr, beats in transfers:
            for n, (data, strb) in enumerate(beats):
                for byte in range(axi_bytes):
                    if strb >> byte & 1:
                        wanted[addr + n * axi_bytes + byte] = data >> 8 * byte & 0xFF
        for bench in _send(client, transfers, 1 - stall, i):
            simulator.add_testbench(bench)
        simulator.add_testbench(_watch(client, len(transfers), events[i]))
    simulator.run()
    assert memory.data == wanted
    assert all("error" not in seen for seen in events)
    assert memory.answered == len(memory.bursts)


def test_error_comes_before_done_of_its_transfer() -> None:
    master, _, simulator = _bench(ARCH, Behaviour(write_errors={1: 2}))
    events: list[str] = []
    for bench in _send(master.client[1], [(0, [(1, 255)] * 24), (4096, [(2, 255)])], 1.0, 1):
        simulator.add_testbench(bench)
    simulator.add_testbench(_watch(master.client[1], 2, events))
    simulator.run()
    assert events == ["error", "done", "done"]


@pytest.mark.parametrize("after", [3, 8, 17, 30])
def test_stop_fills_the_burst_up_without_writing(after: int) -> None:
    master, memory, simulator = _bench(ARCH, Behaviour(latency=8, stall=0.3, seed=after))
    before = bytearray(memory.data)

    async def bench(ctx) -> None:
        await ctx.tick().repeat(after)
        ctx.set(master.stop, 1)
        beats = len(memory.beats) + ctx.get(master.link.w.valid)
        started = len(memory.bursts) + ctx.get(master.link.aw.valid)
        for _ in range(200):
            if not ctx.get(master.busy):
                break
            await ctx.tick()
        assert not ctx.get(master.busy)
        assert memory.answered == len(memory.bursts) <= started
        changed = sum(a != b for a, b in zip(before, memory.data, strict=True))
        assert changed <= 8 * (beats + 1)

    # The client gives up in the middle of a burst: beats come slowly and then no more.
    for sender in _send(master.client[0], [(0, [((1 << 64) - 1, 255)] * 40)], 0.5, after):
        simulator.add_testbench(sender, background=True)
    simulator.add_testbench(bench)
    simulator.run()
