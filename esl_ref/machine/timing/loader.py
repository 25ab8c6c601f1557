# SPDX-License-Identifier: Apache-2.0
"""The loader: addresses of a load run ahead of its data, up to two loads further."""

from __future__ import annotations

from collections import deque
from functools import partial

from esl_ref.machine.timing.context import LOAD_QUEUE, Context, Stage
from esl_ref.machine.timing.fetch import Queue
from esl_ref.machine.timing.reads import LOAD, ReadBus
from esl_ref.machine.timing.unpack import Unpacker
from esl_ref.machine.transfers import transfer_of

__all__ = ["Loader"]


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
        self._unpacker = Unpacker(context, self._finished, self._stage.complete, bus.end)
        self.arrivals = self._unpacker.arrivals

    def step(self, now: int) -> None:
        """Receive what has arrived, then ask for the next load."""
        if self._ahead or self._finished_at == now:
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
        self._bus.request(LOAD, now, address, beats, partial(self._unpacker.begin, index))

        def queued() -> None:
            self._ahead.append(index)
            self._ahead_level += 1

        self._context.kernel.at(now + 1, queued)

    def _receive(self, now: int) -> None:
        """The data side picks up the next load when it has none, or in the cycle of its last piece."""
        if self._ahead and (not self._receiving or self._finished_at == now):
            self._ahead.popleft()
            self._receiving = True

            def popped() -> None:
                self._ahead_level -= 1

            self._context.kernel.at(now + 1, popped)
        elif self._finished_at == now:
            self._receiving = False

    def _finished(self, _: int, cycle: int) -> None:
        """The last piece of a load is taken; the next load's turn comes in the cycle after."""

        def finish() -> None:
            self._finished_at = cycle

        self._context.kernel.at(cycle, finish)
