# SPDX-License-Identifier: Apache-2.0
"""Performance counters of a predicted run: every cycle gets the one cause that the RTL would count it under."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field

from esl_ref.machine.timing.engine import Work
from esl_ref.machine.timing.unpack import Arrival
from esl_ref.registers import COUNTERS

__all__ = ["Arrivals", "Ending", "Tally", "add", "idle", "tally", "until_issue"]

_WAITS = ("", "STALL_WRITE_BACK", "STALL_DEPENDENCY")


@dataclass(frozen=True)
class Ending:
    """What END waits for: END itself, loads, stores and records, results in the pipe; `cycles` is the total."""

    ended: int
    loaded: int
    stored: int
    computed: int
    cycles: int


@dataclass
class Tally:
    """Counter values, all cycles of the Program assigned."""

    value: dict[str, int] = field(default_factory=lambda: {name: 0 for name, _ in COUNTERS})
    causes: list[dict[str, int]] = field(default_factory=list)
    """Per compute command: what the cycles from its predecessor's last issue up to its own went to."""


class Arrivals:
    """Beats of loads by time; queries come in order of time."""

    def __init__(self, arrivals: list[Arrival]) -> None:
        self._arrivals = arrivals
        self._lasts = [a.last for a in arrivals]

    def count(self, low: int, high: int) -> tuple[int, int]:
        """(rows, other) beats in [low, high]."""
        totals = [0, 0]
        for place in range(bisect_left(self._lasts, low), len(self._arrivals)):
            a = self._arrivals[place]
            if a.first > high:
                break
            skipped = max(0, -(-(low - a.first) // a.pitch))
            beats = (min(high, a.last) - a.first) // a.pitch + 1 - skipped
            totals[0 if a.rows else 1] += max(0, beats)
        return totals[0], totals[1]


def tally(work: list[Work], arrivals: list[Arrival], ending: Ending) -> Tally:
    """Counters but for the traffic, which the caller adds."""
    result, beats = Tally(), Arrivals(arrivals)
    free = 0  # the first cycle not yet accounted for
    for item in work:
        causes = until_issue(item, beats, free, item.issued.first, ending)
        _count(causes, "MAC_ACTIVE", item.issued.array)
        _count(causes, "VECTOR_ACTIVE", item.issued.vector)
        _count(causes, "OVERHEAD", item.overhead)
        _count(causes, "STALL_DMA", item.stolen)
        result.causes.append(causes)
        add(result.value, causes)
        free = item.last + 1
    last: dict[str, int] = {}
    idle(last, beats, free, ending.cycles - 1, ending)
    add(result.value, last)
    result.value["CYCLES"] = ending.cycles
    return result


def until_issue(item: Work, beats: Arrivals, free: int, until: int, ending: Ending) -> dict[str, int]:
    """Causes of the cycles from `free` up to the command's first issue slot, as far as they are before `until`."""
    causes: dict[str, int] = {}
    high = min(item.issued.first, until) - 1
    idle(causes, beats, free, min(item.taken, high), ending)
    _waiting(causes, beats, max(free, item.taken + 1), high, item)
    return causes


def add(total: dict[str, int], part: Mapping[str, int]) -> None:
    """Sum by name."""
    for name, cycles in part.items():
        total[name] = total.get(name, 0) + cycles


def _count(gap: dict[str, int], name: str, cycles: int) -> None:
    if cycles > 0:
        gap[name] = gap.get(name, 0) + cycles


def _loading(gap: dict[str, int], beats: Arrivals, low: int, high: int) -> None:
    if high < low:
        return
    rows, other = beats.count(low, high)
    _count(gap, "STALL_ACTIVATIONS", rows)
    _count(gap, "STALL_WEIGHTS", other)
    _count(gap, "STALL_MEMORY", high - low + 1 - rows - other)


def idle(gap: dict[str, int], beats: Arrivals, low: int, high: int, ending: Ending) -> None:
    """The engine holds no command in [low, high]."""
    fetching = min(high, ending.ended - 1)
    _count(gap, "STALL_FETCH", fetching - low + 1)
    low = max(low, fetching + 1)
    for until, name in ((ending.computed, "OVERHEAD"), (ending.stored, "STALL_WRITE_BACK")):
        _count(gap, name, min(high, until) - low + 1)
        low = max(low, min(high, until) + 1)
    _loading(gap, beats, low, min(high, ending.loaded))
    low = max(low, min(high, ending.loaded) + 1)
    _count(gap, "STALL_FETCH", high - low + 1)


def _waiting(gap: dict[str, int], beats: Arrivals, low: int, high: int, item: Work) -> None:
    """A command is held in [low, high]: a cycle unexamined, its waits, each seen one cycle late, then its start."""
    examined = max(low, item.taken + 2)
    _count(gap, "OVERHEAD", min(examined, high + 1) - low)
    low = examined
    _loading(gap, beats, low, min(high, item.waits[0]))
    low = max(low, min(high, item.waits[0]) + 1)
    for over, name in zip(item.waits[1:], _WAITS[1:], strict=True):
        _count(gap, name, min(high, over) - low + 1)
        low = max(low, min(high, over) + 1)
    _count(gap, "OVERHEAD", high - low + 1)
