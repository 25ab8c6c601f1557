# SPDX-License-Identifier: Apache-2.0
"""The timing model against itself and against cycles counted by hand; `test_against_rtl` compares it with the RTL."""

from __future__ import annotations

import dataclasses
import random
import time

import pytest

from esl_ref.machine import MemoryTiming, execute, predict
from esl_ref.machine.timing import breakdown
from esl_ref.program.commands import Command
from esl_ref.program.fields import Opcode
from esl_ref.program.image import Program, header_command
from esl_ref.registers import COUNTERS
from tests.helpers.random_commands import KINDS, make_case
from tests.helpers.random_programs import random_program
from tests.helpers.timing_arch import EIGHT

CAUSES = [name for name, _ in COUNTERS[1:11]]


def empty(latency: int) -> int:
    program = Program(EIGHT, (header_command(EIGHT), Command(Opcode.END, {})))
    return predict(program, memory=MemoryTiming(latency)).cycles


@pytest.mark.parametrize("latency", [2, 32, 100])
def test_a_program_of_header_and_end(latency):
    """The first address goes out in cycle 2. `depth` commands are asked for at once, a fifth when the header is there;
    then END is seen. What was asked for comes all the same, 12 beats each; done is two cycles after the last."""
    words, first = 12, 2 + latency
    asked = EIGHT.queue_depth + 1
    in_a_row = first + asked * words - 1
    fifth_by_itself = (first + words) + 2 + latency + words - 1
    assert empty(latency) == max(in_a_row, fifth_by_itself) + 2


@pytest.mark.parametrize("seed", range(4))
def test_every_cycle_has_one_cause(seed):
    program, _ = random_program(seed, EIGHT)
    for profiling in (False, True):
        timing = predict(program, profiling=profiling)
        assert sum(timing.counters[name] for name in CAUSES) == timing.cycles == timing.counters["CYCLES"]
        assert all(value >= 0 for value in timing.counters.values())
        assert timing.counters["COMMANDS"] == len(program.commands) - 2


@pytest.mark.parametrize("seed", range(4))
def test_order_of_events(seed):
    program, _ = random_program(seed, EIGHT)
    timing = predict(program)
    for command, span in zip(program.commands, timing.spans, strict=True):
        if command.opcode not in (Opcode.HEADER, Opcode.END):
            assert 0 <= span.taken < span.complete < timing.cycles
    assert sum(layer.cycles for layer in timing.layers) == max(layer.complete for layer in timing.layers)


@pytest.mark.parametrize("kind", KINDS)
def test_commands_of_the_array_take_their_issues(kind):
    case = make_case(kind, random.Random(5).randint, 5, EIGHT)
    timing = execute(case.program(), case.inputs()).timing
    span = timing.spans[4]
    slots = {n: timing.causes[4].get(n, 0) for n in ("MAC_ACTIVE", "VECTOR_ACTIVE")}
    records = case.command["groups"] * EIGHT.header_words
    assert span.last - span.first + 1 >= sum(slots.values()) + records


def test_a_slower_memory_is_never_faster():
    program, _ = random_program(2, EIGHT)
    times = [predict(program, memory=MemoryTiming(latency, gap)).cycles for latency, gap in ((2, 0), (32, 0), (32, 1))]
    assert times == sorted(times)


def test_records_cost_beats_and_a_response_at_the_end():
    case = make_case("pool", random.Random(1).randint, 1, EIGHT)
    program = case.program()
    stamped = dataclasses.replace(
        program, commands=tuple(c.replace(stamp=int(c.opcode is Opcode.POOL)) for c in program.commands)
    )
    plain, recorded = predict(stamped), predict(stamped, profiling=True)
    assert recorded.counters["WRITE_BEATS"] - plain.counters["WRITE_BEATS"] == 64 // EIGHT.axi_bytes


def test_breakdown_has_a_line_per_layer_and_the_total():
    timing = predict(random_program(1, EIGHT)[0])
    lines = breakdown(timing).splitlines()
    assert len(lines) == len(timing.layers) + 2
    assert str(timing.cycles) in lines[-1].split()


def test_speed():
    program, _ = random_program(3, EIGHT)
    head, *body, end = (c.replace(need_load=0, need_store=0, need_compute=0) for c in program.commands)
    long = dataclasses.replace(program, commands=(head, *(4 * body), end), debug=())
    start = time.perf_counter()
    predict(long)
    assert time.perf_counter() - start < 2.0  # 0.1 s on an idle machine
