# SPDX-License-Identifier: Apache-2.0
"""Scoreboard: which commands last read and wrote every SRAM byte and weight word, and so what a command must wait for.

Compute commands need no wait to overwrite what earlier compute commands read or wrote: they issue in order after the
predecessor's last read, and results leave the pipe in order.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

from esl_ref.program.commands import QUEUES

__all__ = ["Access", "Scoreboard"]

Spans = Iterable[tuple[int, int]]


@dataclass(frozen=True)
class Access:
    """What a command touches: half-open ranges of SRAM bytes, weight words, whether of the table, and which rows of a
    storage it parks in external memory, or fetches back."""

    reads: Spans = ()
    writes: Spans = ()
    weight_reads: Spans = ()
    weight_writes: Spans = ()
    table_read: bool = False
    table_write: bool = False
    parked: tuple[str, int, int] | None = None
    fetched: tuple[str, int, int] | None = None


class _Latest:
    """The last number given to every cell of a memory, as runs of cells that have the same one (0 at first)."""

    def __init__(self) -> None:
        self._starts, self._numbers = [0], [0]

    def most(self, low: int, high: int) -> int:
        """The largest number in [low, high), which is not empty."""
        return max(self._numbers[bisect_right(self._starts, low) - 1 : bisect_left(self._starts, high)])

    def note(self, low: int, high: int, number: int) -> None:
        """Give `number` to [low, high), which is not empty."""
        first, last = bisect_left(self._starts, low), bisect_left(self._starts, high)
        starts, numbers = [low], [number]
        if last == len(self._starts) or self._starts[last] != high:
            starts, numbers = [low, high], [number, self._numbers[last - 1]]
        self._starts[first:last], self._numbers[first:last] = starts, numbers


class _Memory:
    """Number (1 based, 0 = none) of the last command of each queue that read or wrote each cell."""

    def __init__(self) -> None:
        self.read, self.written = {q: _Latest() for q in QUEUES}, {q: _Latest() for q in QUEUES}

    def conflicts(self, queue: str, spans: Spans, *, writes: bool, needs: dict[str, int]) -> None:
        """Raise `needs` to what must be complete before `queue` touches these cells."""
        for low, high in (span for span in spans if span[0] < span[1]):
            for other in QUEUES:
                if writes and other == queue:
                    continue  # a queue's own order keeps its writes and its earlier reads apart
                needs[other] = max(needs[other], self.written[other].most(low, high))
                if writes:
                    needs[other] = max(needs[other], self.read[other].most(low, high))

    def record(self, queue: str, number: int, spans: Spans, *, writes: bool) -> None:
        table = self.written if writes else self.read
        for low, high in (span for span in spans if span[0] < span[1]):
            table[queue].note(low, high, number)


@dataclass
class Scoreboard:
    """State while a Program is written: of SRAM bytes, weight words and the table."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(QUEUES, 0))

    def __post_init__(self) -> None:
        self._act, self._weights, self._table = _Memory(), _Memory(), _Memory()
        self._outside: dict[str, list[tuple[int, int, int]]] = {}

    def issue(self, queue: str, access: Access) -> dict[str, int]:
        """Note the next command of `queue`; returns the wait fields of its command."""
        needs = dict.fromkeys(QUEUES, 0)
        self.counts[queue] += 1
        number = self.counts[queue]
        if access.parked:
            self._outside.setdefault(access.parked[0], []).append((*access.parked[1:], number))
        if access.fetched:  # rows are parked once and for all: only a fetch has to wait
            name, first, last = access.fetched
            hits = [n for low, high, n in self._outside.get(name, ()) if low < last and first < high]
            needs["store"] = max(hits, default=0)
        for memory, reads, writes in self._parts(access):
            memory.conflicts(queue, reads, writes=False, needs=needs)
            memory.conflicts(queue, writes, writes=True, needs=needs)
        for memory, reads, writes in self._parts(access):
            memory.record(queue, number, reads, writes=False)
            memory.record(queue, number, writes, writes=True)
        fields: dict[str, int] = {}
        for other, count in needs.items():
            if count:
                fields |= {f"need_{other}": 1, f"wait_{other}": count % (1 << 16)}
        return fields

    def _parts(self, a: Access) -> tuple[tuple[_Memory, list[tuple[int, int]], list[tuple[int, int]]], ...]:
        one = [(0, 1)]
        return (
            (self._act, list(a.reads), list(a.writes)),
            (self._weights, list(a.weight_reads), list(a.weight_writes)),
            (self._table, one if a.table_read else [], one if a.table_write else []),
        )
