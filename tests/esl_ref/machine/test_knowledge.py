# SPDX-License-Identifier: Apache-2.0
"""What a command knows from its waits, also past 2**16 commands."""

from __future__ import annotations

import pytest

from esl_ref.machine.faults import CommandHazard
from esl_ref.machine.knowledge import Knowledge, wait_target
from esl_ref.program.commands import Command
from esl_ref.program.fields import Opcode


def command(opcode: Opcode, **waits: int) -> Command:
    return Command(opcode, {**{f"need_{k}": 1 for k in waits}, **{f"wait_{k}": v for k, v in waits.items()}})


@pytest.mark.parametrize(
    ("wait", "before", "target"),
    [
        (0, 0, 0),
        (3, 5, 3),
        (5, 5, 5),
        (6, 5, None),
        (0, 65536, 65536),
        (65535, 65536, 65535),
        (1, 65536, None),
        (4, 40000, None),  # so far behind that the hardware takes it for a command to come
        (40000, 5, 0),  # a count before the first command: reached from the doorbell on
    ],
)
def test_wait_target(wait, before, target):
    assert wait_target(wait, before) == target
    if target is not None:
        # The hardware's own comparison, with the count at the target and, if there is one, just short of it.
        assert (target - wait) % 65536 < 32768
        assert target == 0 or (target - 1 - wait) % 65536 >= 32768


def test_knowledge_passes_through_queues_and_waits():
    knowledge = Knowledge()
    knowledge.add(0, command(Opcode.LOAD_ROWS), "")
    assert knowledge.add(1, command(Opcode.POOL, load=1), "") == (1, 0, 0)
    assert knowledge.add(2, command(Opcode.POOL), "") == (1, 0, 0), "what its predecessor waited for"
    assert knowledge.add(3, command(Opcode.STORE_ROWS, compute=2), "") == (1, 0, 2), "what compute 2 knew"
    assert knowledge.add(4, command(Opcode.LOAD_ROWS, store=1), "") == (1, 1, 2), "what store 1 knew"
    assert knowledge.add(5, command(Opcode.LOAD_ROWS), "") == (1, 1, 2)
    assert knowledge.add(6, command(Opcode.POOL), "") == (1, 0, 0), "nothing of other queues without a wait"
    known = knowledge.complete((1, 1, 2))
    assert known.tolist() == [True, True, True, True, False, False, False]


def test_waiting_for_oneself_is_refused():
    knowledge = Knowledge()
    with pytest.raises(CommandHazard, match="waits for load 1 but only 0 come before it"):
        knowledge.add(0, command(Opcode.LOAD_ROWS, load=1), "command 0")
