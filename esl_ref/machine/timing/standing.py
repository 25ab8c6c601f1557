# SPDX-License-Identifier: Apache-2.0
"""Counters as they stand when a compute command is complete: what the profile record of a stamped one holds.

A command is complete a pipe's length after its last issue slot. By then its successors may have issued, so that the
cycles up to there end somewhere in the wait, or in the issue slots, of a later command.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np

from esl_ref.machine.timing.contended import slot_causes
from esl_ref.machine.timing.context import Context
from esl_ref.machine.timing.counters import Arrivals, Ending, add, idle, until_issue
from esl_ref.machine.timing.engine import Work
from esl_ref.machine.timing.ports import Run, runs
from esl_ref.machine.timing.storer import WriteBus
from esl_ref.machine.timing.unpack import Arrival
from esl_ref.registers import COUNTERS

__all__ = ["standing"]


def standing(
    untils: Sequence[int], context: Context, work: Sequence[Work], causes: Sequence[dict[str, int]], ending: Ending,
    loads: list[Arrival], fetches: Sequence[Run], writes: WriteBus,
) -> list[dict[str, int]]:  # fmt: skip
    """All counters, by name, over the cycles before each of `untils`, which rise: the CYCLES counters when compute
    commands were complete. `causes` as in `Tally`; `loads`, `fetches`: beats on the read bus."""
    arrived = [(a.first, (a.last - a.first) // a.pitch + 1, a.pitch) for a in loads]
    read = _passed([*arrived, *fetches], untils)
    written = _passed(_on_w(writes), untils)
    complete = sorted(since for queue in context.counts.since for since in queue[1:])
    # A record counts its own command, whose count changes in the cycle after.
    commands = np.searchsorted(complete, untils, "right").tolist()
    found = []
    spent = _spent(untils, context, work, causes, Arrivals(loads), ending)
    for until, by_cause, reads, beats, count in zip(untils, spent, read, written, commands, strict=True):
        value = {name: by_cause.get(name, 0) for name, _ in COUNTERS}
        value |= {"CYCLES": until, "READ_BEATS": reads, "WRITE_BEATS": beats, "COMMANDS": count}
        found.append(value)
    return found


def _spent(
    untils: Sequence[int], context: Context, work: Sequence[Work], causes: Sequence[dict[str, int]],
    beats: Arrivals, ending: Ending,
) -> Iterator[dict[str, int]]:  # fmt: skip
    """Causes of the cycles before each of `untils`: of commands that have issued, and of the one that comes next."""
    total: dict[str, int] = {}
    place = free = 0
    for until in untils:
        while place < len(work) and work[place].last < until:
            add(total, causes[place])
            free, place = work[place].last + 1, place + 1
        value = dict(total)
        if place < len(work):
            add(value, until_issue(work[place], beats, free, until, ending))
            add(value, _issued(context, work[place], until))
        else:
            idle(value, beats, free, until - 1, ending)
        yield value


def _issued(context: Context, item: Work, until: int) -> dict[str, int]:
    """Causes of a command's issue slots before `until`."""
    first = item.issued.first
    if until <= first:
        return {}
    taken = context.reads.within(first, until - 1)
    slots = slot_causes(context.commands[item.index], context.arch, first, item.free, taken)
    return dict(Counter(islice(slots, until - first)))


def _on_w(writes: WriteBus) -> list[Run]:
    """Beats accepted on W: each in the cycle after it moved into the register before it."""
    rows = [
        (base + first + 1, count, pitch)
        for moved in writes.stores for base, row in moved.rows for first, count, pitch in runs(row.beats)
    ]  # fmt: skip
    return rows + [(first + 1, count, pitch) for first, count, pitch in writes.records]


def _passed(beats: Iterable[Run], untils: Sequence[int]) -> list[int]:
    """How many beats were accepted before each of `untils`."""
    cycles = [first + pitch * np.arange(count) for first, count, pitch in beats]
    return [int(n) for n in np.searchsorted(np.sort(np.concatenate([np.zeros(0, np.int64), *cycles])), untils)]
