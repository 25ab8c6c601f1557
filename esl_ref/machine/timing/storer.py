# SPDX-License-Identifier: Apache-2.0
"""The storer and the write side of the bus."""

from __future__ import annotations

from dataclasses import dataclass, field

from esl_ref.machine.timing.context import STORE_QUEUE, Context, Stage
from esl_ref.machine.timing.fetch import Queue
from esl_ref.machine.timing.ports import Run
from esl_ref.machine.timing.reads import cut
from esl_ref.machine.timing.store_rows import Moved, StoreRows
from esl_ref.machine.transfers import transfer_of

__all__ = ["Storer", "WriteBus"]


@dataclass
class WriteBus:
    """AW, W and B: beats move one per cycle into a register before W; a response follows the last one on W.

    stores, records   cycles in which beats of stores, and of profile records, moved into that register
    """

    context: Context
    free: int = 0
    beats: int = 0
    quiet_from: int = 0
    last_record: int = 0
    stores: list[Moved] = field(default_factory=list)
    records: list[Run] = field(default_factory=list)

    def response(self, moved: int) -> int:
        """Cycle of the response to a burst whose last beat moved into the register in cycle `moved`."""
        answered = moved + 1 + self.context.memory.delay
        self.free = max(self.free, moved + 1)
        self.quiet_from = max(self.quiet_from, answered + 1)
        return answered

    def record(self, complete: int) -> int:
        """A profile record of a command complete in that cycle; returns the cycle of its response."""
        beats = self.context.control.record_beats
        # Accepted, requested, its burst taken: then beats move as soon as the channel is free.
        first = max(complete + 3, self.last_record + 3, self.free)
        self.beats += beats
        self.records.append((first, beats, 1 + self.context.memory.gap))
        self.last_record = first + (beats - 1) * (1 + self.context.memory.gap)
        return self.response(self.last_record)


class Storer:
    """Takes a store, checks it, starts two cycles later; its vectors are read ahead of the bus."""

    def __init__(self, context: Context, queue: Queue, bus: WriteBus) -> None:
        self._context, self._bus = context, bus
        self._stage = Stage(context, queue, STORE_QUEUE)
        self._rows = StoreRows(context.arch, context.control, 1 + context.memory.gap)
        self._starting: int | None = None
        self._start_from = self._take_from = self._read_end = self._beat_end = 0
        self._unanswered = 0

    def step(self, now: int) -> None:
        """Start the store that was taken, or take the next one."""
        if self._starting is not None:
            self._start(now)
        elif now >= self._take_from:
            index = self._stage.take(now)
            if index is not None:
                self._starting, self._start_from = index, now + self._context.control.take_to_ask
                self._context.kernel.at(self._start_from)

    def _start(self, now: int) -> None:
        control, kernel = self._context.control, self._context.kernel
        ready = max(self._start_from, self._read_end, self._beat_end)
        if now < ready:
            kernel.at(ready)
            return
        if self._unanswered >= control.stores_ahead:
            return
        index, self._starting, self._take_from = self._starting, None, now + 1
        assert index is not None
        self._unanswered += 1
        kernel.at(now + 1)
        arch, command = self._context.arch, self._context.commands[index]
        moved = self._rows.move(command["rows"], command["row_bytes"], now, self._bus.free)
        self._read_end, self._beat_end = moved.read, moved.beat
        self._bus.stores.append(moved)
        for beat, row in moved.rows:
            for first, count, pitch in row.reads:
                self._context.reads.add(beat + first, 1, count, 0, pitch)
        self._context.on_store_reads()
        transfer = transfer_of(command, arch)
        address = self._context.bases.base[command["base"]] + transfer.offset
        answered, total = 0, transfer.nbytes // arch.axi_bytes
        for before, beats, _ in cut(address, total, arch):
            answered = self._bus.response(moved.cycle(before + beats - 1))
        self._bus.beats += total
        span = self._context.spans[index]
        span.first, span.last = now + 1, moved.beat
        kernel.at(answered + 1, self._answered)
        self._stage.complete(index, answered)

    def _answered(self) -> None:
        self._unanswered -= 1
