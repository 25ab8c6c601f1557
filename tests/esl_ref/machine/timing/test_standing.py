# SPDX-License-Identifier: Apache-2.0
"""Counters at completions: sums of causes, and slot by slot what whole commands are counted as.

`test_against_rtl` and `sim/test_cosim` compare them with the RTL's records.
"""

from __future__ import annotations

import random
from collections import Counter

import pytest

from esl_ref.machine import predict
from esl_ref.machine.engine_timing import IssueClock
from esl_ref.machine.timing.contended import slot_causes, walk
from esl_ref.registers import COUNTERS
from tests.helpers.random_commands import KINDS, make_case
from tests.helpers.random_programs import random_program
from tests.helpers.timing_arch import EIGHT

NAMES = [name for name, _ in COUNTERS]


@pytest.mark.parametrize("seed", range(4))
def test_every_cycle_before_a_completion_has_one_cause(seed):
    timing = predict(random_program(seed, EIGHT)[0], profiling=True)
    before = dict.fromkeys(NAMES, 0)
    for turn in timing.turns:
        assert list(turn.counters) == NAMES
        assert sum(turn.counters[name] for name in NAMES[1:11]) == turn.counters["CYCLES"] == turn.complete
        assert all(before[name] <= turn.counters[name] <= timing.counters[name] for name in NAMES)
        before = dict(turn.counters)
    # Of the array's work nothing is left when the last command is complete.
    assert all(before[name] == timing.counters[name] for name in ("MAC_ACTIVE", "VECTOR_ACTIVE", "STALL_DMA"))


def test_without_profiling_nothing_is_worked_out():
    assert all(not turn.counters for turn in predict(random_program(0, EIGHT)[0]).turns)


@pytest.mark.parametrize("period", [0, 2, 3, 7])
@pytest.mark.parametrize("kind", KINDS)
def test_slots_add_up_to_the_command(kind, period):
    clock, first = IssueClock(EIGHT), 5
    for seed in range(8):
        command = make_case(kind, random.Random(seed).randint, seed, EIGHT).command
        command = command.replace(acc_in=seed & 1, acc_out=seed >> 1 & 1)
        free, issued = clock.free, IssueClock(EIGHT).run(command, first)
        taken = range(0, 10 * issued.last, period) if period else range(0)
        whole = walk(command, EIGHT, first, free, taken)
        slots = Counter(slot_causes(command, EIGHT, first, free, taken))
        assert sum(slots.values()) == whole.last - first + 1
        assert slots["STALL_DMA"] == whole.stolen
        assert (slots["MAC_ACTIVE"], slots["VECTOR_ACTIVE"]) == (issued.array, issued.vector)
        clock.free, first = whole.free, whole.last + 1 + seed % 3
