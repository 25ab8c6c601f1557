# SPDX-License-Identifier: Apache-2.0
"""Cycles of the compute engine: constants of its pipeline, and how many issue slots a command takes.

The pipeline behind the issuer never stalls, so a compute command's timing is exact: it is the number of its issues,
the record words of its groups, and the cycles in which results or records would come too fast. What is not here is
what memory traffic adds: waits for loads and stores, and store reads that take the SRAM port.
`tests/rtl/test_engine_timing.py` asserts that the RTL takes exactly these cycles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from esl_ref.arch import Arch
from esl_ref.program.commands import Command
from esl_ref.program.fields import Opcode

__all__ = ["EngineTiming", "Free", "GroupIssues", "IssueClock", "Issued", "Results", "groups_of"]

# Register stages from issue to result. The RTL has its own in rtl/pipeline.py; a test compares the two.
_ADDRESS, _SRAM_READ, _PADDING, _WINDOW, _ARRAY, _ACCUMULATE = 2, 3, 1, 1, 6, 1
_POST = 1 + 9 + 4  # input, requantiser, zero point to table


@dataclass(frozen=True)
class EngineTiming:
    """Constants of the engine of one architecture, in cycles.

    setup         from the cycle in which an idle engine takes a command to its first issue slot
    decode        from taking a command to its first issue slot at best, behind a predecessor; it may be taken in the
                  cycle before its predecessor's first issue slot
    wait          from the first cycle of a changed count to the first issue slot of a command that waited for it
    header_gap    from the issue of a group's first result to the next group's record words, at least
    interval      from result to result, at least
    completion    from the last issue to `completed`; the count changes one cycle later
    slot_gap      from a result kept in an accumulator slot to one that a slot is added to, at least
    in_flight     commands started and not complete, at most
    store_read    from a store read to its data
    """

    setup: int
    decode: int
    wait: int
    header_gap: int
    interval: int
    completion: int
    slot_gap: int
    in_flight: int
    store_read: int

    @classmethod
    def of(cls, arch: Arch) -> EngineTiming:
        """The constants of one architecture: only the post-processor's width makes a difference."""
        interval = arch.post_interval
        operand = _ADDRESS + _SRAM_READ + _PADDING + _WINDOW
        # A half-width post-processor has one more stage, which picks the slice; its last slice follows the first.
        post = _POST + (1 if interval > 1 else 0) + interval - 1
        return cls(
            setup=3, decode=3, wait=2, header_gap=_ARRAY + _ACCUMULATE, interval=interval,
            completion=operand + _ARRAY + _ACCUMULATE + post, slot_gap=3, in_flight=8, store_read=_ADDRESS + _SRAM_READ,
        )  # fmt: skip


@dataclass(frozen=True)
class Results:
    """Issues that complete the results of one group: cycles first + row * row_pitch + column * pitch."""

    first: int
    rows: int
    columns: int
    row_pitch: int
    pitch: int


@dataclass(frozen=True)
class Issued:
    """Issue slots of one command: `first` and `last` cycle, and what the slots between them went to."""

    first: int
    last: int
    array: int
    vector: int
    results: tuple[Results, ...] = ()

    @property
    def overhead(self) -> int:
        """Record words and cycles held to keep a distance."""
        return self.last - self.first + 1 - self.array - self.vector


@dataclass(frozen=True)
class GroupIssues:
    """Issues of one group: `before` the first result; per row of results `columns` of them `pitch` issues apart;
    `between` the last of a row and the first of the next; `after` the last."""

    before: int
    rows: int
    columns: int
    pitch: int
    between: int
    after: int


class Free(NamedTuple):
    """From which cycle on the next result, the next record word, and the next sum with a slot may issue."""

    results: int = 0
    records: int = 0
    slots: int = 0

    def after(self, adds: bool) -> int:
        """From when on a result may issue."""
        return max(self.results, self.slots) if adds else self.results

    def emitted(self, cycle: int, timing: EngineTiming, opening: bool, keeps: bool) -> Free:
        """After a result in `cycle`; `opening`: the first of its group."""
        return Free(
            cycle + timing.interval,
            cycle + timing.header_gap if opening else self.records,
            cycle + timing.slot_gap if keeps else self.slots,
        )


