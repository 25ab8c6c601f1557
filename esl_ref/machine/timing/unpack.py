# SPDX-License-Identifier: Apache-2.0
"""The loader's data side: beats enter a small byte buffer, pieces of up to `lanes` bytes leave it for the memories.

A piece is a vector of a row, one lane of a weight word, or a bus word of the table. It is taken from the buffer when
all its bytes are there, moves through the aligner, and is placed; a piece of a row waits there for the port of
the SRAM. A row's, and a load's, last piece drops what is left of its bus word.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from esl_ref.arch import Arch
from esl_ref.machine.timing.context import Context
from esl_ref.machine.timing.reads import Burst
from esl_ref.machine.transfers import TABLE_BYTES
from esl_ref.program.commands import Command
from esl_ref.program.dense import WordPattern
from esl_ref.program.fields import Opcode

__all__ = ["Arrival", "Unpacker", "pieces"]


@dataclass(frozen=True)
class Arrival:
    """Beats of a load on the bus: cycles first, first + pitch, ..., last."""

    first: int
    last: int
    pitch: int
    rows: bool


def pieces(command: Command, arch: Arch) -> tuple[list[int], list[int]]:
    """Of each piece, in bytes from the load's start: (where it ends, where the next one begins)."""
    axi = arch.axi_bytes
    if command.opcode is Opcode.LOAD_TABLE:
        ends = list(range(axi, TABLE_BYTES + 1, axi))
        return ends, ends
    if command.opcode is Opcode.LOAD_ROWS:
        length = command["row_bytes"]
        row = [*range(arch.lanes, length, arch.lanes), length]
        pitch = -(-length // axi) * axi
        starts = range(0, command["rows"] * pitch, pitch)
        return [s + e for s in starts for e in row], [s + e for s in starts for e in [*row[:-1], pitch]]
    size, lanes = WordPattern.of(command).sizes(command["words"], arch)
    found = np.cumsum(np.repeat(size, lanes)).tolist()
    return found, [*found[:-1], -(-found[-1] // axi) * axi]


@dataclass
class _Job:
    """A load under way: its pieces' ends and next beginnings in bytes of the stream of all loads; pieces taken."""

    index: int
    rows: bool
    ends: list[int]
    frees: list[int]
    taken: int = 0


@dataclass
class _Piece:
    """Taken from the buffer in cycle `cycle`."""

    job: _Job
    cycle: int
    last: bool


@dataclass
class Unpacker:
    """Cycles of beats and pieces, worked out as far ahead as the writes of results are known.

    finished   called with (load, cycle in which its last piece is taken)
    completed  called with (load, cycle in which its last piece is placed)
    ended      called with the cycle in which a burst's last beat is accepted
    """

    context: Context
    finished: Callable[[int, int], None]
    completed: Callable[[int, int], None]
    ended: Callable[[int], None]
    arrivals: list[Arrival] = field(default_factory=list)
    _bursts: deque[tuple[Burst, int]] = field(default_factory=deque)
    _jobs: deque[_Job] = field(default_factory=deque)
    _flying: deque[_Piece] = field(default_factory=deque)
    _room: deque[tuple[int, int]] = field(default_factory=deque)
    """(bytes free up to here, from this cycle on)"""
    _beat_times: dict[int, int] = field(default_factory=dict)
    _received: int = 0
    _in_burst: int = 0
    _accepted: int = -1
    _taken: int = -1
    _placed: tuple[int, int] = (-1, -1)
    """The last two cycles of placing."""
    _quick: int = -1
    _resume: int = -1

    def begin(self, index: int, burst: Burst, start: int) -> None:
        """A burst of load `index` is on the bus from cycle `start` on."""
        arch, command = self.context.arch, self.context.commands[index]
        if burst.first_beat == 0 and self._is_quick(command, start):
            self._quick = index
        if self._quick == index:
            self._whole(index, burst, start)
            return
        if burst.first_beat == 0:
            ends, frees = pieces(command, arch)
            rows, at = command.opcode is Opcode.LOAD_ROWS, self._received
            self._jobs.append(_Job(index, rows, [at + e for e in ends], [at + f for f in frees]))
        self._bursts.append((burst, start))
        self._advance(start)

    def _is_quick(self, command: Command, start: int) -> bool:
        """Whether nothing holds the load's beats up: pieces as long as beats at least, and none before it waits."""
        if command.opcode is Opcode.LOAD_ROWS or self._jobs or self._flying or self._bursts:
            return False
        if self._taken > start or self._placed[1] > start + 1:
            return False
        if command.opcode is Opcode.LOAD_TABLE:
            return True
        shortest = WordPattern.of(command).sizes(command["words"], self.context.arch)[0].min()
        return int(shortest) >= self.context.arch.axi_bytes

    def _whole(self, index: int, burst: Burst, start: int) -> None:
        """A burst in one step: every beat is accepted as it comes, every piece taken a cycle after its last beat."""
        pitch = 1 + self.context.memory.gap
        self._accepted = start + (burst.beats - 1) * pitch
        self.arrivals.append(Arrival(start, self._accepted, pitch, False))
        self._received += burst.beats * self.context.arch.axi_bytes
        self.ended(self._accepted)
        if burst.last:
            self._taken = self._accepted + 1
            placed = self._taken + self.context.control.aligner
            self._placed = placed - 1, placed
            # The next load's second beat, for which the last piece may have to make room, comes later anyway.
            self._room = deque([(self._received, self._taken)])
            self.finished(index, self._taken)
            self.completed(index, placed)

    def _advance(self, now: int) -> None:
        while self._place(now) or self._take() or self._accept():
            pass

    def _place(self, now: int) -> bool:
        """The oldest piece in the aligner reaches its memory."""
        if not self._flying:
            return False
        context, piece = self.context, self._flying[0]
        cycle = max(piece.cycle + context.control.aligner, self._placed[1] + 1)
        if piece.job.rows:
            cycle = context.writes.next_free(cycle)
            # Commands that start later write later than this.
            ahead = context.engine.completion - context.engine.interval
            if cycle >= now + ahead:
                self._again(cycle - ahead + 1)
                return False
        self._flying.popleft()
        self._placed = self._placed[1], cycle
        if piece.last:
            self.completed(piece.job.index, cycle)
        return True

    def _again(self, cycle: int) -> None:
        if self._resume != cycle:
            self._resume = cycle
            self.context.kernel.at(cycle, lambda: self._advance(cycle))

    def _take(self) -> bool:
        """The next piece leaves the buffer if all of it is there; the aligner holds no more than its stages."""
        stages = self.context.control.aligner
        if not self._jobs or len(self._flying) >= stages:
            return False
        job = self._jobs[0]
        end = job.ends[job.taken]
        if end > self._received:
            return False
        beat = -(-end // self.context.arch.axi_bytes) - 1
        freed = self._placed[len(self._flying)]
        self._taken = max(self._beat_times[beat] + 1, self._taken + 1, freed)
        self._room.append((job.frees[job.taken], self._taken + 1))
        job.taken += 1
        last = job.taken == len(job.ends)
        self._flying.append(_Piece(job, self._taken, last))
        if last:
            self._jobs.popleft()
            self._beat_times = {b: t for b, t in self._beat_times.items() if b > beat}
            self.finished(job.index, self._taken)
        return True

    def _accept(self) -> bool:
        """The next beat enters the buffer when it is there and has room."""
        if not self._bursts:
            return False
        context, (burst, start) = self.context, self._bursts[0]
        axi, pitch = context.arch.axi_bytes, 1 + context.memory.gap
        needed, room = self._received + axi - context.control.unpack_bytes, 0
        while self._room and self._room[0][0] < needed:
            self._room.popleft()
        if needed > 0:
            if not self._room:
                return False
            room = self._room[0][1]
        cycle = max(start + self._in_burst * pitch, self._accepted + 1, room)
        self._arrived(cycle, pitch)
        self._beat_times[self._received // axi] = self._accepted = cycle
        self._received += axi
        self._in_burst += 1
        if self._in_burst == burst.beats:
            self._bursts.popleft()
            self._in_burst = 0
            self.ended(cycle)
        return True

    def _arrived(self, cycle: int, pitch: int) -> None:
        """Join the beat to the run before it if it follows at the same pace."""
        rows = self._jobs[-1].rows
        before = self.arrivals[-1] if self.arrivals else None
        if before and before.rows == rows and before.last + pitch == cycle and before.pitch == pitch:
            self.arrivals[-1] = Arrival(before.first, cycle, pitch, rows)
        else:
            self.arrivals.append(Arrival(cycle, cycle, pitch, rows))
