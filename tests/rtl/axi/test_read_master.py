# SPDX-License-Identifier: Apache-2.0
"""Every client gets its own bytes in order, whatever the memory does."""

from __future__ import annotations

import random
from typing import Any

import pytest
from amaranth.sim import Simulator

from esl_ref.arch import Arch
from rtl.axi.read_master import ReadMaster
from tests.rtl.axi_memory import Behaviour, ReadMemory, accepted, link_pins

ARCH = Arch(axi_bytes=8, burst_beats=16, outstanding=4)
SIZE = 1 << 15


def _bench(arch: Arch, behaviour: Behaviour) -> tuple[ReadMaster, ReadMemory, Simulator]:
    master = ReadMaster(arch, 2)
    data = bytearray(random.Random(3).randbytes(SIZE))
    memory = ReadMemory(data, arch.axi_bytes, behaviour, arch.burst_beats)
    simulator = Simulator(master)
    simulator.add_clock(1e-6)
    simulator.add_process(memory.process(link_pins(master.link, "ar", "r")))
    return master, memory, simulator


def _ask(client: Any, transfers: list[tuple[int, int]]) -> Any:
    async def bench(ctx) -> None:
        for addr, beats in transfers:
            ctx.set(client.request.valid, 1)
            ctx.set(client.request.payload, {"addr": addr, "beats": beats})
            await accepted(ctx, client.request.ready)
            ctx.set(client.request.valid, 0)

    return bench


def _take(client: Any, count: int, seen: list[tuple[int, int]], eager: float, seed: int) -> Any:
    async def bench(ctx) -> None:
        rng = random.Random(seed)
        while len(seen) < count:
            ctx.set(client.data.ready, rng.random() < eager)
            p = client.data.payload
            _, _, valid, ready, data, error = await ctx.tick().sample(
                client.data.valid, client.data.ready, p.data, p.error
            )
            if valid and ready:
                seen.append((data, error))

    return bench


def _words(memory: ReadMemory, transfers: list[tuple[int, int]]) -> list[tuple[int, int]]:
    size = memory.axi_bytes
    return [
        (int.from_bytes(memory.data[a + i * size : a + (i + 1) * size], "little"), 0)
        for a, beats in transfers
        for i in range(beats)
    ]


@pytest.mark.parametrize("stall", [0.0, 0.4])
@pytest.mark.parametrize("axi_bytes", [8, 16])
def test_two_clients(axi_bytes: int, stall: float) -> None:
    arch = ARCH.with_depths(axi_bytes=axi_bytes)
    master, memory, simulator = _bench(arch, Behaviour(latency=9, stall=stall, seed=axi_bytes))
    rng = random.Random(axi_bytes)
    seen: list[list[tuple[int, int]]] = [[], []]
    wanted = []
    for i, client in enumerate(master.client):
        transfers = [(rng.randrange(SIZE // 2 // axi_bytes) * axi_bytes, rng.randrange(1, 60)) for _ in range(8)]
        words = _words(memory, transfers)
        wanted.append(words)
        simulator.add_testbench(_ask(client, transfers))
        simulator.add_testbench(_take(client, len(words), seen[i], 1 - stall, i))
    simulator.run()
    assert seen == wanted
    assert 1 < memory.most_in_flight <= arch.outstanding


def test_latency_is_hidden_by_bursts_in_flight() -> None:
    master, memory, simulator = _bench(ARCH, Behaviour(latency=32))
    seen: list[tuple[int, int]] = []
    simulator.add_testbench(_ask(master.client[1], [(0, 512), (8192, 512)]))
    simulator.add_testbench(_take(master.client[1], 1024, seen, 1.0, 1))
    simulator.run()
    assert memory.beats[-1] - memory.beats[0] == 1023


def test_errors_are_passed_on_and_only_to_their_client() -> None:
    master, _, simulator = _bench(ARCH, Behaviour(read_errors={1: 2, 2: 3}))
    seen: list[tuple[int, int]] = []
    simulator.add_testbench(_ask(master.client[0], [(0, 64)]))
    simulator.add_testbench(_take(master.client[0], 64, seen, 1.0, 1))
    simulator.run()
    assert [error for _, error in seen] == [0] * 16 + [1] * 32 + [0] * 16


def test_stop_takes_what_is_in_flight_and_starts_nothing() -> None:
    master, memory, simulator = _bench(ARCH, Behaviour(latency=20, stall=0.2))

    async def bench(ctx) -> None:
        await ctx.tick().repeat(10)
        ctx.set(master.stop, 1)
        started = len(memory.bursts) + ctx.get(master.link.ar.valid)
        for _ in range(400):
            assert not ctx.get(master.client[0].data.valid)
            if not ctx.get(master.busy):
                break
            await ctx.tick()
        assert not ctx.get(master.busy)
        await ctx.tick().repeat(20)
        assert len(memory.bursts) <= started
        assert len(memory.beats) == sum(beats for _, beats in memory.bursts)
        assert ctx.get(master.asking)  # the rest of the transfer is left for the flush

    simulator.add_testbench(_ask(master.client[0], [(0, 500)]), background=True)
    simulator.add_testbench(bench)
    simulator.run()
