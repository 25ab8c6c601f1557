# SPDX-License-Identifier: Apache-2.0
"""The compute engine in the timing model: when each command starts; `IssueClock` says how long it issues."""

from __future__ import annotations

from dataclasses import dataclass

from esl_ref.machine.engine_timing import Free, IssueClock, Issued
from esl_ref.machine.timing.contended import walk
from esl_ref.machine.timing.context import COMPUTE_QUEUE, Context, Stage
from esl_ref.machine.timing.fetch import Queue
from esl_ref.program.commands import Command

__all__ = ["Engine", "Work"]

# From taking a command: held is visible one cycle later, its checks and waits are known one after that.
_EXAMINED = 2


@dataclass
class Work:
    """One compute command.

    issued          its issue slots if no store read interferes
    last, overhead  its last issue and the slots lost to distances, as they are
    stolen          cycles lost to store reads
    waits           first cycles in which its waits were over
    free, mark      the issuer, and the writes known, when it started
    """

    index: int
    taken: int
    issued: Issued
    last: int
    overhead: int
    stolen: int
    waits: list[int]
    free: Free
    mark: int


class Engine:
    """A command is held in a decode register while its predecessor issues."""

    def __init__(self, context: Context, queue: Queue) -> None:
        self._context = context
        self._stage = Stage(context, queue, COMPUTE_QUEUE)
        self._clock = IssueClock(context.arch)
        # From a result's issue to the cycle in which its first slice takes the SRAM's write port.
        self._first_write = context.engine.completion - context.engine.interval + 1
        self._held: int | None = None
        self._held_at = 0
        self._busy_until = -1
        self._in_flight = 0
        self.work: list[Work] = []

    def step(self, now: int) -> None:
        """Start the held command if it may, then take the next one."""
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
        # At its predecessor's last issue something happens anyway: to look before is useless.
        if now < max(self._held_at + _EXAMINED, self._busy_until) or self._in_flight >= context.engine.in_flight:
            return
        over = context.counts.over(context.targets[index])
        if over is None:
            return
        if now <= max(over):  # waits are seen one cycle late
            context.kernel.at(max(over) + 1)
            return
        self._held = None
        self._run(index, now, over)

    def _run(self, index: int, now: int, over: list[int]) -> None:
        context = self._context
        free = self._clock.free
        issued = self._clock.run(context.commands[index], now + 1)
        work = Work(index, self._held_at, issued, issued.last, issued.overhead, 0, over, free, context.writes.mark())
        self.work.append(work)
        for block, width in zip(issued.results, self._widths(context.commands[index]), strict=True):
            if width:
                first = block.first + self._first_write
                context.writes.add(first, block.rows, block.columns, block.row_pitch, block.pitch, width)
        self._in_flight += 1
        self._busy_until = issued.last
        self.lose_port()
        last = work.last
        context.kernel.at(last, lambda: self._end(work, last))

    def lose_port(self) -> None:
        """Store reads are known: those that fall into the command that issues now make it longer."""
        if not self.work:
            return
        work, context = self.work[-1], self._context
        if not context.reads.any_in(work.issued.first, work.last):
            return
        taken = sorted(context.reads.within(work.issued.first))
        outcome = walk(context.commands[work.index], context.arch, work.issued.first, work.free, taken)
        self._clock.free = outcome.free
        work.last, work.stolen, self._busy_until = outcome.last, outcome.stolen, outcome.last
        slots = outcome.last - work.issued.first + 1
        work.overhead = slots - outcome.stolen - work.issued.array - work.issued.vector
        context.writes.forget(work.mark)
        widths = self._widths(context.commands[work.index])
        writes, each = [cycle + self._first_write for cycle in outcome.results], len(outcome.results) // len(widths)
        for group, width in enumerate(widths):
            if width:
                context.writes.add_ordered(writes[group * each : (group + 1) * each], width)

    def _widths(self, command: Command) -> list[int]:
        """Slices that each result of each group writes: none of what stays in a slot, fewer where lanes are unused."""
        if command["acc_out"]:
            return [0] * command["groups"]
        arch = self._context.arch
        return [arch.post_interval] * (command["groups"] - 1) + [-(-command["last_lanes"] // arch.post_lanes)]

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