class IssueClock:
    """Where the issuer is: follows commands in order and knows from when results and records are taken again."""

    def __init__(self, arch: Arch) -> None:
        self.arch, self.timing = arch, EngineTiming.of(arch)
        self.free = Free()

    def run(self, command: Command, first: int) -> Issued:
        """Issue slots of `command` whose first one is cycle `first`."""
        group, array, vector = _issues(command, self.arch)
        cycle, results = first, []
        for _ in range(command["groups"]):
            cycle, block = self._group(group, cycle, bool(command["acc_in"]), bool(command["acc_out"]))
            results.append(block)
        return Issued(first, cycle - 1, array * command["groups"], vector * command["groups"], tuple(results))

    def _group(self, group: GroupIssues, cycle: int, adds: bool, keeps: bool) -> tuple[int, Results]:
        interval, words = self.timing.interval, self.arch.header_words
        if adds and keeps:
            interval = max(interval, self.timing.slot_gap)
        if not group.rows:  # the last issue waits for the record words
            return max(cycle + group.after - 1, self.free.records) + words + 1, Results(cycle, 0, 0, 0, 0)
        # Record words go as early as they may; issues before the first result fill the time until then.
        result = max(max(cycle + group.before, self.free.records) + words, self.free.after(adds))
        self.free = self.free.emitted(result, self.timing, True, keeps)
        pitch = max(group.pitch, interval)
        row_pitch = (group.columns - 1) * pitch + max(group.between, interval)
        block = Results(result, group.rows, group.columns, row_pitch, pitch)
        result += (group.rows - 1) * row_pitch + (group.columns - 1) * pitch
        self.free = self.free.emitted(result, self.timing, False, keeps)
        return result + 1 + group.after, block


def groups_of(command: Command, arch: Arch) -> GroupIssues:
    """The issues of each of a command's groups."""
    return _issues(command, arch)[0]


def _issues(command: Command, arch: Arch) -> tuple[GroupIssues, int, int]:
    """Issues of one group; how many of them feed the array, how many do not."""
    if command.opcode is Opcode.DEPTHWISE_WINDOW:
        return _window(command)
    rows, columns = command["oy_count"], command["ox_count"]
    pixels = rows * columns
    if command.opcode is Opcode.ELTWISE:
        pitch, fires = 2, 0
    else:
        pitch = command["ky_count"] * command["kx_count"] * command["chunks"]
        fires = {Opcode.CONV: pitch, Opcode.DEPTHWISE_TAPS: -(-pitch // arch.lanes)}.get(command.opcode, 0)
    return GroupIssues(pitch - 1, rows, columns, pitch, pitch, 0), pixels * fires, pixels * (pitch - fires)


def _window(command: Command) -> tuple[GroupIssues, int, int]:
    passes, cols, chunks = command["passes"], command["cols"], command["chunks"]
    fire_row, fire_col = command["fire_row"], command["fire_col"]
    if fire_row >= passes:  # rows that only enter the line buffers
        return GroupIssues(0, 0, 0, 0, 0, passes * cols), 0, passes * cols
    rows = (passes - 1 - fire_row) // command["oy_rows"] + 1
    columns = (cols - 1 - fire_col) // command["col_stride"] + 1
    tail = cols - 1 - fire_col - (columns - 1) * command["col_stride"]  # columns visited after a row's last result
    last_row = fire_row + (rows - 1) * command["oy_rows"]
    group = GroupIssues(
        before=fire_row * cols + fire_col + chunks - 1,
        rows=rows,
        columns=columns,
        pitch=command["col_stride"] - 1 + chunks,
        between=tail + (command["oy_rows"] - 1) * cols + fire_col + chunks,
        after=tail + (passes - 1 - last_row) * cols,
    )
    return group, rows * columns * chunks, passes * cols - rows * columns
