# SPDX-License-Identifier: Apache-2.0
"""Whole Programs from doorbell to interrupt, with every way to fail, and a good run after each failure."""

from __future__ import annotations

import dataclasses
import random

import pytest

from esl_ref.program.commands import Command
from esl_ref.program.dense import WordPattern, load_command
from esl_ref.program.fields import COMMAND_BYTES, ErrorCode, Opcode
from esl_ref.registers import address
from rtl.counters import CAUSES
from tests.rtl.control_bench import ARCH, DATA, PROGRAM, RECORDS, RESULT, ControlBench, Host, Seen

ROWS = {"buf_wrap": 160, "row_step": 40, "rows": 4, "row_bytes": 40, "tag": 77}
LOAD_ROWS, LOAD_WEIGHTS, COPY, STORE = 1, 2, 3, 4
PROGRAM_OF_FOUR = [
    Command(Opcode.LOAD_ROWS, ROWS),
    load_command(5, WordPattern(5, 0, 2, 8, 5, 7), ARCH, offset=256),
    Command(Opcode.POOL, {"ifm_wrap": 160, "ofm_base": 300, "ofm_wrap": 160, "ox_count": 25,
                          "need_load": 1, "wait_load": 1, "tag": 78}),
    Command(Opcode.STORE_ROWS, {**ROWS, "base": 2, "buf_base": 300, "need_compute": 1, "wait_compute": 1}),
    Command(Opcode.END, {}),
]  # fmt: skip

SIZE = PROGRAM_OF_FOUR[LOAD_WEIGHTS - 1]["size"]

def _bench(**arch) -> ControlBench:
    bench = ControlBench(dataclasses.replace(ARCH, **arch), refuse=0.2)
    bench.memory[DATA:RESULT] = random.Random(1).randbytes(RESULT - DATA)
    return bench


def _check_counters(seen: Seen) -> None:
    assert seen.registers["CYCLES"] == sum(seen.registers[name] for name in CAUSES)


async def _good(bench: ControlBench, ctx) -> None:
    """Run the good Program on a memory without errors and check all it leaves behind."""
    bench.behave(read_errors={}, write_errors={}, ranges=())
    bench.load(PROGRAM_OF_FOUR)
    bench.memory[RESULT : RESULT + 160] = bytes(160)
    seen = await bench.run(ctx)
    assert seen.outcome == (2, 0, 0)
    assert seen.registers["IRQ_STATUS"] == 1
    assert bench.memory[RESULT : RESULT + 160] == bench.memory[DATA : DATA + 160]
    assert seen.registers["COMMANDS"] == 4
    assert seen.registers["WRITE_BEATS"] == 20
    assert seen.registers["MAC_ACTIVE"] == 25
    _check_counters(seen)


async def _bad(bench: ControlBench, ctx, commands, code: ErrorCode, index: int, what: str = "") -> None:
    bench.load(commands)
    seen = await bench.run(ctx)
    assert seen.outcome == (4, code, index), what
    assert seen.registers["IRQ_STATUS"] == 2
    _check_counters(seen)


def _changed(index: int, **fields: int) -> list[Command]:
    commands = list(PROGRAM_OF_FOUR)
    commands[index - 1] = commands[index - 1].replace(**fields)
    return commands


@pytest.mark.parametrize(("axi_bytes", "queue_depth"), [(8, 1), (16, 2)])
def test_programs_run_one_after_the_other(axi_bytes: int, queue_depth: int) -> None:
    lanes = max(8, axi_bytes)
    bench = _bench(axi_bytes=axi_bytes, queue_depth=queue_depth, lanes=lanes, post_lanes=lanes)

    async def host(ctx) -> None:
        for latency, stall in ((2, 0.0), (32, 0.3)):
            bench.behave(latency=latency, stall=stall, read_errors={}, write_errors={}, ranges=())
            bench.load(PROGRAM_OF_FOUR)
            assert (await bench.run(ctx)).outcome == (2, 0, 0)

    bench.simulate(host)


def test_spreading_weights_is_no_deadlock() -> None:
    """One byte per lane: the bytes of the last bus words become many more pieces than the detector's patience."""
    bench = _bench(lanes=32, post_lanes=32, axi_bytes=16)
    load = load_command(16, WordPattern(16, 0, 1, 1, 1, 32), bench.arch)
    waits = Command(Opcode.POOL, {"ifm_wrap": 160, "ofm_base": 300, "ofm_wrap": 160, "need_load": 1, "wait_load": 1})

    async def host(ctx) -> None:
        bench.load([load, waits, Command(Opcode.END, {})])
        assert (await bench.run(ctx)).outcome == (2, 0, 0)

    bench.simulate(host)


