# SPDX-License-Identifier: Apache-2.0
"""Fetch and the three command queues."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import partial

from esl_ref.arch import Arch
from esl_ref.machine.timing.control_timing import ControlTiming
from esl_ref.machine.timing.kernel import Kernel
from esl_ref.machine.timing.ports import Run
from esl_ref.machine.timing.reads import FETCH, Burst, ReadBus
from esl_ref.program.commands import QUEUES, Command, queue_of
from esl_ref.program.fields import COMMAND_BYTES, Opcode

__all__ = ["Fetch", "Queue"]


class Queue:
    """Commands of one queue: in RAM, then assembled at the head. `head` is the stream index there, or None."""

    def __init__(self, kernel: Kernel, control: ControlTiming) -> None:
        self._kernel, self._control = kernel, control
        self.used = 0
        self.head: int | None = None
        self._arrived: deque[tuple[int, int]] = deque()
        self._free_from = 0
        self._filling = False

    def first_word(self) -> None:
        """A command's first word came: its place in the queue is used."""
        self.used += 1

    def last_word(self, index: int, cycle: int) -> None:
        """A command's last word came in `cycle`."""
        self._arrived.append((index, cycle))
        self._fill()

    def take(self, now: int) -> int:
        """The head leaves in this cycle."""
        assert self.head is not None
        index, self.head = self.head, None
        self._free_from = now + 1
        self._fill()
        return index

    def _fill(self) -> None:
        if self._filling or self.head is not None or not self._arrived:
            return
        self._filling = True
        index, came = self._arrived.popleft()
        # Words leave the RAM one per cycle, the last not before it is there.
        read = max(came + 1, self._free_from + self._control.ram_words - 1)

        def leave_ram() -> None:
            self.used -= 1

        def appear() -> None:
            self.head, self._filling = index, False

        self._kernel.at(read + 1, leave_ram)
        self._kernel.at(read + self._control.word_to_head - 1, appear)


class Fetch:
    """Asks for a command while every queue has room for all that are on their way."""

    def __init__(
        self,
        kernel: Kernel,
        arch: Arch,
        bus: ReadBus,
        queues: Sequence[Queue],
        commands: Sequence[Command],
        address: int,
    ) -> None:
        self._kernel, self._arch, self._bus = kernel, arch, bus
        self._queues, self._commands, self._address = queues, commands, address
        self._asked = self._in_flight = 0
        self.ended_from: int | None = None
        self.arrivals: list[Run] = []  # beats on the bus, in order of time
        self._ended = False

    def step(self, now: int) -> None:
        """Ask for the next command when every queue has room for all that are on their way."""
        room = self._arch.queue_depth - self._in_flight
        first, second, third = self._queues
        full = first.used >= room or second.used >= room or third.used >= room
        if full or self._ended or not self._bus.ready(FETCH, now):
            return
        index, self._asked = self._asked, self._asked + 1
        address, beats = self._address + index * COMMAND_BYTES, COMMAND_BYTES // self._arch.axi_bytes
        self._bus.request(FETCH, now, address, beats, partial(self._words, index))
        self._in_flight += 1  # seen from the next cycle on: one command per cycle is asked for
        self._kernel.at(now + 1)

    def _words(self, index: int, burst: Burst, start: int) -> None:
        """Beats arrive, each a word of the queue."""
        pitch = 1 + self._bus.memory.gap
        end = start + (burst.beats - 1) * pitch
        self.arrivals.append((start, burst.beats, pitch))
        queue = self._queue(index)
        if burst.first_beat == 0:
            if index < len(self._commands) and self._commands[index].opcode is Opcode.END:
                self.ended_from = start + 1
                self._kernel.at(start + 1, self._end)
            elif queue is not None:
                self._kernel.at(start + 1, queue.first_word)
        if burst.last:
            self._kernel.at(end, lambda: self._finish(queue, index, end))
        self._bus.end(end)

    def _end(self) -> None:
        self._ended = True

    def _finish(self, queue: Queue | None, index: int, cycle: int) -> None:
        if queue is not None:
            queue.last_word(index, cycle)

        def arrived() -> None:
            self._in_flight -= 1

        self._kernel.at(cycle + 1, arrived)

    def _queue(self, index: int) -> Queue | None:
        """Of a command; HEADER, END and what is read behind END belong to none."""
        if index >= len(self._commands) or self._ended:
            return None
        kind = queue_of(self._commands[index].opcode)
        return None if kind == "control" else self._queues[QUEUES.index(kind)]
