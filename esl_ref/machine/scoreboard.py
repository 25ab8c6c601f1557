# SPDX-License-Identifier: Apache-2.0
"""Who wrote and who reads every SRAM byte, every weight word and the table: the check behind every HazardError.

Commands are checked in stream order. A pair of commands that touch the same byte, one of them writing, must be ordered
by waits (see `knowledge`). Order alone protects two things, and the hardware guarantees them: a compute command takes
all its operands before the next one takes its first, so it never sees a later one's results; and the results of one
queue arrive in stream order, so the later command's stay.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from esl_ref.arch import Arch
from esl_ref.machine.faults import CommandHazard
from esl_ref.machine.geometry import Flags
from esl_ref.machine.knowledge import Knowledge
from esl_ref.program.commands import QUEUES, Command
from esl_ref.program.image import Program

__all__ = ["Cells", "Scoreboard", "runs"]

Addresses = npt.NDArray[np.int64]
_STORE, _COMPUTE = 1, 2


def runs(addresses: Iterable[int] | Addresses) -> list[tuple[int, int]]:
    """Sorted, disjoint [first, last] ranges that cover exactly these addresses."""
    ordered = np.unique(np.asarray(addresses, np.int64))
    if not ordered.size:
        return []
    breaks = np.flatnonzero(np.diff(ordered) != 1)
    first, last = np.r_[ordered[0], ordered[breaks + 1]], np.r_[ordered[breaks], ordered[-1]]
    return list(zip(first.tolist(), last.tolist(), strict=True))


@dataclass
class Cells:
    """State of one memory: the last writer, and the last reader of each queue that reads (stream index, -1 none)."""

    name: str
    unit: str
    writer: npt.NDArray[np.int32]
    readers: npt.NDArray[np.int32]

    @classmethod
    def of(cls, name: str, size: int, unit: str = "byte") -> Cells:
        """Cells that nobody has touched."""
        return cls(name, unit, np.full(size, -1, np.int32), np.full((len(QUEUES), size), -1, np.int32))


class Scoreboard:
    """Checks and records the accesses of one command after another."""

    def __init__(self, arch: Arch, program: Program) -> None:
        self.program = program
        self.knowledge = Knowledge()
        self.act = Cells.of("act", arch.act_bytes)
        self.weight = Cells.of("weight", arch.weight_words, "word")
        self.table = Cells.of("table", 1, "table")
        self._complete: Flags = np.zeros(0, np.bool_)
        self._queues: npt.NDArray[np.int8] = np.zeros(0, np.int8)
        self.index = -1

    def start(self, index: int, command: Command) -> None:
        """Next command of the stream: work out what it knows."""
        known = self.knowledge.add(index, command, self.program.where(index))
        self._complete, self.index = self.knowledge.complete(known), index
        self._queues = np.asarray(self.knowledge.queue, np.int8)
        # An access of a command to what it wrote itself is not this check's business (see the in-place rule).
        self._complete[index] = True

    def where(self) -> str:
        """The current command, for errors."""
        return self.program.where(self.index)

    def is_complete(self, index: int) -> bool:
        """Is an earlier command known complete?"""
        return bool(self._complete[index])

    def read(self, cells: Cells, addresses: Addresses) -> None:
        """The command reads: every byte must have been written, by a command known complete."""
        writer = cells.writer[addresses]
        self._refuse(cells, addresses, writer < 0, "reads {range}, which nothing has written")
        self._refuse(
            cells, addresses, ~self._complete[writer], "reads {range} while {other} may still be writing it", writer
        )
        queue = self.knowledge.queue[self.index]
        cells.readers[queue, addresses] = self.index

    def write(self, cells: Cells, addresses: Addresses) -> None:
        """The command writes: earlier writers and readers must be known complete."""
        own = self.knowledge.queue[self.index]
        writer = cells.writer[addresses]
        # A queue's own results arrive in stream order, so the later one stays.
        pending = (writer >= 0) & ~self._complete[writer] & (self._queues[writer] != own)
        self._refuse(cells, addresses, pending, "overwrites {range} while {other} may still be writing it", writer)
        for queue in (_STORE, _COMPUTE):
            if queue == own:
                continue
            reader = cells.readers[queue, addresses]
            late = (reader >= 0) & ~self._complete[reader]
            self._refuse(cells, addresses, late, "overwrites {range} while {other} may still read it", reader)
        cells.writer[addresses] = self.index

    def _refuse(
        self, cells: Cells, addresses: Addresses, bad: Flags, text: str, others: npt.NDArray[np.int32] | None = None
    ) -> None:
        """CommandHazard for the first contiguous range of bad addresses with one culprit."""
        if not bad.any():
            return
        wrong = addresses[bad]
        other = -1
        if others is not None:
            other = int(others[bad][np.argmin(wrong)])
            wrong = wrong[others[bad] == other]
        first, last = runs(wrong)[0]
        self.fail(cells.name, first, last, text, other, cells.unit)

    def fail(self, memory: str, first: int, last: int, text: str, other: int = -1, unit: str = "byte") -> None:
        """Raise, naming command, buffer, range and the other command."""
        span = self.describe(memory, first, last, unit)
        message = text.format(range=span, other=self.program.where(other) if other >= 0 else "")
        hint = "a wait is missing" if other >= 0 else ""
        raise CommandHazard(
            self.index, message, where=self.where(), memory=memory, first=first, last=last,
            other=other, hint=hint,
        )  # fmt: skip

    def describe(self, memory: str, first: int, last: int, unit: str = "byte") -> str:
        """'act bytes 16..31 (ifm of conv1)'."""
        if unit == "table":
            return "the table"
        plural, span = ("s", f"{first}..{last}") if last > first else ("", f"{first}")
        names = [
            b.name
            for b in self.program.sram_map
            if b.memory == memory
            and b.first <= self.index <= b.last
            and b.base <= last
            and first < b.base + (b.bytes if memory == "act" else -(-b.bytes // self.program.arch.word_bytes))
        ]
        of = f" ({', '.join(names)})" if names else ""
        return f"{memory} {unit}{plural} {span}{of}"
