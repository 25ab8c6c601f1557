# SPDX-License-Identifier: Apache-2.0
"""The loader: addresses of a load run ahead of its data, up to two loads further."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from esl_ref.machine.timing.context import LOAD_QUEUE, Context, Stage
from esl_ref.machine.timing.fetch import Queue
from esl_ref.machine.timing.reads import LOAD, Burst, ReadBus
from esl_ref.machine.transfers import transfer_of
from esl_ref.program.fields import Opcode

__all__ = ["Arrival", "Loader"]


@dataclass(frozen=True)
class Arrival:
    """Beats of a load on the bus: cycles first, first + pitch, ..., last."""

    first: int
    last: int
    pitch: int
    rows: bool


class Loader:
    """Takes a load, asks three cycles later at the earliest, and is free again in the cycle after."""

    def __init__(self, context: Context, queue: Queue, bus: ReadBus) -> None:
        self._context, self._bus = context, bus
        self._stage = Stage(context, queue, LOAD_QUEUE)
        self._asking: int | None = None
        self._ask_from = self._take_from = 0
        self._ahead: deque[int] = deque()
        self._ahead_level = 0
        self._receiving = False
        self._finished_at = self._placed = -1
        self.arrivals: list[Arrival] = []

    def step(self, now: int) -> None:
        self._receive(now)
        if self._asking is not None:
            self._ask(now)
        elif now >= self._take_from and self._ahead_level < self._context.control.loads_ahead:
            index = self._stage.take(now)
            if index is not None:
                self._asking, self._ask_from = index, now + self._context.control.take_to_ask
                self._context.kernel.at(self._ask_from)

    def _ask(self, now: int) -> None:
        if now < self._ask_from or not self._bus.ready(LOAD, now):
            return
        index, self._asking, self._take_from = self._asking, None, now + 1
        assert index is not None
        arch, command = self._context.arch, self._context.commands[index]
        transfer = transfer_of(command, arch)
        address = self._context.bases.base[command["base"]] + transfer.offset
        beats = transfer.nbytes // arch.axi_bytes
        self._bus.request(LOAD, now, address, beats, lambda burst, start: self._beats(index, burst, start))

        def queued() -> None:
            self._ahead.append(index)
            self._ahead_level += 1

        self._context.kernel.at(now + 1, queued)

    def _receive(self, now: int) -> None:
        """The data side picks up the next load when it has none, or in the cycle of its last beat."""
        if self._ahead and (not self._receiving or self._finished_at == now):
            self._ahead.popleft()
            self._receiving = True

            def popped() -> None:
                self._ahead_level -= 1

            self._context.kernel.at(now + 1, popped)
        elif self._finished_at == now:
            self._receiving = False

    def _beats(self, index: int, burst: Burst, start: int) -> None:
        """One beat per cycle into the SRAM, unless the post-processor has its write port."""
        pitch = 1 + self._context.memory.gap
        if self._context.commands[index].opcode is Opcode.LOAD_ROWS:
            self._place(_Placing(index, burst, start, pitch, start - pitch, self._placed), start)
            return
        # The last beat of a load of rows may still wait for the SRAM's write port.
        start = max(start, self._placed)
        end = start + (burst.beats - 1) * pitch
        self.arrivals.append(Arrival(start, end, pitch, False))
        self._end(index, burst, end, end + 1)

    def _end(self, index: int, burst: Burst, accepted: int, placed: int) -> None:
        """Last beat of the burst accepted, and written."""
        self._placed = placed
        if burst.last:
            self._context.kernel.at(accepted, lambda: self._finish(accepted))
            self._stage.complete(index, placed)
        self._bus.end(accepted)

    def _finish(self, cycle: int) -> None:
        self._finished_at = cycle

    def _place(self, job: _Placing, now: int) -> None:
        """Beats of rows, as far as the writes of results are known: commands that start later write later."""
        context, run = self._context, 0
        known = now + context.engine.completion - context.engine.interval
        first = job.next_beat()
        while job.number < job.burst.beats:
            accepted = job.next_beat()
            if accepted >= known:
                break
            if accepted != first + run * job.pitch:
                self._arrived(first, run, job.pitch)
                first, run = accepted, 0
            run += 1
            job.accepted, job.placed = accepted, context.writes.next_free(accepted + 1)
            job.number += 1
        self._arrived(first, run, job.pitch)
        if job.number == job.burst.beats:
            # Its place is found early, but what follows must not be decided after it.
            context.kernel.at(job.accepted, lambda: self._end(job.index, job.burst, job.accepted, job.placed))
        else:
            resume = job.next_beat()
            context.kernel.at(resume, lambda: self._place(job, resume))

    def _arrived(self, first: int, beats: int, pitch: int) -> None:
        if beats:
            self.arrivals.append(Arrival(first, first + (beats - 1) * pitch, pitch, True))


@dataclass
class _Placing:
    """A burst of rows on its way into the SRAM: beats done, cycle in which the last was accepted, and was written."""

    index: int
    burst: Burst
    start: int
    pitch: int
    accepted: int
    placed: int
    number: int = 0

    def next_beat(self) -> int:
        """The next beat is accepted when it is there and the register before the SRAM is free."""
        return max(self.start + self.number * self.pitch, self.accepted + self.pitch, self.placed)
