# SPDX-License-Identifier: Apache-2.0
"""Issue slots of a command while store reads take the SRAM port: result by result, because a read costs nothing where
the issuer would not have read."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from esl_ref.arch import Arch
from esl_ref.machine.engine_timing import EngineTiming, Free, GroupIssues, groups_of
from esl_ref.program.commands import Command
from esl_ref.program.fields import Opcode

__all__ = ["Contended", "slot_causes", "walk"]


@dataclass
class Contended:
    """`last` issue slot, cycles `stolen` by store reads, cycle of every result, and from when the next may come."""

    free: Free
    last: int = 0
    stolen: int = 0
    results: list[int] = field(default_factory=list)


def walk(command: Command, arch: Arch, first: int, free: Free, taken: Sequence[int]) -> Contended:
    """Issues of `command` from cycle `first` on, none that reads in a cycle of `taken` (in rising order)."""
    issuer = _Issuer(command, arch, first, free, taken)
    for _ in range(command["groups"]):
        issuer.group()
    issuer.outcome.last = issuer.cycle - 1
    return issuer.outcome


def slot_causes(command: Command, arch: Arch, first: int, free: Free, taken: Container[int]) -> Iterator[str]:
    """As `walk`, cycle by cycle: the counter of each one, from `first` to the command's last issue slot."""
    timing, shape = EngineTiming.of(arch), groups_of(command, arch)
    silent = command["chunks"] - 1 if command.opcode is Opcode.DEPTHWISE_WINDOW else 0
    adds, keeps, cycle = bool(command["acc_in"]), bool(command["acc_out"]), first
    for _ in range(command["groups"]):
        records, opening = arch.header_words, True
        for issues, emits in _stretches(shape):
            left, waits = issues, emits or not shape.rows
            while left:
                early = emits and cycle < free.after(adds)
                if records and cycle >= free.records:
                    records, cause = records - 1, "OVERHEAD"
                elif left == 1 and ((waits and records) or early):
                    cause = "OVERHEAD"
                elif left > (silent if emits else 0) and cycle in taken:
                    cause = "STALL_DMA"
                else:
                    cause = "MAC_ACTIVE" if _feeds_array(command, arch, issues, left, emits) else "VECTOR_ACTIVE"
                    left -= 1
                    if emits and not left:
                        free, opening = free.emitted(cycle, timing, opening, keeps), False
                yield cause
                cycle += 1


def _feeds_array(command: Command, arch: Arch, issues: int, left: int, emits: bool) -> bool:
    """Whether the array takes operands from that one of `issues` issues behind which `left` - 1 follow."""
    if command.opcode is Opcode.DEPTHWISE_WINDOW:
        return emits and left <= command["chunks"]
    if command.opcode is Opcode.DEPTHWISE_TAPS:  # after every lanes-th tap and after the last
        return left == 1 or (issues - left + 1) % arch.lanes == 0
    return command.opcode is Opcode.CONV


class _Issuer:
    """At `cycle`, with what came before in `outcome`."""

    def __init__(self, command: Command, arch: Arch, first: int, free: Free, taken: Sequence[int]) -> None:
        self.cycle, self.outcome = first, Contended(free)
        self._taken, self._array = taken, np.asarray(taken, np.int64)
        self._timing, self._words, self._shape = EngineTiming.of(arch), arch.header_words, groups_of(command, arch)
        self._adds, self._keeps = bool(command["acc_in"]), bool(command["acc_out"])
        # So many of the issues that end in a result do not read.
        self._silent = command["chunks"] - 1 if command.opcode is Opcode.DEPTHWISE_WINDOW else 0
        distance = max(self._timing.interval, self._timing.slot_gap if self._adds and self._keeps else 0)
        self._even = not self._silent and min(self._shape.pitch, self._shape.between) >= distance

    def group(self) -> None:
        """Issue a group: result by result, or, once the first is there and only reads can delay others, all at once."""
        records, opening = self._words, True
        for issues, emits in _stretches(self._shape):
            quiet = self._silent if emits else 0
            records, left = self._with_records(records, issues, emits or not self._shape.rows, quiet)
            kept = max(quiet, int(emits))
            if left > kept:
                self._pass(left - kept, self._lost(self.cycle, left - kept))
                left = kept
            if not emits:
                return
            self.cycle = max(self.cycle + left - 1, self.outcome.free.after(self._adds))
            self._pass(0, 0 if quiet else self._lost(self.cycle, 1))
            self._emit([self.cycle], opening)
            self.cycle, opening = self.cycle + 1, False
            if self._even:
                self._rest()
                return

    def _with_records(self, records: int, left: int, waits: bool, quiet: int) -> tuple[int, int]:
        """Cycle by cycle while record words are missing, which go first; (records, issues) that are left."""
        while records and left:
            last = waits and left == 1  # a result, or the end of a group that has none, waits for its records
            if self.cycle >= self.outcome.free.records:
                records -= 1
            elif not last and left > quiet and self._lost(self.cycle, 1):
                self.outcome.stolen += 1
            elif not last:
                left -= 1
            self.cycle += 1
        return records, left

    def _rest(self) -> None:
        """All of a group but its first result."""
        shape, start = self._shape, self.cycle
        row = (shape.columns - 1) * shape.pitch + shape.between
        issues = np.add.outer(np.arange(shape.rows) * row, np.arange(shape.columns) * shape.pitch).ravel()[1:] - 1
        if issues.size:
            later = self._array[bisect_left(self._taken, start) :] - start
            # So many of `taken` come before the slot for an issue.
            before = np.searchsorted(later - np.arange(later.size), issues, "right")
            self._emit((start + issues + before).tolist(), False)
        total = int(issues[-1]) + 1 + shape.after if issues.size else shape.after
        self._pass(total, self._lost(start, total) if total else 0)

    def _emit(self, cycles: list[int], opening: bool) -> None:
        self.outcome.results += cycles
        self.outcome.free = self.outcome.free.emitted(cycles[-1], self._timing, opening, self._keeps)

    def _pass(self, issues: int, lost: int) -> None:
        self.outcome.stolen += lost
        self.cycle += issues + lost

    def _lost(self, cycle: int, count: int) -> int:
        """How many of `taken` go by until `count` other cycles, from `cycle` on, have."""
        taken = self._taken
        low, lost = bisect_left(taken, cycle), 0
        while (found := bisect_left(taken, cycle + count + lost, low + lost) - low) > lost:
            lost = found
        return lost


def _stretches(group: GroupIssues) -> Iterator[tuple[int, bool]]:
    """(issues, do they end in a result) of one group, in order."""
    for row in range(group.rows):
        for column in range(group.columns):
            first = group.between if row else group.before + 1
            yield (group.pitch if column else first), True
    yield group.after, False
