# SPDX-License-Identifier: Apache-2.0
"""The compute engine against plain loops written from docs/program.md: bytes, and cycles where they are promised."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator

import numpy as np
import pytest

from esl_ref.arch import Arch, load
from esl_ref.machine.post import header_words_of
from esl_ref.program.commands import Command
from esl_ref.program.fields import ErrorCode, Opcode
from rtl.op import Cause
from tests.helpers.naive_machine import NaiveMachine
from tests.helpers.random_commands import KINDS, CommandCase, make_case
from tests.rtl.engine_bench import EngineBench, Job

TINY = dataclasses.replace(load("tiny"), act_bytes=3072, weight_words=256, line_depth=16)


def used_words(case: CommandCase) -> dict[int, bytes]:
    """The weight words a command may read."""
    size, fields = case.arch.word_bytes, case.command.fields
    end = int(header_words_of(case.command, case.arch).max()) + max(fields["wgt_step"], case.arch.header_words)
    last = min(end + 1, case.arch.weight_words)
    return {w: case.weights[w * size : (w + 1) * size] for w in range(fields["wgt_header"], last)}


def naive_result(case: CommandCase) -> bytes:
    naive = NaiveMachine(case.arch, case.act, case.weights, case.table)
    naive.compute(case.command)
    return np.array(naive.act, np.int8).tobytes()


def job_of(case: CommandCase, **options) -> Job:
    return Job([case.command], case.act, used_words(case), case.table, **options)


def differences(got: bytes, wanted: bytes) -> list[int]:
    return [i for i, (a, b) in enumerate(zip(got, wanted, strict=True)) if a != b]


def test_single_commands() -> None:
    """Each from a cleared engine, over memories that still hold the predecessor's."""
    cases = [
        (kind, seed, make_case(kind, random.Random(seed).randint, seed, TINY)) for kind in KINDS for seed in range(4)
    ]
    outcomes = EngineBench(TINY).run(*(job_of(case) for *_, case in cases))
    for (kind, seed, case), outcome in zip(cases, outcomes, strict=True):
        wrong = differences(outcome.act, naive_result(case))
        assert not wrong, (
            f"{kind} seed {seed}: {len(wrong)} bytes differ, first {wrong[0]}, {dict(case.command.fields)}"
        )
        assert outcome.computes_done == 1
        assert outcome.error is None


def relocated(case: CommandCase, act: int, word: int) -> Command:
    """The command with its buffers `act` bytes and its weights `word` words further on."""
    moved = {"ifm_base": act, "ofm_base": act, "ifm2_base": act, "wgt_header": word, "wgt_first": word}
    fields = case.command.fields
    return case.command.replace(**{name: fields[name] + by for name, by in moved.items() if name in fields})


def sequence(cases: list[CommandCase], spread: bool) -> tuple[Arch, list[Command], bytes, dict[int, bytes]]:
    """Commands with weights of their own; with SRAM regions of their own too if `spread`. One region stays free."""
    regions = len(cases) if spread else 1
    arch = TINY.with_depths(act_bytes=TINY.act_bytes * (regions + 1), weight_words=1024)
    commands, weights = [], {}
    for number, case in enumerate(cases):
        first = max(weights, default=-1) + 1
        words = used_words(case)
        low = min(words)
        weights |= {first + w - low: content for w, content in words.items()}
        commands.append(relocated(case, TINY.act_bytes * number if spread else 0, first - low))
    act = b"".join(case.act for case in cases[:regions]) + bytes(random.Random(7).randbytes(TINY.act_bytes))
    return arch, commands, act, weights


def naive_sequence(arch: Arch, commands: list[Command], act: bytes, weights: dict[int, bytes], table: bytes) -> bytes:
    blob = b"".join(weights.get(word, bytes(arch.word_bytes)) for word in range(max(weights) + 64))
    naive = NaiveMachine(arch, act, blob, table)
    for command in commands:
        naive.compute(command)
    return np.array(naive.act, np.int8).tobytes()


MIXED = [(kind, seed) for seed in (30, 31) for kind in KINDS]


def test_independent_commands_overlap_under_store_and_load_traffic() -> None:
    cases = [make_case(kind, random.Random(seed).randint, seed, TINY) for kind, seed in MIXED]
    arch, commands, act, weights = sequence(cases, spread=True)
    free, loaded = TINY.act_bytes * len(cases), bytes(range(256)) * 4
    job = Job(commands, act, weights, cases[0].table, traffic=0.3, loads={40: (free + 5, loaded)})
    outcome = EngineBench(arch).run(job)[0]
    wanted = bytearray(naive_sequence(arch, commands, act, weights, cases[0].table))
    wanted[free + 5 : free + 5 + len(loaded)] = loaded
    assert not differences(outcome.act, bytes(wanted))
    assert [index for _, index, *_ in outcome.completed] == list(range(1, len(cases) + 1))
    assert outcome.computes_done == len(cases)
    assert outcome.causes[Cause.DMA] > 0
    assert len(outcome.store_reads) > 100
    for at, got in outcome.store_reads:
        before, after = act[at : at + arch.lanes], wanted[at : at + arch.lanes]
        assert all(g in pair for g, *pair in zip(got, before, after, strict=True)), f"store read of {at}"


