# SPDX-License-Identifier: Apache-2.0
"""The cycle-by-cycle walk equals the closed form where nothing interferes, and loses cycles only where it reads."""

from __future__ import annotations

import random

import pytest

from esl_ref.machine.engine_timing import IssueClock
from esl_ref.machine.timing.contended import walk
from tests.helpers.random_commands import KINDS, make_case
from tests.helpers.timing_arch import EIGHT


@pytest.mark.parametrize("kind", KINDS)
def test_equals_the_closed_form_without_store_reads(kind):
    clock, first = IssueClock(EIGHT), 5
    for seed in range(12):
        command = make_case(kind, random.Random(seed).randint, seed, EIGHT).command
        command = command.replace(acc_in=seed & 1, acc_out=seed >> 1 & 1)
        slow = walk(command, EIGHT, first, clock.free, ())
        fast = clock.run(command, first)
        assert (slow.last, slow.stolen, slow.free) == (fast.last, 0, clock.free)
        listed = [b.first + r * b.row_pitch + c * b.pitch for b in fast.results for r in range(b.rows)
                  for c in range(b.columns)]  # fmt: skip
        assert slow.results == listed
        first = fast.last + 1 + seed % 3


@pytest.mark.parametrize("kind", KINDS)
def test_reads_cost_at_most_a_cycle_each(kind):
    command = make_case(kind, random.Random(3).randint, 3, EIGHT).command
    alone = walk(command, EIGHT, 0, IssueClock(EIGHT).free, ())
    for period in (2, 3, 7):
        taken = range(0, 10 * alone.last, period)
        with_reads = walk(command, EIGHT, 0, IssueClock(EIGHT).free, taken)
        assert alone.last <= with_reads.last <= alone.last + with_reads.stolen
        assert with_reads.stolen <= sum(c <= with_reads.last for c in taken)
        assert len(with_reads.results) == len(alone.results)
