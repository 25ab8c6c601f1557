# SPDX-License-Identifier: Apache-2.0
"""Issue slots of a command while store reads take the SRAM port: cycle by cycle, because a read costs nothing where the
issuer would not have read."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass, field

from esl_ref.arch import Arch
from esl_ref.machine.timing_constants import EngineTiming, Free, Group, groups_of
from esl_ref.program.commands import Command
from esl_ref.program.fields import Opcode

__all__ = ["Contended", "walk"]


@dataclass
class Contended:
    """`last` issue slot, cycles `stolen` by store reads, cycle of every result, and from when the next may come."""

    free: Free
    last: int = 0
    stolen: int = 0
    results: list[int] = field(default_factory=list)


def walk(command: Command, arch: Arch, first: int, free: Free, taken: Container[int]) -> Contended:
    """Issues of `command` from cycle `first` on, none that reads in a cycle of `taken`."""
    timing, outcome = EngineTiming.of(arch), Contended(free)
    group, cycle = groups_of(command, arch), first
    silent = command["chunks"] - 1 if command.opcode is Opcode.DEPTHWISE_WINDOW else 0
    for _ in range(command["groups"]):
        records, opening = arch.header_words, True
        for issues, emits in _stretches(group):
            left = issues
            while left:
                emit = emits and left == 1
                if records and cycle >= outcome.free.records:
                    records -= 1
                elif emit and (records or cycle < outcome.free.after(bool(command["acc_in"]))):
                    pass
                elif not (emits and left <= silent) and cycle in taken:
                    outcome.stolen += 1
                else:
                    left -= 1
                    if emit:
                        outcome.results.append(cycle)
                        outcome.free = outcome.free.emitted(cycle, timing, opening, bool(command["acc_out"]))
                        opening = False
                cycle += 1
    outcome.last = cycle - 1
    return outcome


def _stretches(group: Group) -> Iterator[tuple[int, bool]]:
    """(issues, do they end in a result) of one group, in order."""
    for row in range(group.rows):
        for column in range(group.columns):
            first = group.between if row else group.before + 1
            yield (group.pitch if column else first), True
    yield group.after, False
