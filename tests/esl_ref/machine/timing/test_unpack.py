# SPDX-License-Identifier: Apache-2.0
"""Beats and pieces of loads: what is worked out in one step takes what beats and events one by one take."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from esl_ref.arch import Arch, load
from esl_ref.machine.timing import predict
from esl_ref.machine.timing.control_timing import MemoryTiming
from esl_ref.machine.timing.kernel import NEVER
from esl_ref.machine.timing.pieces import pieces
from esl_ref.machine.timing.reads import ReadBus
from esl_ref.machine.timing.unpack import Unpacker
from esl_ref.program.commands import Command
from esl_ref.program.dense import WordPattern, load_command
from esl_ref.program.fields import Opcode
from esl_ref.program.image import Program, header_command
from tests.helpers.random_programs import random_program

MACHINES = [load(name).with_depths(act_bytes=8192, weight_words=64) for name in ("tiny", "base", "wide")]


def loads(arch: Arch, seed: int) -> Iterator[Command]:
    """Loads of all kinds, some of whose pieces are shorter than a bus word."""
    rng = random.Random(seed)
    for _ in range(30):
        group, kind = rng.randint(1, 5), rng.random()
        if kind < 0.2:
            yield Command(Opcode.LOAD_TABLE, {})
        elif kind < 0.4:
            rows, size = rng.randint(1, 4), rng.randint(1, 3 * arch.lanes)
            yield Command(Opcode.LOAD_ROWS, {"buf_wrap": 4096, "row_step": size, "rows": rows, "row_bytes": size})
        else:
            shortest = rng.choice((1, arch.axi_bytes))
            sizes = [rng.randint(shortest, arch.lanes) for _ in range(2)]
            pattern = WordPattern(group, rng.randint(0, group), rng.randint(1, 4), *sizes, rng.randint(1, arch.lanes))
            yield load_command(rng.randint(1, 30), pattern, arch)


def one_by_one(patch: pytest.MonkeyPatch) -> None:
    """No shortcuts: every beat is accepted by itself, every burst an event."""
    ahead = ReadBus.ahead

    def stepped(self: ReadBus) -> None:
        due = min(self._begins(), self._takes())
        if due < min(self.kernel.next, NEVER):
            self.kernel.at(due)
        ahead(self)

    patch.setattr(Unpacker, "_idle", lambda self, start: False)
    patch.setattr(Unpacker, "_at_pace", lambda self, now: None)
    patch.setattr(ReadBus, "ahead", stepped)


@pytest.mark.parametrize("arch", MACHINES, ids=lambda a: a.name)
@pytest.mark.parametrize("gap", [0, 1])
def test_shortcuts_take_what_single_beats_take(arch: Arch, gap: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(6):
        stream = (header_command(arch), *loads(arch, seed), Command(Opcode.END, {}))
        for program in (Program(arch, stream, bytes(1 << 16)), random_program(seed, arch)[0]):
            quick = predict(program, memory=MemoryTiming(8, gap))
            with monkeypatch.context() as patch:
                one_by_one(patch)
                slow = predict(program, memory=MemoryTiming(8, gap))
            assert quick.spans == slow.spans
            assert quick.counters == slow.counters


@pytest.mark.parametrize("name", ["_whole", "_skip"])
def test_the_shortcuts_are_taken(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    original = getattr(Unpacker, name)

    def counted(self: Unpacker, *args: int) -> None:
        before = self._taken, self._received
        original(self, *args)
        taken.append((self._taken, self._received) != before)

    monkeypatch.setattr(Unpacker, name, counted)
    arch = MACHINES[1]
    rows = Command(Opcode.LOAD_ROWS, {"buf_wrap": 4096, "row_step": 1024, "rows": 3, "row_bytes": 1024})
    weights = load_command(20, WordPattern(2, 1, 1, 16, 16, 16), arch)
    predict(Program(arch, (header_command(arch), rows, weights, Command(Opcode.END, {})), bytes(1 << 16)))
    assert any(taken)


def test_pieces_of_rows_drop_the_rest_of_their_bus_word() -> None:
    arch = MACHINES[1]
    rows = Command(Opcode.LOAD_ROWS, {"rows": 2, "row_bytes": 35, "buf_wrap": 70, "row_step": 35})
    assert pieces(rows, arch) == ([16, 32, 35, 56, 72, 75], [16, 32, 40, 56, 72, 80])


def test_pieces_of_weights_follow_each_other() -> None:
    arch = MACHINES[1]
    command = load_command(2, WordPattern(2, 1, 1, 16, 5, 2), arch)
    assert pieces(command, arch) == ([9, 18, 23, 28], [9, 18, 23, 32])
