# SPDX-License-Identifier: Apache-2.0
"""Reorder the steps of a group so that no strip waits for the pipe to drain, with the same buffers.

The order in which a group was built fixes which row lies in which slot of its rolling storage. Every order that keeps
the dependences of that one (read after write, write after read, write after write, slot by slot) computes the same
bytes in the same buffers. Among the strips whose predecessors are placed, list scheduling takes the one that waits
least, the earliest of equals: a chain of layers then runs its odd and its even layers in turn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from esl_ref.arch import Arch
from esl_ref.compiler.rolling import accesses, grids_of
from esl_ref.compiler.rows import RowGrid
from esl_ref.compiler.schedule import Compute, Load, Schedule, Step
from esl_ref.compiler.tasks import Task
from esl_ref.compiler.views import View
from esl_ref.machine.timing_constants import EngineTiming
from esl_ref.program.fields import Opcode

__all__ = ["Clock", "overlap", "overlapped"]

LOADS_AHEAD = 3
"""Input transfers placed before the strips that use them: more would only queue in front of weights."""


@dataclass
class Clock:
    """Cycles of the compute queue: results are there `drain` cycles after a step's last issue slot."""

    drain: int
    start: int
    arch: Arch
    now: int = 0
    known: dict[tuple[int, int, tuple[int, int] | None], int] = field(default_factory=dict)

    def cost(self, step: Compute) -> int:
        """Issue slots of a step."""
        key = step.index, step.last - step.first, step.part
        if key not in self.known:
            self.known[key] = issue_cycles(step.task, key[1], self.arch.lanes, self.arch.header_words, step.part)
        return self.known[key]


def issue_cycles(task: Task, rows: int, lanes: int, header: int, part: tuple[int, int] | None = None) -> int:
    """Issue slots of `rows` output rows of a task (of kernel rows `part`), all groups."""
    width, groups = task.ofm.width, task.groups(lanes)
    if task.opcode is Opcode.ELTWISE:
        slots = 2 * rows * width
    elif task.opcode is Opcode.DEPTHWISE_WINDOW:
        visited = (width - 1) * task.stride[1] + task.kernel[1]
        new = part[1] - part[0] if part else rows * task.stride[0]
        passes = new if task.keeps else (rows - 1) * task.stride[0] + task.kernel[0]
        slots = passes * visited + rows * width * (task.chunks - 1)
    else:
        kernel_rows = part[1] - part[0] if part else task.kernel[0]
        slots = rows * width * kernel_rows * task.runs * task.chunks
    return groups * (slots + header)


def clock_of(arch: Arch) -> Clock:
    """A clock at zero for this machine."""
    timing = EngineTiming.of(arch)
    return Clock(timing.completion + timing.wait, max(0, timing.decode - 2), arch)


def overlapped(schedule: Schedule, arch: Arch) -> Schedule:
    """Every group of the schedule reordered; the order of groups stays, and with it what lives between them."""
    grids, clock = grids_of(schedule), clock_of(arch)
    return schedule.per_group(lambda steps: overlap(steps, grids, clock))


@dataclass
class _Slot:
    writer: int = -1
    readers: list[int] = field(default_factory=list)


@dataclass
class _Node:
    """Steps that must precede this one, and those of them whose result it reads."""

    before: set[int] = field(default_factory=set)
    data: set[int] = field(default_factory=set)
    after: list[int] = field(default_factory=list)


def _slots(view: View, first: int, last: int, grids: Mapping[str, RowGrid | None]) -> list[tuple[str, int]]:
    name = view.storage.name
    grid = grids[name]
    if grid is None or first >= last:
        return [(name, 0)] if first < last else []
    capacity = -(-view.storage.wrap // grid.pitch)
    low, high = grid.span(view, first, last)
    return [(name, row % capacity) for row in range(low, min(high, low + capacity))]


def _dependences(steps: Sequence[Step], grids: Mapping[str, RowGrid | None]) -> list[_Node]:
    nodes = [_Node() for _ in steps]
    slots: dict[tuple[str, int], _Slot] = {}
    parts: dict[int | str, int] = {}
    for index, step in enumerate(steps):
        node = nodes[index]
        if isinstance(step, Compute) and (step.part or step.task.keeps or step.task.share):
            # partial sums follow each other in their accumulator slots, strips of a window in its line buffers
            chain = step.task.op if step.task.share else step.index
            node.before.update({parts[chain]} if chain in parts else ())
            parts[chain] = index
        for view, first, last, writes in accesses(step):
            for key in _slots(view, first, last, grids):
                slot = slots.setdefault(key, _Slot())
                if slot.writer >= 0:
                    node.before.add(slot.writer)
                    if not writes:
                        node.data.add(slot.writer)
                if writes:
                    node.before.update(slot.readers)
                    slot.writer, slot.readers = index, []
                else:
                    slot.readers.append(index)
        node.before.discard(index)
        node.data.discard(index)
        for other in node.before:
            nodes[other].after.append(index)
    return nodes


def overlap(steps: Sequence[Step], grids: Mapping[str, RowGrid | None], clock: Clock) -> list[Step]:
    """The steps of one group in the order that list scheduling finds; `clock.now` advances by what it takes."""
    nodes = _dependences(steps, grids)
    left = [len(n.before) for n in nodes]
    ready = [i for i, count in enumerate(left) if count == 0]
    finish = [0] * len(steps)
    waiting_loads: set[int] = set()
    order: list[Step] = []
    while ready:
        index = _pick(steps, nodes, ready, finish, clock, len(waiting_loads) < LOADS_AHEAD)
        ready.remove(index)
        _run(steps[index], index, nodes[index], finish, clock)
        order.append(steps[index])
        waiting_loads -= nodes[index].before
        if isinstance(steps[index], Load):
            waiting_loads.add(index)
        for other in nodes[index].after:
            left[other] -= 1
            if left[other] == 0:
                ready.append(other)
    return order


def _pick(
    steps: Sequence[Step], nodes: Sequence[_Node], ready: list[int], finish: list[int], clock: Clock, may_load: bool
) -> int:
    """The next step: a transfer that would not wait (in its queue it would hold up everything behind it), else what
    waits least."""

    def wait(i: int) -> tuple[int, int]:
        node = nodes[i]
        awaited = node.data if isinstance(steps[i], Compute) else node.before
        return max(0, max((finish[d] for d in awaited), default=0) - clock.now), i

    transfers = [i for i in ready if not isinstance(steps[i], Compute) and wait(i)[0] == 0]
    if transfers and may_load:
        return min(transfers)
    computes = [i for i in ready if isinstance(steps[i], Compute)]
    return min(computes or ready, key=wait)


def _run(step: Step, index: int, node: _Node, finish: list[int], clock: Clock) -> None:
    if isinstance(step, Compute):
        ready = max((finish[d] for d in node.data), default=0)
        clock.now = max(clock.now + clock.start, ready) + clock.cost(step)
        finish[index] = clock.now + clock.drain
