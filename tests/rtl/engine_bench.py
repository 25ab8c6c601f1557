# SPDX-License-Identifier: Apache-2.0
"""Drives the compute engine in Amaranth's simulator the way loader, storer and queues do."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from amaranth.sim import Simulator

from esl_ref.arch import Arch
from esl_ref.program.commands import Command
from rtl.engine import Engine
from rtl.op import Cause

__all__ = ["EngineBench", "Job", "Outcome"]

_IDLE_LIMIT = 200_000


@dataclass
class Outcome:
    """What a run left behind. Cycles count from the one in which the first command was offered."""

    act: bytes = b""
    causes: Counter[Cause] = field(default_factory=Counter)
    completed: list[tuple[int, int, int, int]] = field(default_factory=list)
    """(cycle, index, tag, stamp) of every completion"""
    issued: list[tuple[int, Cause]] = field(default_factory=list)
    """(cycle, cause) of every cycle that was not idle"""
    error: tuple[int, int] | None = None
    store_reads: list[tuple[int, bytes]] = field(default_factory=list)
    computes_done: int = 0


@dataclass
class Job:
    """Memories and commands of one run.

    weights  word -> its bytes; what is not given keeps what it had
    traffic  probability of a store read in a cycle while commands run
    loads    cycle -> (address, bytes), offered by the loader from then on, a beat per accepted cycle
    counts   cycle -> (loads_done, stores_done) from that cycle on
    """

    commands: Sequence[Command]
    act: bytes = b""
    weights: dict[int, bytes] = field(default_factory=dict)
    table: bytes = b""
    traffic: float = 0.0
    loads: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    counts: dict[int, tuple[int, int]] = field(default_factory=dict)
    dump: bool = True


class EngineBench:
    """Loads memories through the loader's ports, runs commands, reads the SRAM back through the storer's."""

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        self.engine = Engine(arch)

    def run(self, *jobs: Job) -> list[Outcome]:
        """Outcomes of jobs run one after another, with a clear in between."""
        outcomes: list[Outcome] = []

        async def bench(ctx) -> None:
            for job in jobs:
                outcome = Outcome()
                await self._load(ctx, job.act, job.weights, job.table)
                await self._execute(ctx, job, outcome)
                if job.dump:
                    outcome.act = await self._dump(ctx)
                outcomes.append(outcome)
                await self._clear(ctx)

        simulator = Simulator(self.engine)
        simulator.add_clock(1e-6)
        simulator.add_testbench(bench)
        simulator.run()
        return outcomes

    async def _clear(self, ctx) -> None:
        ctx.set(self.engine.clear, 1)
        await ctx.tick()
        ctx.set(self.engine.clear, 0)

    async def _load(self, ctx, act: bytes, weights: dict[int, bytes], table: bytes) -> None:
        engine, step, lanes = self.engine, self.arch.axi_bytes, self.arch.lanes
        for at in range(0, len(act), step):
            ctx.set(engine.load_valid, 1)
            ctx.set(engine.load_addr, at)
            ctx.set(engine.load_data, int.from_bytes(act[at : at + step], "little"))
            ctx.set(engine.load_count, step)
            assert ctx.get(engine.load_ready)
            await ctx.tick()
        ctx.set(engine.load_valid, 0)
        for word, content in weights.items():
            for lane in range(lanes):
                ctx.set(engine.weight_valid, 1)
                ctx.set(engine.weight_word, word)
                ctx.set(engine.weight_lane, lane)
                ctx.set(engine.weight_data, int.from_bytes(content[lane * lanes :][:lanes], "little"))
                await ctx.tick()
        ctx.set(engine.weight_valid, 0)
        for beat in range(len(table) // step):
            ctx.set(engine.table_valid, 1)
            ctx.set(engine.table_beat, beat)
            ctx.set(engine.table_data, int.from_bytes(table[beat * step :][:step], "little"))
            await ctx.tick()
        ctx.set(engine.table_valid, 0)

    async def _execute(self, ctx, job: Job, outcome: Outcome) -> None:
        engine = self.engine
        rng = random.Random(len(job.commands))
        waiting = list(enumerate(job.commands, start=1))
        beats: list[tuple[int, bytes]] = []
        reads: list[int] = []
        for cycle in range(_IDLE_LIMIT):
            if cycle in job.counts:
                ctx.set(engine.loads_done, job.counts[cycle][0])
                ctx.set(engine.stores_done, job.counts[cycle][1])
            beats += self._beats(*job.loads.get(cycle, (0, b"")))
            self._offer_command(ctx, waiting)
            self._offer_beat(ctx, beats)
            if reading := rng.random() < job.traffic:
                reads.append(rng.randrange(self.arch.act_bytes - self.arch.lanes))
                ctx.set(engine.read_addr, reads[-1])
            ctx.set(engine.read_valid, reading)
            if self._observe(ctx, cycle, outcome, reads) or not (waiting or beats) and ctx.get(engine.idle):
                break
            if waiting and ctx.get(engine.command.ready):
                waiting.pop(0)
            if beats and ctx.get(engine.load_ready):
                beats.pop(0)
            await ctx.tick()
        else:
            raise AssertionError(f"engine still busy after {_IDLE_LIMIT} cycles")
        for port in (engine.command.valid, engine.read_valid, engine.load_valid):
            ctx.set(port, 0)
        outcome.computes_done = ctx.get(engine.computes_done)
        await ctx.tick().repeat(8)

    def _beats(self, address: int, content: bytes) -> list[tuple[int, bytes]]:
        step = self.arch.axi_bytes
        return [(address + at, content[at : at + step]) for at in range(0, len(content), step)]

    def _offer_command(self, ctx, waiting: list[tuple[int, Command]]) -> None:
        ctx.set(self.engine.command.valid, bool(waiting))
        if waiting:
            index, command = waiting[0]
            ctx.set(self.engine.command.payload.word, int.from_bytes(command.encode(), "little"))
            ctx.set(self.engine.command.payload.index, index)

    def _offer_beat(self, ctx, beats: list[tuple[int, bytes]]) -> None:
        engine = self.engine
        ctx.set(engine.load_valid, bool(beats))
        if beats:
            address, content = beats[0]
            ctx.set(engine.load_addr, address)
            ctx.set(engine.load_data, int.from_bytes(content, "little"))
            ctx.set(engine.load_count, len(content))

    def _observe(self, ctx, cycle: int, outcome: Outcome, reads: list[int]) -> bool:
        """Note what the engine shows in this cycle; returns whether it has stopped with an error."""
        engine = self.engine
        if ctx.get(engine.read_data_valid):
            outcome.store_reads.append((reads[len(outcome.store_reads)], self._read_word(ctx)))
        cause = ctx.get(engine.cause)
        if cause is not Cause.NONE:
            outcome.causes[cause] += 1
            outcome.issued.append((cycle, cause))
        if ctx.get(engine.completed):
            fields = (engine.completed_index, engine.completed_tag, engine.completed_stamp)
            outcome.completed.append((cycle, *(ctx.get(f) for f in fields)))
        if ctx.get(engine.error):
            outcome.error = (ctx.get(engine.error_code), ctx.get(engine.error_index))
        return outcome.error is not None

    def _read_word(self, ctx) -> bytes:
        return ctx.get(self.engine.read_data).to_bytes(self.arch.lanes, "little")

    async def _dump(self, ctx) -> bytes:
        engine, words = self.engine, []
        addresses = list(range(0, self.arch.act_bytes, self.arch.lanes))
        while len(words) < self.arch.act_bytes // self.arch.lanes:
            ctx.set(engine.read_valid, bool(addresses))
            if addresses:
                ctx.set(engine.read_addr, addresses.pop(0))
            if ctx.get(engine.read_data_valid):
                words.append(self._read_word(ctx))
            await ctx.tick()
        ctx.set(engine.read_valid, 0)
        return b"".join(words)
