# SPDX-License-Identifier: Apache-2.0
"""The compute engine in the timing model: when each command starts; `IssueClock` says how long it issues."""

from __future__ import annotations

from dataclasses import dataclass

from esl_ref.machine.timing.context import COMPUTE_QUEUE, Context, Stage
from esl_ref.machine.timing.fetch import Queue
from esl_ref.machine.timing_constants import IssueClock, Issued

__all__ = ["Engine", "Work"]

# From taking a command: held is visible one cycle later, its checks and waits are known one after that.
_EXAMINED = 2


@dataclass
class Work:
    """One compute command: issue slots, cycles lost to store reads, and when each of its waits was over."""

    index: int
    taken: int
    issued: Issued
    last: int
    stolen: int
    waits: list[int]


class Engine:
    """A command is held in a decode register while its predecessor issues."""

    def __init__(self, context: Context, queue: Queue) -> None:
        self._context = context
        self._stage = Stage(context, queue, COMPUTE_QUEUE)
        self._clock = IssueClock(context.arch)
        self._held: int | None = None
        self._held_at = 0
        self._busy_until = -1
        self._in_flight = 0
        self.work: list[Work] = []

    def step(self, now: int) -> None:
        if self._held is not None:
            self._start(now)
        if self._held is None:
            index = self._stage.take(now, waits=False)
            if index is not None:
                self._held, self._held_at = index, now
                self._context.kernel.at(now + _EXAMINED)

    def _start(self, now: int) -> None:
        context, index = self._context, self._held
        assert index is not None
        over = context.counts.over(context.targets[index])
        if now < self._held_at + _EXAMINED or over is None or self._in_flight >= context.engine.in_flight:
            return
        if now < self._busy_until or now <= max(over):
            # Waits are seen one cycle late; the predecessor's last issue is a cycle in which this one may start.
            context.kernel.at(max(self._busy_until, max(over) + 1, now + 1))
            return
        self._held = None
        self._run(index, now, over)

    def _run(self, index: int, now: int, over: list[int]) -> None:
        context = self._context
        issued = self._clock.run(context.commands[index], now + 1)
        last, stolen = context.reads.stretch(issued.first, issued.last)
        if stolen:
            self._clock.delay(stolen)
        self._in_flight += 1
        self._busy_until = last
        # Results that stay in accumulator slots take the write port all the same, for no byte.
        for block in issued.results:
            first = block.first + context.engine.completion - context.engine.interval + 1
            context.writes.add(first, block.rows, block.columns, block.row_pitch, block.pitch, context.engine.interval)
        work = Work(index, self._held_at, issued, last, stolen, over)
        self.work.append(work)
        context.kernel.at(last, lambda: self._end(work, last))

    def lose_port(self) -> None:
        """A store has announced its reads: the command that issues now takes longer by those that fall into it."""
        if not self.work or self.work[-1].last <= self.work[-1].issued.first:
            return
        work = self.work[-1]
        last, stolen = self._context.reads.stretch(work.issued.first, work.issued.last)
        self._clock.delay(stolen - work.stolen)
        work.last, work.stolen, self._busy_until = last, stolen, last

    def _end(self, work: Work, expected: int) -> None:
        """The last issue, unless store reads have put it off since."""
        kernel, last = self._context.kernel, work.last
        if last > expected:
            kernel.at(last, lambda: self._end(work, last))
            return
        span, complete = self._context.spans[work.index], last + self._context.engine.completion
        span.first, span.last = work.issued.first, last
        self._stage.complete(work.index, complete)
        kernel.at(complete + 1, self._leave)

    def _leave(self) -> None:
        self._in_flight -= 1
