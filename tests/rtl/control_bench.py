# SPDX-License-Identifier: Apache-2.0
"""The accelerator around a fake engine, with memory beside it and a host at its registers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from amaranth.sim import Simulator

from esl_ref.arch import Arch
from esl_ref.program.commands import Command, pack
from esl_ref.program.image import header_command
from esl_ref.registers import COUNTERS, address
from rtl.top import Accelerator
from tests.rtl.axi_memory import Behaviour, ReadMemory, WriteMemory, top_pins
from tests.rtl.fake_engine import FakeEngine

ARCH = Arch(
    name="bench", lanes=8, post_lanes=8, act_bytes=2048, weight_words=64, line_depth=4, window_rows=3, window_cols=3,
    axi_bytes=8, burst_beats=8, outstanding=4, queue_depth=2,
)  # fmt: skip
PROGRAM, DATA, RESULT, RECORDS, SIZE = 0x0000, 0x1000, 0x6000, 0x8000, 0xA000


@dataclass
class Seen:
    """What the host found after the interrupt."""

    registers: dict[str, int] = field(default_factory=dict)
    refused: list[int] = field(default_factory=list)

    @property
    def outcome(self) -> tuple[int, int, int]:
        return tuple(self.registers[name] for name in ("STATUS", "ERROR_CODE", "ERROR_INDEX"))


class Host:
    """AXI4-Lite master."""

    def __init__(self, top: Accelerator, ctx: Any) -> None:
        self.top, self.ctx = top, ctx

    async def write(self, addr: int, value: int, strb: int = 15) -> int:
        top, ctx = self.top, self.ctx
        ctx.set(top.s_axil_awaddr, addr)
        ctx.set(top.s_axil_wdata, value)
        ctx.set(top.s_axil_wstrb, strb)
        ctx.set(top.s_axil_awvalid, 1)
        ctx.set(top.s_axil_wvalid, 1)
        await ctx.tick().until(top.s_axil_awready & top.s_axil_wready)
        ctx.set(top.s_axil_awvalid, 0)
        ctx.set(top.s_axil_wvalid, 0)
        ctx.set(top.s_axil_bready, 1)
        (resp,) = await ctx.tick().sample(top.s_axil_bresp).until(top.s_axil_bvalid)
        ctx.set(top.s_axil_bready, 0)
        return resp

    async def read(self, addr: int) -> tuple[int, int]:
        top, ctx = self.top, self.ctx
        ctx.set(top.s_axil_araddr, addr)
        ctx.set(top.s_axil_arvalid, 1)
        await ctx.tick().until(top.s_axil_arready)
        ctx.set(top.s_axil_arvalid, 0)
        ctx.set(top.s_axil_rready, 1)
        answer = await ctx.tick().sample(top.s_axil_rdata, top.s_axil_rresp).until(top.s_axil_rvalid)
        ctx.set(top.s_axil_rready, 0)
        return answer


class ControlBench:
    """Runs Programs one after the other without reset between them."""

    def __init__(self, arch: Arch = ARCH, *, refuse: float = 0.0) -> None:
        self.arch = arch
        self.engine = FakeEngine(arch, refuse)
        self.top = Accelerator(arch, self.engine)
        self.memory = bytearray(SIZE)
        self.behaviour = Behaviour()
        self.reads = ReadMemory(self.memory, arch.axi_bytes, self.behaviour, arch.burst_beats)
        self.writes = WriteMemory(self.memory, arch.axi_bytes, self.behaviour, arch.burst_beats)

    def load(self, commands: Sequence[Command], *, header: bool = True) -> None:
        """Put a Program (HEADER is added) into memory."""
        stream = pack([header_command(self.arch), *commands] if header else commands)
        self.memory[PROGRAM : PROGRAM + len(stream)] = stream

    def behave(self, **changes: Any) -> None:
        """Change the memory's behaviour between runs; burst numbers count from here."""
        for name, value in changes.items():
            setattr(self.behaviour, name, value)

    async def run(self, ctx: Any, *, profile: int = 0, limit: int = 20000) -> Seen:
        """Doorbell to interrupt; the registers afterwards."""
        beats, answered = len(self.reads.beats), self.writes.answered
        self.reads.bursts.clear()
        self.writes.bursts.clear()
        host, seen = Host(self.top, ctx), Seen()
        settings = {f"BASE{i}": (DATA, 0, RESULT)[i] if i < 3 else SIZE for i in range(8)}
        settings |= {"PROG_ADDR": PROGRAM, "PROFILE_ADDR": profile, "IRQ_ENABLE": 3, "CTRL": 1}
        for name, value in settings.items():
            assert await host.write(address(name), value) == 0
        cycles = 0
        while not ctx.get(self.top.irq):
            await ctx.tick()
            cycles += 1
            assert cycles < limit, "no interrupt"
        traffic = len(self.reads.bursts), len(self.writes.bursts)
        assert len(self.reads.beats) - beats == sum(n for _, n in self.reads.bursts), "interrupt before the last beat"
        assert self.writes.answered - answered == len(self.writes.bursts), "interrupt before the last answer"
        for name in ("STATUS", "ERROR_CODE", "ERROR_INDEX", "IRQ_STATUS", *(name for name, _ in COUNTERS)):
            seen.registers[name] = (await host.read(address(name)))[0]
        await host.write(address("IRQ_STATUS"), 3)
        assert not ctx.get(self.top.irq)
        assert traffic == (len(self.reads.bursts), len(self.writes.bursts)), "bus traffic after the interrupt"
        return seen

    def simulate(self, *testbenches: Any) -> None:
        simulator = Simulator(self.top)
        simulator.add_clock(1e-6)
        simulator.add_process(self.reads.process(top_pins(self.top, "ar", "r")))
        simulator.add_process(self.writes.process(top_pins(self.top, "aw", "w", "b")))
        simulator.add_process(self.engine.process)
        for testbench in testbenches:
            simulator.add_testbench(testbench)
        simulator.run()
