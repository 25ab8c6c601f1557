# SPDX-License-Identifier: Apache-2.0
"""The order of operators, layer by layer, with the fewest bytes alive at once: exact where the size allows.

A storage is alive from the first operator that touches it to the last. The states are sets of operators done; the
search goes on from the state whose way there has the lowest peak, so that the first way to the end is the best one (a
shortest path whose length is the largest of its edges). An operator that needs no more than the peak so far and leaves
no more alive than before is done at once: it can only help whatever comes later. The peak of the state that is looked
at is a bound on all orders, also where the search ends before it is at an end.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

__all__ = ["Order", "Work", "least_peak"]

STATES = 5_000
"""Sets of operators that are looked at before the best order known is the answer: some seconds."""


@dataclass(frozen=True)
class Work:
    """Operators in a valid order, numbered; sets of them are integers, a bit per operator.

    after      per operator, those that it has to come after
    users      per storage, those that touch it
    sizes      per storage, its bytes
    held       storages that stay to the end: of the network's outputs
    """

    after: tuple[int, ...]
    users: tuple[int, ...]
    sizes: tuple[int, ...]
    held: frozenset[int]

    def peak(self, order: Sequence[int]) -> int:
        """Most bytes alive at an operator."""
        return max((self.need(done, op) for done, op in _prefixes(order)), default=0)

    def need(self, done: int, op: int) -> int:
        """Bytes alive while `op` runs after the set `done`."""
        return self._bytes(done, 1 << op)

    def alive(self, done: int) -> int:
        """Bytes alive after the operators of a set."""
        return self._bytes(done, 0)

    def _bytes(self, done: int, now: int) -> int:
        return sum(
            size
            for number, (users, size) in enumerate(zip(self.users, self.sizes, strict=True))
            if users & now or (users & done and (users & ~done or number in self.held))
        )

    def ready(self, done: int) -> list[int]:
        """Operators that may come next."""
        return [op for op, needed in enumerate(self.after) if not done >> op & 1 and not needed & ~done]


def _prefixes(order: Sequence[int]) -> list[tuple[int, int]]:
    """(set done before, operator) along an order."""
    found, done = [], 0
    for op in order:
        found.append((done, op))
        done |= 1 << op
    return found


@dataclass(frozen=True)
class Order:
    """Operators by number, the peak of this order, and a bound on the peak of every order: met if they are equal."""

    order: tuple[int, ...]
    peak: int
    bound: int


def least_peak(work: Work, states: int = STATES) -> Order:
    """The order of the lowest peak; after `states` states the better of the given order and a greedy one."""
    given = tuple(range(len(work.after)))
    least = max((work.need(0, op) for op in given), default=0)
    if work.peak(given) == least:
        return Order(given, least, least)
    everything, number = (1 << len(given)) - 1, count()
    queue: list[tuple[int, int, int, int, tuple[int, ...]]] = [(least, 0, next(number), 0, ())]
    seen: set[int] = set()
    while queue:
        peak, _, _, done, order = heapq.heappop(queue)
        if done == everything:
            return Order(order, peak, peak)
        if done in seen:
            continue
        seen.add(done)
        if len(seen) > states:
            best = min(given, _greedy(work), key=work.peak)
            return Order(best, work.peak(best), peak)
        for op in _worth(work, done, peak):
            after = done | 1 << op
            if after not in seen:
                needed = max(peak, work.need(done, op))
                heapq.heappush(queue, (needed, -len(order), next(number), after, (*order, op)))
    raise AssertionError("operators wait for each other")


def _worth(work: Work, done: int, peak: int) -> list[int]:
    """What may come next; one operator alone if that is never worse than the others."""
    ready, alive = work.ready(done), work.alive(done)
    for op in ready:
        if work.need(done, op) <= peak and work.alive(done | 1 << op) <= alive:
            return [op]
    return ready


def _greedy(work: Work) -> tuple[int, ...]:
    """Always the operator that leaves the fewest bytes alive, among equals the one that needs the fewest."""
    order, done = list[int](), 0
    while ready := work.ready(done):
        op = min(ready, key=lambda k: (work.alive(done | 1 << k), work.need(done, k)))
        order.append(op)
        done |= 1 << op
    return tuple(order)
