# SPDX-License-Identifier: Apache-2.0
"""Weight SRAM against a byte array: lanes in, whole words out."""

from __future__ import annotations

import dataclasses
import random

import pytest
from amaranth.sim import Simulator

from esl_ref.arch import load
from rtl.weight_sram import READ_LATENCY, WRITE_LATENCY, WeightSram


@pytest.mark.parametrize("name", ["tiny", "base"])
def test_words_come_back_as_written(name: str) -> None:
    arch = dataclasses.replace(load(name), weight_words=5)
    dut = WeightSram(arch)
    words = [random.Random(i).randbytes(arch.word_bytes) for i in range(arch.weight_words)]

    async def bench(ctx):
        ctx.set(dut.write_en, 1)
        for word, content in enumerate(words):
            for lane in range(arch.lanes):
                ctx.set(dut.write_word, word)
                ctx.set(dut.write_lane, lane)
                ctx.set(dut.write_data, int.from_bytes(content[lane * arch.lanes :][: arch.lanes], "little"))
                await ctx.tick()
        ctx.set(dut.write_en, 0)
        await ctx.tick().repeat(WRITE_LATENCY - 1)
        order = [*range(arch.weight_words), *reversed(range(arch.weight_words))]
        for step in range(len(order) + READ_LATENCY):
            if step >= READ_LATENCY:
                got = ctx.get(dut.read_data).to_bytes(arch.word_bytes, "little")
                assert got == words[order[step - READ_LATENCY]]
            if step < len(order):
                ctx.set(dut.read_addr, order[step])
            await ctx.tick()

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
