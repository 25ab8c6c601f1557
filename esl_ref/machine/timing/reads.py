# SPDX-License-Identifier: Apache-2.0
"""The read side of the bus: transfers cut into bursts, two clients (fetch first), beats in order of the addresses."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from esl_ref.arch import Arch
from esl_ref.machine.timing.constants import PAGE_BYTES, ControlTiming, MemoryTiming
from esl_ref.machine.timing.kernel import Kernel

__all__ = ["FETCH", "LOAD", "Burst", "ReadBus", "cut"]

FETCH, LOAD = 0, 1


Begin = Callable[["Burst", int], None]


@dataclass
class Burst:
    """`beats` of a transfer, `first_beat` of them before. `begin(burst, first cycle)` hands them to their client, which
    calls `ReadBus.end` with the cycle of the last one, then or later, but not after that cycle."""

    beats: int
    first_beat: int
    last: bool
    begin: Begin
    due: int = 0


def cut(address: int, beats: int, arch: Arch) -> list[tuple[int, int, bool]]:
    """(beats before, beats, last) of each burst: they end at `burst_beats`, at a page, or with the transfer."""
    bursts, done = [], 0
    while done < beats:
        to_page = (PAGE_BYTES - (address + done * arch.axi_bytes) % PAGE_BYTES) // arch.axi_bytes
        count = min(beats - done, arch.burst_beats, to_page)
        bursts.append((done, count, done + count == beats))
        done += count
    return bursts


class ReadBus:
    """AR and R. Stepped before its clients, which may hand over a transfer in the cycle their last burst goes."""

    def __init__(self, kernel: Kernel, arch: Arch, control: ControlTiming, memory: MemoryTiming) -> None:
        self.kernel, self.arch, self.control, self.memory = kernel, arch, control, memory
        self._waiting: tuple[deque[Burst], deque[Burst]] = (deque(), deque())
        self._emptied = [-1, -1]
        self._in_flight = 0
        self._flying: deque[Burst] = deque()
        self._r_free = 0
        self._r_busy = False
        self.beats = 0
        self.quiet_from = 0

    def ready(self, client: int, now: int) -> bool:
        """May a transfer be handed over in this cycle?"""
        return not self._waiting[client] or self._emptied[client] == now

    def request(self, client: int, now: int, address: int, beats: int, begin: Begin) -> None:
        """Hand over a transfer; its first burst may be taken in the next cycle."""
        bursts = [Burst(count, first, last, begin) for first, count, last in cut(address, beats, self.arch)]
        self.kernel.at(now + self.control.splitter, lambda: self._waiting[client].extend(bursts))

    def step(self, now: int) -> None:
        if self._in_flight >= self.arch.outstanding:
            return
        for client, waiting in enumerate(self._waiting):
            if waiting:
                burst = waiting.popleft()
                if not waiting:
                    self._emptied[client] = now
                self._take(burst, now)
                return

    def _take(self, burst: Burst, now: int) -> None:
        burst.due = now + self.control.address + self.memory.delay
        self._in_flight += 1  # seen from the next cycle on: one burst per cycle is taken
        self._flying.append(burst)
        self.kernel.at(now + 1)
        self._next()

    def _next(self) -> None:
        """Beats of the oldest burst start when they are there and R is free."""
        if self._flying and not self._r_busy:
            self._r_busy = True
            burst = self._flying.popleft()
            start = max(burst.due, self._r_free)
            self.beats += burst.beats
            self.kernel.at(start, lambda: burst.begin(burst, start))

    def end(self, cycle: int) -> None:
        """The last beat of the burst under way is accepted in `cycle`."""
        self._r_free = cycle + 1 + self.memory.gap
        self.quiet_from = max(self.quiet_from, cycle + 1)

        def ended() -> None:
            self._in_flight -= 1

        self.kernel.at(cycle + 1, ended)
        self._r_busy = False
        self._next()
