# SPDX-License-Identifier: Apache-2.0
"""The fetch deals commands out in order, never more than the queues hold, and refuses what is no Program."""

from __future__ import annotations

import random
from typing import Any

import pytest
from amaranth.hdl import Elaboratable, Module
from amaranth.lib import wiring
from amaranth.sim import Simulator

from esl_ref.arch import Arch
from esl_ref.program.commands import QUEUES, Command, pack, queue_of
from esl_ref.program.fields import COMMAND_BYTES, FORMAT_VERSION, ErrorCode, Opcode
from esl_ref.program.image import header_command
from rtl.axi.read_master import ReadMaster
from rtl.fetch import Fetch
from tests.rtl.axi_memory import Behaviour, ReadMemory, link_pins

ARCH = Arch(axi_bytes=8, burst_beats=8, queue_depth=3)
START = 0xFA0  # a command crosses 4 KiB
OPCODES = [o for o in Opcode if o not in (Opcode.HEADER, Opcode.END)]


class FetchBench(Elaboratable):
    """Fetch behind a read master; queues are lists whose consumers are random."""

    def __init__(self, arch: Arch, stream: bytes, behaviour: Behaviour, consume: float) -> None:
        self.arch, self.consume = arch, consume
        self.fetch, self.master = Fetch(arch), ReadMaster(arch, 1)
        data = bytearray(START) + stream
        self.memory = ReadMemory(data, arch.axi_bytes, behaviour, arch.burst_beats)
        self.commands: list[tuple[str, int, bytes]] = []
        self.fault: tuple[int, int] | None = None

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.fetch, m.submodules.master = self.fetch, self.master
        wiring.connect(m, self.fetch.client, self.master.client[0])
        return m

    async def _queues(self, ctx: Any) -> None:
        rng, arch, fetch = random.Random(1), self.arch, self.fetch
        partial: list[bytearray] = [bytearray() for _ in QUEUES]
        held = [0, 0, 0]
        signals = (*fetch.write, fetch.word, fetch.index, fetch.fault.valid, fetch.fault.code, fetch.fault.index)
        async for _, reset, *seen in ctx.tick().sample(*signals):
            if reset:
                continue
            for i, name in enumerate(QUEUES):
                if seen[i]:
                    held[i] += not partial[i]
                    assert held[i] <= arch.queue_depth, f"{name} queue overflows"
                    partial[i] += seen[3].to_bytes(arch.axi_bytes, "little")
                if len(partial[i]) == COMMAND_BYTES:
                    self.commands.append((name, seen[4], bytes(partial[i])))
                    partial[i].clear()
                elif held[i] > bool(partial[i]) and rng.random() < self.consume:
                    held[i] -= 1
                ctx.set(fetch.used[i], held[i])
            if seen[5] and self.fault is None:
                self.fault = (seen[6], seen[7])

    def run(self, cycles: int) -> FetchBench:
        async def bench(ctx: Any) -> None:
            ctx.set(self.fetch.prog_addr, START)
            await ctx.tick()
            ctx.set(self.fetch.enable, 1)
            await ctx.tick().repeat(20)
            while cycles > len(self.memory.beats) and not ctx.get(self.fetch.ended) and self.fault is None:
                await ctx.tick()
            self.ended = bool(ctx.get(self.fetch.ended))
            await ctx.tick().repeat(200)
            self.still_busy = bool(ctx.get(self.master.busy))

        simulator = Simulator(self)
        simulator.add_clock(1e-6)
        simulator.add_process(self.memory.process(link_pins(self.master.link, "ar", "r")))
        simulator.add_process(self._queues)
        simulator.add_testbench(bench)
        simulator.run()
        return self


def _stream(arch: Arch, count: int, seed: int) -> list[Command]:
    rng = random.Random(seed)
    body = [Command(rng.choice(OPCODES), {"tag": i, "stamp": 1}) for i in range(count)]
    return [header_command(arch), *body, Command(Opcode.END, {})]


@pytest.mark.parametrize("axi_bytes", [8, 16])
@pytest.mark.parametrize(("stall", "consume"), [(0.0, 1.0), (0.4, 0.05), (0.0, 0.02)])
def test_commands_reach_their_queues_in_order(axi_bytes: int, stall: float, consume: float) -> None:
    arch = ARCH.with_depths(axi_bytes=axi_bytes)
    commands = _stream(arch, 30, axi_bytes)
    bench = FetchBench(arch, pack(commands), Behaviour(latency=12, stall=stall), consume).run(10000)
    wanted = [(queue_of(c.opcode), i, c.encode()) for i, c in enumerate(commands) if queue_of(c.opcode) in QUEUES]
    assert bench.commands == wanted
    assert bench.ended and bench.fault is None and not bench.still_busy


def test_reads_behind_end_are_few_and_their_errors_ignored() -> None:
    commands = _stream(ARCH, 5, 1)
    bench = FetchBench(ARCH, pack(commands), Behaviour(latency=20), 1.0).run(10000)
    behind = [addr for addr, _ in bench.memory.bursts if addr >= START + COMMAND_BYTES * len(commands)]
    assert behind, "the test needs reads behind the end of memory"
    assert max(behind) < START + COMMAND_BYTES * (len(commands) + ARCH.queue_depth)
    assert bench.ended and bench.fault is None and not bench.still_busy


@pytest.mark.parametrize("axi_bytes", [8, 16])
@pytest.mark.parametrize(
    ("offset", "value", "code", "index"),
    [
        (0, Opcode.END.value, ErrorCode.BAD_MAGIC, 0),
        (0, 0xFF, ErrorCode.BAD_MAGIC, 0),
        (0, Opcode.LOAD_ROWS.value, ErrorCode.BAD_MAGIC, 0),
        (11, 0, ErrorCode.BAD_MAGIC, 0),
        (12, FORMAT_VERSION + 1, ErrorCode.BAD_VERSION, 0),
        (16, None, ErrorCode.WRONG_ARCH, 0),
        (23, None, ErrorCode.WRONG_ARCH, 0),
        (3 * COMMAND_BYTES, 0x00, ErrorCode.BAD_OPCODE, 3),
        (3 * COMMAND_BYTES, 0x35, ErrorCode.BAD_OPCODE, 3),
        (2 * COMMAND_BYTES, Opcode.HEADER.value, ErrorCode.BAD_OPCODE, 2),
    ],
)
def test_corrupt_stream(axi_bytes: int, offset: int, value: int | None, code: ErrorCode, index: int) -> None:
    arch = ARCH.with_depths(axi_bytes=axi_bytes)
    commands = _stream(arch, 5, 2)
    stream = bytearray(pack(commands))
    stream[offset] = stream[offset] ^ 1 if value is None else value
    bench = FetchBench(arch, bytes(stream), Behaviour(latency=6), 1.0).run(10000)
    assert bench.fault == (code, index)
    assert [i for _, i, _ in bench.commands if i <= index] == list(range(1, index))


@pytest.mark.parametrize("command", [0, 1, 4])
def test_bus_error_names_the_command(command: int) -> None:
    lo = START + command * COMMAND_BYTES
    behaviour = Behaviour(latency=6, ranges=((lo, lo + COMMAND_BYTES),))
    bench = FetchBench(ARCH, pack(_stream(ARCH, 6, 3)), behaviour, 1.0).run(10000)
    assert bench.fault == (ErrorCode.FETCH_BUS, command)
    assert all(index != command for _, index, _ in bench.commands)
