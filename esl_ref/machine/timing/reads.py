# SPDX-License-Identifier: Apache-2.0
"""The read side of the bus: transfers cut into bursts, two clients (fetch first), beats in order of the addresses."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from esl_ref.arch import Arch
from esl_ref.machine.timing.control_timing import PAGE_BYTES, ControlTiming, MemoryTiming
from esl_ref.machine.timing.kernel import NEVER, Kernel

__all__ = ["FETCH", "LOAD", "Burst", "ReadBus", "cut"]

FETCH, LOAD = 0, 1


Begin = Callable[["Burst", int], None]


@dataclass(slots=True)
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
    """AR and R. Stepped before its clients, which may hand over a transfer in the cycle their last burst goes.

    What only concerns the bus itself, bursts in the middle of transfers, is no event of the kernel: `ahead` works it
    out as far as nothing else happens.
    """

    def __init__(self, kernel: Kernel, arch: Arch, control: ControlTiming, memory: MemoryTiming) -> None:
        self.kernel, self.arch, self.control, self.memory = kernel, arch, control, memory
        self._waiting: tuple[deque[Burst], deque[Burst]] = (deque(), deque())
        self._emptied = [-1, -1]
        self._in_flight = 0
        self._frees: deque[int] = deque()  # from when on bursts in flight, whose end is known, are not any more
        self._take_from = 0
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
        """Take the next burst if one may go out in this cycle."""
        if self._takes() <= now:
            self._take(now)

    def ahead(self) -> None:
        """Go on up to the next event of the kernel, or to the next cycle in which a client may react: beats that begin
        in that cycle, too, do so before anything else happens in it."""
        waiting, until = self._waiting, self.kernel.next
        while True:
            begins, takes = self._begins(), self._takes()
            if begins <= until and begins <= takes and begins < NEVER:
                self._begin(begins)
                until = self.kernel.next
            elif takes >= until:
                return
            elif len(waiting[FETCH] or waiting[LOAD]) == 1:
                self.kernel.at(takes)
                return
            else:
                self._take(takes)

    def _takes(self) -> int:
        """When the next burst can be taken, as far as is known."""
        if not self._waiting[FETCH] and not self._waiting[LOAD]:
            return NEVER
        if self._in_flight < self.arch.outstanding:
            return self._take_from
        return max(self._take_from, self._frees[0]) if self._frees else NEVER

    def _take(self, now: int) -> None:
        """Take a burst: its address is on the bus."""
        client = FETCH if self._waiting[FETCH] else LOAD
        burst = self._waiting[client].popleft()
        if not self._waiting[client]:
            self._emptied[client] = now
        while self._frees and self._frees[0] <= now:
            self._frees.popleft()
            self._in_flight -= 1
        self._in_flight += 1
        self._take_from = now + 1
        burst.due = now + self.control.address + self.memory.delay
        self._flying.append(burst)

    def _begins(self) -> int:
        """When beats of the oldest burst start: when they are there and R is free."""
        if self._r_busy or not self._flying:
            return NEVER
        due, free = self._flying[0].due, self._r_free
        return due if due > free else free

    def _begin(self, start: int) -> None:
        burst = self._flying.popleft()
        self._r_busy = True
        self.beats += burst.beats
        burst.begin(burst, start)

    def end(self, cycle: int, offered: int | None = None) -> None:
        """The last beat of the burst under way is accepted in `cycle`; the memory has offered it from `offered` on, the
        same cycle if not given, and counts its gap from there."""
        self._r_free = max(cycle + 1, (cycle if offered is None else offered) + 1 + self.memory.gap)
        self.quiet_from = max(self.quiet_from, cycle + 1)
        self._frees.append(cycle + 1)
        self._r_busy = False
