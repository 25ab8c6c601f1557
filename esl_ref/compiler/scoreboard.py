# SPDX-License-Identifier: Apache-2.0
"""Scoreboard: which commands last read and wrote every SRAM byte and weight word, and so what a command must wait for.

Compute commands need no wait to overwrite what earlier compute commands read or wrote: they issue in order after the
predecessor's last read, and results leave the pipe in order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

__all__ = ["QUEUES", "Access", "Scoreboard"]

QUEUES = ("load", "store", "compute")
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


class _Memory:
    """Number (1 based, 0 = none) of the last command of each queue that read or wrote each cell."""

    def __init__(self, cells: int) -> None:
        self.read: dict[str, npt.NDArray[np.int32]] = {q: np.zeros(cells, np.int32) for q in QUEUES}
        self.written: dict[str, npt.NDArray[np.int32]] = {q: np.zeros(cells, np.int32) for q in QUEUES}

    def conflicts(self, queue: str, spans: Spans, *, writes: bool, needs: dict[str, int]) -> None:
        """Raise `needs` to what must be complete before `queue` touches these cells."""
        for low, high in spans:
            for other in QUEUES:
                if writes and other == queue:
                    continue  # a queue's own order keeps its writes and its earlier reads apart
                needs[other] = max(needs[other], int(self.written[other][low:high].max(initial=0)))
                if writes:
                    needs[other] = max(needs[other], int(self.read[other][low:high].max(initial=0)))

    def record(self, queue: str, number: int, spans: Spans, *, writes: bool) -> None:
        table = self.written if writes else self.read
        for low, high in spans:
            table[queue][low:high] = number


@dataclass
class Scoreboard:
    """State while a Program is written, for `act` SRAM bytes and `weights` weight words."""

    act: int
    weights: int
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(QUEUES, 0))

    def __post_init__(self) -> None:
        self._act, self._weights, self._table = _Memory(self.act), _Memory(self.weights), _Memory(1)
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
