# SPDX-License-Identifier: Apache-2.0
"""Loads put every byte where the command says, in order, and keep the bus busy."""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import pytest

from esl_ref.arch import Arch
from esl_ref.program.commands import Command
from esl_ref.program.dense import WordPattern, load_command, spread
from esl_ref.program.fields import Opcode
from tests.helpers.dense import whole_words
from tests.rtl.control_bench import ARCH, DATA, ControlBench

END = Command(Opcode.END, {})


def whole(arch: Arch, words: int, **fields: int) -> Command:
    """A load of whole weight words."""
    return load_command(words, whole_words(arch), arch, **fields)


def rows_of(rng: random.Random, axi_bytes: int, act_bytes: int, offset: int) -> tuple[dict[str, int], int]:
    """Fields of a random surface in a random rolling buffer, and its bytes in memory."""
    row_bytes, rows = rng.choice([1, 3, 8, 9, 16, 31, 40]), rng.randrange(1, 12)
    held = rng.randrange(1, rows + 1)
    step = row_bytes + rng.randrange(3)
    wrap = held * step
    base = rng.randrange(act_bytes - wrap)
    start = rng.randrange(held) * step
    fields = {
        "offset": offset, "buf_base": base, "buf_wrap": wrap, "buf_start": start, "row_step": step % wrap,
        "rows": rows, "row_bytes": row_bytes,
    }  # fmt: skip
    return fields, rows * (-(-row_bytes // axi_bytes) * axi_bytes)


def row_places(fields: dict[str, int], axi_bytes: int) -> list[tuple[int, int]]:
    """(external offset, SRAM address) of every row."""
    pitch = -(-fields["row_bytes"] // axi_bytes) * axi_bytes
    return [
        (
            fields["offset"] + r * pitch,
            fields["buf_base"] + (fields["buf_start"] + r * fields["row_step"]) % fields["buf_wrap"],
        )
        for r in range(fields["rows"])
    ]


@pytest.mark.parametrize(("axi_bytes", "lanes", "stall"), [(8, 8, 0.3), (8, 16, 0.0), (16, 16, 0.0), (16, 32, 0.3)])
def test_rows_weights_and_table(axi_bytes: int, lanes: int, stall: float) -> None:
    arch = dataclasses.replace(ARCH, axi_bytes=axi_bytes, lanes=lanes, post_lanes=lanes, weight_words=16)
    bench, rng = ControlBench(arch, refuse=stall), random.Random(lanes * axi_bytes)
    bench.memory[DATA : DATA + 0x5000] = rng.randbytes(0x5000)
    bench.behave(latency=7, stall=stall)
    act, commands, offset = bytearray(bench.engine.act), [], 0
    for _ in range(10):
        fields, size = rows_of(rng, axi_bytes, arch.act_bytes, offset)
        commands.append(Command(Opcode.LOAD_ROWS, fields))
        for source, target in row_places(fields, axi_bytes):
            row = bench.memory[DATA + source : DATA + source + fields["row_bytes"]]
            act[target : target + len(row)] = row
        offset += size
    commands.insert(3, whole(arch, 4, offset=64, word=5))
    commands.insert(6, Command(Opcode.LOAD_TABLE, {"offset": 512}))
    bench.load([*commands, END])

    async def host(ctx) -> None:
        seen = await bench.run(ctx)
        assert seen.outcome == (2, 0, 0)
        assert seen.registers["COMMANDS"] == 12

    bench.simulate(host)
    assert bench.engine.act == act
    word = arch.word_bytes
    assert bench.engine.weights[5 * word : 9 * word] == bench.memory[DATA + 64 : DATA + 64 + 4 * word]
    assert bench.engine.table == bench.memory[DATA + 512 : DATA + 768]


@pytest.mark.parametrize(("axi_bytes", "lanes", "stall"), [(8, 8, 0.3), (8, 16, 0.0), (16, 16, 0.3), (8, 32, 0.0)])
def test_dense_weights_are_spread_as_the_page_says(axi_bytes: int, lanes: int, stall: float) -> None:
    """Random patterns, rows between them: every lane written holds its bytes and zeros, every other what it had."""
    arch = dataclasses.replace(ARCH, axi_bytes=axi_bytes, lanes=lanes, post_lanes=lanes, weight_words=64)
    bench, rng = ControlBench(arch, refuse=stall), random.Random(lanes + axi_bytes)
    bench.memory[DATA : DATA + 0x5000] = rng.randbytes(0x5000)
    bench.behave(latency=7, stall=stall)
    expected = np.zeros((arch.weight_words, lanes, lanes), np.uint8)
    commands = []
    for _ in range(12):
        group = rng.randrange(1, 7)
        records = rng.randrange(group + 1)
        sizes = [rng.randrange(1, lanes + 1) for _ in range(3)]
        pattern = WordPattern(group, records, rng.randrange(1, group + 1), *sizes)
        words = rng.randrange(1, 20)
        first, offset = rng.randrange(arch.weight_words - words + 1), 16 * rng.randrange(16)
        commands.append(load_command(words, pattern, arch, offset=offset, word=first))
        cube, written = spread(bytes(bench.memory[DATA + offset :]), words, pattern, arch)
        expected[first : first + words][written] = cube[written]
        if rng.random() < 0.4:
            commands.append(Command(Opcode.LOAD_ROWS, rows_of(rng, axi_bytes, arch.act_bytes, 0)[0]))
    bench.load([*commands, END])

    async def host(ctx) -> None:
        assert (await bench.run(ctx)).outcome == (2, 0, 0)

    bench.simulate(host)
    assert bench.engine.weights == expected.tobytes()


def test_back_to_back_loads_of_4_kib_saturate_the_bus() -> None:
    arch = dataclasses.replace(ARCH, burst_beats=16, outstanding=8, queue_depth=4)
    bench = ControlBench(arch)
    bench.memory[DATA : DATA + 0x5000] = random.Random(1).randbytes(0x5000)
    bench.behave(latency=32)
    loads = [whole(arch, 64, offset=0x1000 * (i % 4)) for i in range(4)]
    bench.load([*loads, END])

    async def host(ctx) -> None:
        assert (await bench.run(ctx)).outcome == (2, 0, 0)

    bench.simulate(host)
    burst_data = [n for n, (addr, _) in enumerate(bench.reads.bursts) if addr >= DATA]
    first = sum(beats for _, beats in bench.reads.bursts[: burst_data[0]])
    last = sum(beats for _, beats in bench.reads.bursts[: burst_data[-1] + 1])
    cycles = bench.reads.beats[last - 1] - bench.reads.beats[first] + 1
    assert last - first >= 4 * 512
    assert (last - first) / cycles >= 0.99, f"{last - first} beats in {cycles} cycles"


def test_short_loads_hide_the_latency_too() -> None:
    """Loads of 256 bytes, whose commands are half as long as their data: the bus still hardly rests."""
    arch = dataclasses.replace(ARCH, burst_beats=32, outstanding=8, queue_depth=4)
    bench = ControlBench(arch)
    bench.behave(latency=32)
    bench.load([*[whole(arch, 4, offset=256 * i) for i in range(24)], END])

    async def host(ctx) -> None:
        assert (await bench.run(ctx)).outcome == (2, 0, 0)

    bench.simulate(host)
    first, last = 60, len(bench.reads.beats) - 60  # without start and end
    cycles = bench.reads.beats[last] - bench.reads.beats[first]
    assert (last - first) / cycles >= 0.95, f"{last - first} beats in {cycles} cycles"


@pytest.mark.parametrize("empty", [{"rows": 0, "row_bytes": 900}, {"rows": 900, "row_bytes": 0}])
def test_loads_of_nothing_complete_in_order(empty: dict[str, int]) -> None:
    bench = ControlBench()
    nothing = Command(Opcode.LOAD_ROWS, {"buf_wrap": 64, **empty})
    some = whole(ARCH, 2)
    bench.load([nothing, some, nothing.replace(need_load=1, wait_load=2), some.replace(need_load=1, wait_load=3), END])

    async def host(ctx) -> None:
        seen = await bench.run(ctx)
        assert seen.outcome == (2, 0, 0)
        assert seen.registers["COMMANDS"] == 4

    bench.simulate(host)