def test_done_waits_for_what_was_fetched_in_vain() -> None:
    bench = _bench()

    async def host(ctx) -> None:
        bench.behave(latency=40)
        bench.load([Command(Opcode.END, {})])
        assert (await bench.run(ctx)).outcome == (2, 0, 0)
        assert len(bench.reads.bursts) > 4  # HEADER and END are four bursts of 8 beats at most

    bench.simulate(host)


REFUSED = {
    "weights beyond the SRAM": (_changed(LOAD_WEIGHTS, word=60), ErrorCode.BAD_ADDRESS, LOAD_WEIGHTS),
    "weights without words": (_changed(LOAD_WEIGHTS, words=0), ErrorCode.BAD_PATTERN, LOAD_WEIGHTS),
    "weights without bytes": (_changed(LOAD_WEIGHTS, size=0), ErrorCode.BAD_PATTERN, LOAD_WEIGHTS),
    "groups of nothing": (_changed(LOAD_WEIGHTS, group_words=0), ErrorCode.BAD_PATTERN, LOAD_WEIGHTS),
    "more records than words": (_changed(LOAD_WEIGHTS, record_words=6), ErrorCode.BAD_PATTERN, LOAD_WEIGHTS),
    "runs of nothing": (_changed(LOAD_WEIGHTS, run_words=0), ErrorCode.BAD_PATTERN, LOAD_WEIGHTS),
    "lanes too wide": (_changed(LOAD_WEIGHTS, inner_bytes=9), ErrorCode.BAD_PATTERN, LOAD_WEIGHTS),
    "empty last lanes": (_changed(LOAD_WEIGHTS, last_bytes=0), ErrorCode.BAD_PATTERN, LOAD_WEIGHTS),
    "too many lanes": (_changed(LOAD_WEIGHTS, last_lanes=9), ErrorCode.BAD_PATTERN, LOAD_WEIGHTS),
    "a byte too few": (_changed(LOAD_WEIGHTS, size=SIZE - 1), ErrorCode.BAD_PATTERN, LOAD_WEIGHTS),
    "a byte too many": (_changed(LOAD_WEIGHTS, size=SIZE + 1), ErrorCode.BAD_PATTERN, LOAD_WEIGHTS),
    "many bytes too many": (_changed(LOAD_WEIGHTS, size=9 * SIZE), ErrorCode.BAD_PATTERN, LOAD_WEIGHTS),
    "misaligned weights": (_changed(LOAD_WEIGHTS, offset=260), ErrorCode.BAD_ADDRESS, LOAD_WEIGHTS),
    "misaligned rows": (_changed(LOAD_ROWS, offset=1), ErrorCode.BAD_ADDRESS, LOAD_ROWS),
    "misaligned store": (_changed(STORE, offset=4), ErrorCode.BAD_ADDRESS, STORE),
    "load buffer beyond the SRAM": (_changed(LOAD_ROWS, buf_base=2048 - 159), ErrorCode.BAD_ADDRESS, LOAD_ROWS),
    "store buffer beyond the SRAM": (_changed(STORE, buf_wrap=1 << 24), ErrorCode.BAD_ADDRESS, STORE),
    "compute buffer beyond the SRAM": (_changed(COPY, ifm_wrap=2049), ErrorCode.BAD_ADDRESS, COPY),
    "load without memory": (_changed(LOAD_WEIGHTS, base=5), ErrorCode.LOAD_BUS, LOAD_WEIGHTS),
    "store without memory": (_changed(STORE, base=5), ErrorCode.STORE_BUS, STORE),
    "load waits for itself": (_changed(LOAD_ROWS, need_load=1, wait_load=1), ErrorCode.DEADLOCK, LOAD_ROWS),
    "compute waits for a later store": (_changed(COPY, need_store=1, wait_store=1), ErrorCode.DEADLOCK, COPY),
    "store waits for a command that never comes": (_changed(STORE, wait_compute=2), ErrorCode.DEADLOCK, STORE),
}  # fmt: skip


def test_refused_commands() -> None:
    bench = _bench()

    async def host(ctx) -> None:
        for what, (commands, code, index) in REFUSED.items():
            await _bad(bench, ctx, commands, code, index, what)
            await _good(bench, ctx)

    bench.simulate(host)


