# SPDX-License-Identifier: Apache-2.0
"""The loader's data side: beats enter a small byte buffer, pieces of up to `lanes` bytes leave it for the memories.

A piece is taken from the buffer when all its bytes are there, moves through the aligner, and is placed; a piece of a
row waits there for the port of the SRAM. A burst of rows is looked at in the cycle in which its last beat may come at
the earliest: by then the writes of results are known that its pieces may meet, but for those that lie further out
because beats are held up.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from esl_ref.machine.timing.context import Context
from esl_ref.machine.timing.kernel import NEVER
from esl_ref.machine.timing.pieces import Job, long_pieces, pieces
from esl_ref.machine.timing.reads import Burst
from esl_ref.program.fields import Opcode

__all__ = ["Arrival", "Unpacker"]


@dataclass(slots=True)
class Arrival:
    """Beats of a load on the bus: cycles first, first + pitch, ..., last."""

    first: int
    last: int
    pitch: int
    rows: bool


_Flying = tuple[int, bool, int]
"""A piece in the aligner: when it was taken, whether it is of a row, and the load if it is its last one, or -1."""


@dataclass
class Unpacker:
    """Cycles of beats and pieces, worked out as far ahead as the writes of results are known.

    finished   called with (load, cycle in which its last piece is taken)
    completed  called with (load, cycle in which its last piece is placed)
    ended      called with the cycle in which a burst's last beat is accepted, and the first in which it was offered
    """

    context: Context
    finished: Callable[[int, int], None]
    completed: Callable[[int, int], None]
    ended: Callable[[int, int], None]
    arrivals: list[Arrival] = field(default_factory=list)
    _burst: tuple[int, int] | None = None
    """(first cycle, beats) of what is on the bus"""
    _jobs: deque[Job] = field(default_factory=deque)
    _flying: deque[_Flying] = field(default_factory=deque)
    _room: deque[tuple[int, int]] = field(default_factory=deque)
    """(bytes free up to here, from this cycle on)"""
    _beats: deque[tuple[int, int]] = field(default_factory=deque)
    """(bytes there up to here, from this cycle on) of beats in which pieces not yet taken may end"""
    _received: int = 0
    _in_burst: int = 0
    _next: int = 0
    """The earliest cycle in which the memory offers the next beat: it counts its gap from one offer to the next."""
    _accepted: int = -1
    _taken: int = -1
    _placed: tuple[int, int] = (-1, -1)
    """The last two cycles of placing."""
    _busy: set[int] | None = None
    """Writes of results that pieces looked at now may meet."""
    _quick: int = -1
    _resume: int = -1

    def __post_init__(self) -> None:
        context = self.context
        self._axi, self._pitch, self._aligner = context.arch.axi_bytes, 1 + context.memory.gap, context.control.aligner
        # Commands that start later than a cycle write later than so many cycles after it.
        self._known = context.engine.completion - context.engine.interval

    def begin(self, index: int, burst: Burst, start: int) -> None:
        """A burst of load `index` is on the bus from cycle `start` on."""
        if burst.first_beat == 0:
            self._enlist(index, start)
        self._burst, self._in_burst, self._next = (start, burst.beats), 0, start
        if self._quick == index:
            self._whole(index, burst, start)
        else:
            self._again(start + (burst.beats - 1) * self._pitch)

    def _enlist(self, index: int, start: int) -> None:
        """A load's first burst is there: what nothing can hold up is not taken apart."""
        arch, command = self.context.arch, self.context.commands[index]
        rows = command.opcode is Opcode.LOAD_ROWS
        if not rows and self._idle(start) and long_pieces(command, arch):
            self._quick = index
        else:
            self._jobs.append(Job(index, rows, self._received, *pieces(command, arch)))

    def _idle(self, start: int) -> bool:
        """Whether nothing from before holds up a load that begins in cycle `start`: its first piece is taken in the
        cycle after at the earliest."""
        if self._jobs or self._flying or self._taken > start or self._room_from() > start:
            return False
        return self._placed[0] <= start + 1 and self._placed[1] <= start + 2

    def _whole(self, index: int, burst: Burst, start: int) -> None:
        """A burst of weights in one step: every beat is accepted as it comes, every piece taken a cycle after its last
        beat, and nothing else wants the memory."""
        self._accept_run(start, burst.beats, False)
        if burst.last:
            self._taken = self._accepted + 1
            placed = self._taken + self._aligner
            self._placed = placed - 1, placed
            # The next load's second beat, for which the last piece may have to make room, comes later anyway.
            self._room = deque([(self._received, self._taken)])
            self.finished(index, self._taken)
            self.completed(index, placed)

    def _again(self, cycle: int) -> None:
        if self._resume != cycle:
            self._resume = cycle
            self.context.kernel.at(cycle, lambda: self._advance(cycle))

    def _advance(self, now: int) -> None:
        """Piece after piece: its beats are accepted, the last but one before it is placed, it is taken."""
        self._busy = None
        self._at_pace(now)
        while self._jobs:
            job = self._jobs[0]
            end = job.at + job.ends[job.taken]
            if not self._accept(end):
                break
            if len(self._flying) == self._aligner and not self._place(now):
                self._accept(self._received + self.context.control.unpack_bytes)
                break
            while self._beats[0][0] < end:
                self._beats.popleft()
            self._take(job, max(self._beats[0][1] + 1, self._taken + 1, self._placed[len(self._flying)]))
        while self._flying and self._place(now):
            pass

    def _at_pace(self, now: int) -> None:
        """Beats of rows that are accepted as they come, up to the end of the burst or to the first piece that is not
        taken a cycle after its last beat: only pieces that are placed late could hold them up."""
        if self._burst is None or self._in_burst or len(self._jobs) > 1 or self.context.arch.lanes % self._axi:
            return
        job, (start, beats) = self._jobs[0], self._burst
        before = self._received - job.at
        if not job.rows or job.ends[job.taken] <= before or self._taken > start or self._room_from() > start:
            return
        last, done = bisect_right(job.ends, before + beats * self._axi, job.taken), 0
        self._skip(job, last, start + 1 - before // self._axi * self._pitch, now)
        for end in job.ends[job.taken : last]:
            beat, full = (end - before - 1) // self._axi, len(self._flying) == self._aligner
            cycle = start + beat * self._pitch + 1
            if (full and not self._place(now)) or self._placed[len(self._flying)] > cycle:
                break
            self._take(job, cycle)
            done = beat + 1
        else:
            done = beats
        if done:
            self._accept_run(start, done, True)

    def _skip(self, job: Job, last: int, first: int, now: int) -> None:
        """Where no result is written, pieces up to `last` are placed as soon as they are taken, the load's first beat
        letting a piece go in cycle `first`: only the last few of them can matter to anything later."""
        skipped = last - self.context.control.unpack_bytes // self._axi
        if self._flying or skipped - job.taken < self._aligner:
            return

        def taken(piece: int) -> int:
            return first + (job.ends[piece] - 1) // self._axi * self._pitch

        low = taken(job.taken)
        if self._placed[1] > low or self._writes(low + self._aligner, now):
            return
        job.taken, self._taken = skipped, taken(skipped - 1)
        self._placed = taken(skipped - 2) + self._aligner, self._taken + self._aligner

    def _writes(self, low: int, now: int) -> set[int]:
        """Writes of results that are known: from the first `low` on that is asked for in this step."""
        if self._busy is None:
            self._busy = self.context.writes.within(low, now + self._known - 1)
        return self._busy

    def _place(self, now: int) -> bool:
        """The oldest piece in the aligner reaches its memory, if it is known when."""
        taken, rows, ending = self._flying[0]
        cycle = max(taken + self._aligner, self._placed[1] + 1)
        if rows:
            busy = self._writes(cycle, now)
            while cycle in busy:
                cycle += 1
            if cycle >= now + self._known:
                self._again(cycle - self._known + 1)
                return False
        self._flying.popleft()
        self._placed = self._placed[1], cycle
        if ending >= 0:
            self.completed(ending, cycle)
        return True

    def _take(self, job: Job, cycle: int) -> None:
        """The next piece leaves the buffer."""
        self._taken = cycle
        self._room.append((job.at + job.frees[job.taken], cycle + 1))
        job.taken += 1
        if job.taken < len(job.ends):
            self._flying.append((cycle, job.rows, -1))
            return
        self._flying.append((cycle, job.rows, job.index))
        self._jobs.popleft()
        self.finished(job.index, cycle)

    def _accept(self, end: int) -> bool:
        """Beats enter the buffer up to byte `end` of the stream, as far as they are there and known to have room."""
        while self._received < end and self._burst is not None:
            room = self._room_from()
            if room == NEVER:
                return False
            offered = max(self._next, self._accepted + 1)
            cycle = max(offered, room)
            self._accept_run(cycle, 1, self._jobs[-1].rows, cycle - offered)
            self._beats.append((self._received, cycle))
        return self._received >= end

    def _room_from(self) -> int:
        """From when on the buffer has room for one more beat; NEVER if that is not known yet."""
        needed, room = self._received + self._axi - self.context.control.unpack_bytes, self._room
        while room and room[0][0] < needed:
            room.popleft()
        if needed <= 0:
            return 0
        return room[0][1] if room else NEVER

    def _accept_run(self, first: int, beats: int, rows: bool, late: int = 0) -> None:
        """So many beats are accepted at the memory's pace from cycle `first` on, each `late` cycles after its offer."""
        self._accepted = first + (beats - 1) * self._pitch
        self._next = self._accepted - late + self._pitch
        self._received += beats * self._axi
        self._in_burst += beats
        run = self.arrivals[-1] if self.arrivals else None
        if run and run.last + self._pitch == first and run.rows == rows:
            run.last = self._accepted
        else:
            self.arrivals.append(Arrival(first, self._accepted, self._pitch, rows))
        if self._burst is not None and self._in_burst == self._burst[1]:
            self._burst = None
            self.ended(self._accepted, self._accepted - late)