def test_dependent_commands_see_their_predecessors_bytes() -> None:
    """All work on the same bytes; each waits for the one before."""
    cases = [make_case(kind, random.Random(seed).randint, seed, TINY) for kind, seed in reversed(MIXED)]
    arch, commands, act, weights = sequence(cases, spread=False)
    commands = [c.replace(need_compute=1, wait_compute=i, tag=100 + i, stamp=i % 2) for i, c in enumerate(commands)]
    outcome = EngineBench(arch).run(Job(commands, act, weights, cases[0].table))[0]
    assert not differences(outcome.act, naive_sequence(arch, commands, act, weights, cases[0].table))
    assert [rest for _, *rest in outcome.completed] == [[i + 1, 100 + i, i % 2] for i in range(len(commands))]
    assert outcome.causes[Cause.WAIT_COMPUTE] > 0


@pytest.mark.parametrize(
    ("wait", "behind", "past"),
    # Counts are modulo 2**16; up to half the range before what is asked for is behind it, half from there on past it.
    [(0xFFFE, 0xFFFD, 1), (0x5000, 0, 0x9001)],
)
def test_waits_for_loads_and_stores(wait: int, behind: int, past: int) -> None:
    case = make_case("pool", random.Random(3).randint, 3, TINY)
    command = case.command.replace(need_load=1, wait_load=wait, need_store=1, wait_store=3)
    counts = {0: (behind, 2), 50: (past, 2), 80: (past, 4)}
    outcome = EngineBench(TINY).run(Job([command], case.act, used_words(case), case.table, counts=counts))[0]
    assert not differences(outcome.act, naive_result(case))
    waited = [cycle for cycle, cause in outcome.issued if cause is Cause.WAIT_LOAD]
    assert waited[-1] == 50
    assert outcome.causes[Cause.WAIT_STORE] == 30
    first = next(cycle for cycle, cause in outcome.issued if cause is Cause.OVERHEAD and cycle > 80)
    assert first == 80 + 1, "set-up ends one cycle after the count"


def bad_commands(case: CommandCase) -> Iterator[Command]:
    """One for each address that is checked, and one byte or word too far where that makes the difference."""
    command, last = case.command, TINY.header_words
    yield command.replace(ifm_wrap=TINY.act_bytes - command["ifm_base"] + 1)
    yield command.replace(ofm_base=TINY.act_bytes)
    yield command.replace(wgt_header=TINY.weight_words - last + 1)
    yield command.replace(wgt_header=0, wgt_step=0xFFFF, groups=3)
    if command.opcode is Opcode.ELTWISE:
        yield command.replace(ifm2_base=(1 << 24) - 1)
    if command.opcode is Opcode.DEPTHWISE_WINDOW:
        columns = command.replace(column=1)
        yield columns.replace(line_base=TINY.line_depth - command["cols"] + 1)
        yield columns.replace(line_keep=1, groups=3, line_base=TINY.line_depth - 3 * command["cols"] + 1)
    if command.opcode in (Opcode.CONV, Opcode.DEPTHWISE_WINDOW, Opcode.DEPTHWISE_TAPS):
        yield command.replace(wgt_first=TINY.weight_words)


def test_bad_addresses_stop_the_engine_and_clear_restarts_it() -> None:
    cases = [make_case(kind, random.Random(2).randint, 2, TINY) for kind in KINDS]
    broken = [
        Job([case.command, bad, case.command], weights=used_words(case), dump=False)
        for case in cases
        for bad in bad_commands(case)
    ]
    *stopped, good = EngineBench(TINY).run(*broken, job_of(cases[0]))
    assert [outcome.error for outcome in stopped] == [(ErrorCode.BAD_ADDRESS, 2)] * len(broken)
    assert good.error is None
    assert not differences(good.act, naive_result(cases[0]))
    assert good.computes_done == 1


def test_zero_counts_end() -> None:
    """A command of nothing but zeros comes to an end: counts of zero count as one."""
    opcodes = (Opcode.CONV, Opcode.DEPTHWISE_WINDOW, Opcode.DEPTHWISE_TAPS, Opcode.POOL, Opcode.ELTWISE)
    outcome = EngineBench(TINY).run(Job([Command(opcode, {}) for opcode in opcodes], dump=False))[0]
    assert outcome.computes_done == len(opcodes)
