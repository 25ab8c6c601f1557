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
        self._finished_at = -1
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

    def _beats(self, index: int, burst: Burst, start: int) -> int:
        """One beat per cycle into the SRAM, unless the post-processor has its write port."""
        context = self._context
        rows = context.commands[index].opcode is Opcode.LOAD_ROWS
        pitch = 1 + context.memory.gap
        end, placed = start + (burst.beats - 1) * pitch, start + (burst.beats - 1) * pitch + 1
        if rows and context.writes.any_in(start, end + 1):
            end, placed = self._contended(burst.beats, start, pitch)
        self.arrivals.append(Arrival(start, end, max(1, (end - start) // max(1, burst.beats - 1)), rows))
        if burst.last:
            context.kernel.at(end, lambda: self._finish(end))
            self._stage.complete(index, placed)
        return end

    def _finish(self, cycle: int) -> None:
        self._finished_at = cycle

    def _contended(self, beats: int, start: int, pitch: int) -> tuple[int, int]:
        """(last beat accepted, last beat written) when results are written at the same time."""
        accepted = placed = start - 1
        for number in range(beats):
            accepted = max(start + number * pitch, accepted + pitch, placed)
            placed = self._context.writes.next_free(accepted + 1)
        return accepted, placed
