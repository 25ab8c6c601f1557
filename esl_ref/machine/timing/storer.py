# SPDX-License-Identifier: Apache-2.0
"""The storer and the write side of the bus."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from esl_ref.machine.timing.context import STORE_QUEUE, Context, Stage
from esl_ref.machine.timing.fetch import Queue
from esl_ref.machine.timing.reads import cut
from esl_ref.machine.transfers import transfer_of

__all__ = ["Storer", "WriteBus"]


@dataclass
class WriteBus:
    """AW, W and B: beats move one per cycle into a register before W; a response follows the last one on W."""

    context: Context
    free: int = 0
    beats: int = 0
    quiet_from: int = 0
    last_record: int = 0

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
        self.last_record = first + (beats - 1) * (1 + self.context.memory.gap)
        return self.response(self.last_record)


class Storer:
    """Takes a store, checks it, starts two cycles later; its vectors are read ahead of the bus."""

    def __init__(self, context: Context, queue: Queue, bus: WriteBus) -> None:
        self._context, self._bus = context, bus
        self._stage = Stage(context, queue, STORE_QUEUE)
        self._starting: int | None = None
        self._start_from = self._take_from = self._read_end = self._beat_end = 0
        self._unanswered = 0

    def step(self, now: int) -> None:
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
        moved = self._move(index, now)
        arch, command = self._context.arch, self._context.commands[index]
        transfer = transfer_of(command, arch)
        address = self._context.bases.base[command["base"]] + transfer.offset
        answered = 0
        for before, beats, _ in cut(address, transfer.nbytes // arch.axi_bytes, arch):
            answered = self._bus.response(moved[before + beats - 1])
        self._bus.beats += len(moved)
        span = self._context.spans[index]
        span.first, span.last = now + 1, moved[-1]
        kernel.at(answered + 1, self._answered)
        self._stage.complete(index, answered)

    def _answered(self) -> None:
        self._unanswered -= 1

    def _move(self, index: int, start: int) -> list[int]:
        """Cycle in which each beat leaves the storer. Reads run ahead of beats by as many vectors as it holds."""
        context, arch = self._context, self._context.arch
        command, control = context.commands[index], context.control
        pitch = 1 + context.memory.gap
        row_beats = -(-command["row_bytes"] // arch.axi_bytes)
        per_vector = arch.lanes // arch.axi_bytes if arch.lanes >= arch.axi_bytes else 1
        reads_per_beat = max(1, arch.axi_bytes // arch.lanes)
        gone: deque[int] = deque([start] * control.vectors, control.vectors)  # when a place for a vector came free
        read, arrived, beat, moved, reads = start, start, max(start + 1, self._bus.free - 1), [], []
        for _ in range(command["rows"]):
            left = -(-command["row_bytes"] // arch.lanes)
            for first in range(0, row_beats, per_vector):
                joined = min(reads_per_beat, left)
                left -= joined
                for _ in range(joined):
                    read = max(read + 1, gone[0] + 1)
                    reads.append(read)
                    arrived = max(read + control.read_to_beat, arrived + 1, beat + 1)
                    gone.append(arrived)
                # A vector moves as it arrives; joined ones take a cycle more, to be one beat.
                beat = max(beat, (arrived + 1 if reads_per_beat > 1 else read + control.read_to_beat) - pitch)
                for _ in range(min(per_vector, row_beats - first)):
                    beat += pitch
                    moved.append(beat)
                if reads_per_beat == 1:
                    gone[-1] = beat
        self._read_end, self._beat_end = read, beat
        context.reads.add_ordered(reads)
        context.on_store_reads()
        return moved
