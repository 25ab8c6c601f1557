# SPDX-License-Identifier: Apache-2.0
"""What the queues did when, and where the engine's cycles went, from the ESL machine's timing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from esl_ref.machine.timing import Timing
from esl_ref.program.commands import queue_of
from esl_ref.program.image import Program

__all__ = ["CAUSES", "Life", "Work", "lives", "shares", "works"]

CAUSES = (
    ("MAC_ACTIVE", "array"),
    ("VECTOR_ACTIVE", "vector, window fill"),
    ("OVERHEAD", "set-up, records"),
    ("STALL_WEIGHTS", "waits for weights"),
    ("STALL_ACTIVATIONS", "waits for input rows"),
    ("STALL_MEMORY", "waits for memory's latency"),
    ("STALL_DEPENDENCY", "waits for own results"),
    ("STALL_WRITE_BACK", "waits for a store"),
    ("STALL_DMA", "port taken by a store"),
    ("STALL_FETCH", "no command yet"),
)
"""Counters that together are all cycles, with words for them, in the order they are stacked."""


@dataclass(frozen=True)
class Work:
    """Commands of one queue and purpose that follow each other closely, drawn as one block: cycles [first, last]."""

    queue: str
    what: str
    kind: str
    first: int
    last: int
    commands: int


@dataclass(frozen=True)
class Life:
    """A buffer: address, bytes, and the cycles from the start of its first command to the end of its last."""

    name: str
    address: int
    bytes: int
    first: int
    last: int


def lives(program: Program, timing: Timing) -> list[Life]:
    """Buffers of the activation SRAM in the order of their addresses."""
    spans = timing.spans
    found = []
    for buffer in program.sram_map:
        if buffer.memory != "act" or not buffer.bytes:
            continue
        first = spans[buffer.first]
        begun = first.first if first.first >= 0 else first.taken
        found.append(Life(buffer.name, buffer.base, buffer.bytes, max(0, begun), max(spans[buffer.last].complete, 0)))
    return sorted(found, key=lambda life: (life.address, life.first))


def works(program: Program, timing: Timing, gap: int) -> list[Work]:
    """Blocks of every queue; neighbours no more than `gap` cycles apart become one."""
    open_: dict[str, Work] = {}
    done: list[Work] = []
    for work in _single(program, timing):
        before = open_.get(work.queue)
        same = before is not None and (before.what, before.kind) == (work.what, work.kind)
        if before is not None and same and work.first - before.last <= gap:
            last = max(before.last, work.last)
            open_[work.queue] = Work(work.queue, work.what, work.kind, before.first, last, before.commands + 1)
            continue
        if before is not None:
            done.append(before)
        open_[work.queue] = work
    return sorted([*done, *open_.values()], key=lambda w: (w.queue, w.first))


def _single(program: Program, timing: Timing) -> Iterator[Work]:
    arrived = 0  # loads are taken ahead: one is under way from the end of the one before
    for command, info, span in zip(program.commands, program.debug, timing.spans, strict=True):
        queue = queue_of(command.opcode)
        if queue == "control" or span.complete < 0:
            continue
        first, last = span.first, span.last
        if queue == "load":
            first, last = max(arrived, span.taken), span.complete
            arrived = last
        what = info.op.split(";")[-1]
        kind = info.note or ("rows" if queue != "compute" else command.opcode.name.lower())
        yield Work(queue, what, kind, first, max(first, last), 1)


def shares(timing: Timing, bins: int) -> list[dict[str, float]]:
    """Per bin of `timing.cycles / bins` cycles: what part of it went to which counter of CAUSES."""
    width = timing.cycles / bins
    found: list[dict[str, float]] = [{} for _ in range(bins)]
    before = 0
    for index, causes in sorted(timing.causes.items()):
        last = timing.spans[index].last + 1
        _spread(found, before, last, causes, width)
        before = max(before, last)
    total = {name: timing.counters[name] for name, _ in CAUSES}
    for causes in timing.causes.values():
        for name, cycles in causes.items():
            total[name] -= cycles
    _spread(found, before, timing.cycles, total, width)
    return found


def _spread(bins: list[dict[str, float]], first: int, last: int, causes: object, width: float) -> None:
    """Spread cycles by cause evenly over [first, last)."""
    assert isinstance(causes, dict)
    if last <= first:
        return
    for number in range(int(first / width), min(len(bins), int((last - 1) / width) + 1)):
        covered = min(last, (number + 1) * width) - max(first, number * width)
        for name, cycles in causes.items():
            if cycles > 0 and covered > 0:
                part = cycles * covered / (last - first) / width
                bins[number][name] = bins[number].get(name, 0.0) + part
