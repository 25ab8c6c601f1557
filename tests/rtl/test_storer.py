# SPDX-License-Identifier: Apache-2.0
"""Stores write exactly the bytes of the rows."""

from __future__ import annotations

import dataclasses
import random

import pytest

from esl_ref.program.commands import Command
from esl_ref.program.fields import Opcode
from tests.rtl.control_bench import ARCH, RESULT, ControlBench
from tests.rtl.test_loader import END, row_places, rows_of


@pytest.mark.parametrize(("axi_bytes", "lanes", "stall"), [(8, 8, 0.3), (8, 32, 0.0), (16, 16, 0.0), (16, 32, 0.3)])
def test_rows(axi_bytes: int, lanes: int, stall: float) -> None:
    arch = dataclasses.replace(ARCH, axi_bytes=axi_bytes, lanes=lanes, post_lanes=lanes, weight_words=8)
    bench, rng = ControlBench(arch), random.Random(lanes * axi_bytes)
    bench.engine.act[:] = rng.randbytes(len(bench.engine.act))
    bench.memory[RESULT:] = b"\xa5" * (len(bench.memory) - RESULT)
    bench.behave(latency=9, stall=stall)
    wanted, commands, offset = bytearray(bench.memory), [], 0
    for _ in range(10):
        fields, size = rows_of(rng, axi_bytes, arch.act_bytes, offset)
        commands.append(Command(Opcode.STORE_ROWS, {"base": 2, **fields}))
        for target, source in row_places(fields, axi_bytes):
            row = bench.engine.act[source : source + fields["row_bytes"]]
            wanted[RESULT + target : RESULT + target + len(row)] = row
        offset += size
    bench.load([*commands, END])
    wanted[:RESULT] = bench.memory[:RESULT]

    async def host(ctx) -> None:
        assert (await bench.run(ctx)).outcome == (2, 0, 0)

    bench.simulate(host)
    assert bench.memory == wanted


@pytest.mark.parametrize("lanes", [8, 16])
def test_one_beat_per_cycle(lanes: int) -> None:
    bench = ControlBench(dataclasses.replace(ARCH, lanes=lanes, post_lanes=lanes, burst_beats=32, weight_words=8))
    whole = {"buf_wrap": 2048, "rows": 1, "row_bytes": 2048}
    bench.load([Command(Opcode.STORE_ROWS, {"base": 2, **whole}), END])

    async def host(ctx) -> None:
        assert (await bench.run(ctx)).outcome == (2, 0, 0)

    bench.simulate(host)
    assert len(bench.writes.beats) == 256
    assert bench.writes.beats[-1] - bench.writes.beats[0] <= 255 / 0.95


def test_stores_of_nothing_complete_in_order() -> None:
    bench = ControlBench()
    some = Command(Opcode.STORE_ROWS, {"base": 2, "buf_wrap": 64, "rows": 1, "row_bytes": 64})
    nothing = some.replace(row_bytes=0)
    bench.load([some, nothing, nothing, some.replace(need_store=1, wait_store=3), END])

    async def host(ctx) -> None:
        seen = await bench.run(ctx)
        assert seen.outcome == (2, 0, 0)
        assert seen.registers["COMMANDS"] == 4

    bench.simulate(host)