def test_any_burst_may_fail() -> None:
    bench = _bench()
    stamped = [c.replace(stamp=1) for c in PROGRAM_OF_FOUR[:-1]] + PROGRAM_OF_FOUR[-1:]
    codes = set()

    async def host(ctx) -> None:
        rng = random.Random(2)
        for direction, count, runs in (("read", 22, 7), ("write", 7, 4)):
            for burst in rng.sample(range(count), runs):
                bench.behave(
                    latency=rng.choice([2, 20]), stall=rng.choice([0, 0.3]), read_errors={}, write_errors={},
                )  # fmt: skip
                bench.behave(**{f"{direction}_errors": {burst: rng.choice([2, 3])}})
                bench.load(stamped)
                seen = await bench.run(ctx, profile=RECORDS)
                if seen.outcome[0] == 4:
                    codes.add(ErrorCode(seen.outcome[1]))
                else:
                    assert seen.outcome == (2, 0, 0)
                _check_counters(seen)
                await _good(bench, ctx)

    bench.simulate(host)
    assert codes >= {ErrorCode.FETCH_BUS, ErrorCode.LOAD_BUS, ErrorCode.STORE_BUS, ErrorCode.PROFILE_BUS}


def test_stream_without_end_stops_where_it_turns_to_garbage() -> None:
    bench = _bench()

    async def host(ctx) -> None:
        bench.memory[PROGRAM + 5 * COMMAND_BYTES : PROGRAM + 6 * COMMAND_BYTES] = bytes(COMMAND_BYTES)
        await _bad(bench, ctx, PROGRAM_OF_FOUR[:-1], ErrorCode.BAD_OPCODE, 5)
        await _good(bench, ctx)

    bench.simulate(host)


def test_a_store_in_mid_burst_is_finished_without_writing() -> None:
    """A fetch error while a long store is under way: no byte beyond those already sent is written."""
    bench = _bench()
    stores = [Command(Opcode.STORE_ROWS, {"base": 2, "buf_wrap": 2048, "rows": 1, "row_bytes": 2048})]
    bench.memory[PROGRAM + 4 * COMMAND_BYTES] = 0xFF

    async def host(ctx) -> None:
        bench.behave(stall=0.5, latency=3)
        bench.engine.act[:] = b"\x11" * len(bench.engine.act)
        await _bad(bench, ctx, stores * 3, ErrorCode.BAD_OPCODE, 4)
        written = bench.memory[RESULT : RESULT + 2048].count(0x11)
        assert written < 2048

    bench.simulate(host)


def test_profile_records() -> None:
    bench = _bench()
    stamped = [c.replace(stamp=i != 1) for i, c in enumerate(PROGRAM_OF_FOUR[:-1])] + PROGRAM_OF_FOUR[-1:]

    async def host(ctx) -> None:
        bench.load(stamped)
        seen = await bench.run(ctx, profile=RECORDS)
        assert seen.outcome == (2, 0, 0)
        records = [_record(bench, n) for n in range(3)]
        assert [(r[0], r[1]) for r in records] == [(1, 77), (3, 78), (4, 77)]
        cycles = [r[2] for r in records]
        assert cycles == sorted(cycles) and cycles[-1] <= seen.registers["CYCLES"]
        for record in records:
            assert record[2] == sum(record[3:13])
        assert records[0][15] == 1 and records[1][15] < records[2][15] <= 4
        await _good(bench, ctx)  # profiling off: no records
        assert _record(bench, 0) == records[0]

    bench.simulate(host)


def _record(bench: ControlBench, n: int) -> list[int]:
    at = RECORDS + 64 * n
    return [int.from_bytes(bench.memory[at + 4 * i : at + 4 * i + 4], "little") for i in range(16)]


def test_no_record_is_lost_when_all_commands_are_stamped_and_writes_are_slow() -> None:
    bench = _bench(queue_depth=4)
    loads = [Command(Opcode.LOAD_ROWS, {"buf_wrap": 8, "rows": 1, "row_bytes": 8, "stamp": 1})] * 12
    pools = [Command(Opcode.POOL, {"ifm_wrap": 8, "ofm_base": 64, "ofm_wrap": 8, "ox_count": 1, "stamp": 1})] * 12
    commands = [c for pair in zip(loads, pools, strict=True) for c in pair]

    async def host(ctx) -> None:
        bench.behave(latency=80)
        bench.load([*commands, Command(Opcode.END, {})])
        assert (await bench.run(ctx, profile=RECORDS)).outcome == (2, 0, 0)
        assert sorted(_record(bench, n)[0] for n in range(24)) == list(range(1, 25))

    bench.simulate(host)


def test_registers_are_locked_while_busy() -> None:
    bench = _bench()
    answers = []

    async def host(ctx) -> None:
        bench.load(PROGRAM_OF_FOUR)
        bench.behave(latency=60)
        await bench.run(ctx)

    async def meddler(ctx) -> None:
        lite = Host(bench.top, ctx)
        while not len(bench.reads.bursts):
            await ctx.tick()
        for name in ("CTRL", "PROG_ADDR", "BASE0", "PROFILE_ADDR"):
            answers.append(await lite.write(address(name), 1))

    bench.simulate(host, meddler)
    assert answers == [2, 2, 2, 2]
