# SPDX-License-Identifier: Apache-2.0
"""Reorder the steps of a group so that no strip waits for the pipe to drain, with the same buffers.

The order in which a group was built fixes which row lies in which slot of its rolling storage. Every order that keeps
the dependences of that one (read after write, write after read, write after write, slot by slot) computes the same
bytes in the same buffers. Among the strips whose predecessors are placed, list scheduling takes the one that waits
least, the earliest of equals: a chain of layers then runs its odd and its even layers in turn.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from esl_ref.arch import Arch
from esl_ref.compiler.geometry import commands
from esl_ref.compiler.rolling import accesses, grids_of
from esl_ref.compiler.rows import RowGrid
from esl_ref.compiler.steps import Compute, Load, Schedule, Step
from esl_ref.compiler.views import View
from esl_ref.machine.engine_timing import EngineTiming, IssueClock

__all__ = ["Clock", "clock_of", "dependences", "overlap", "overlapped"]

LOADS_AHEAD = 3
"""Input transfers placed before the strips that use them: more would only queue in front of weights."""


_Key = tuple[int, int, int, tuple[int, int] | None, bool, int, bool]
"""What the issue slots of a step depend on: task, opcode, rows, kernel rows, line buffers, and where in the map it
lies."""


def _wraps(step: Compute) -> bool:
    """Whether the rows of a pointwise step lie in two pieces in some rolling storage, and so cannot be one long row."""
    if not step.task.copies:
        return False
    rows = step.last - step.first
    return any(v.row_offset(step.first) + rows * v.row_stride > v.storage.wrap for v in step.task.views)


def _border(step: Compute) -> int:
    """A number for steps at a map's border that leave kernel rows out, or find none above them in the line buffers; all
    others have the same one."""
    task = step.task
    if task.parts and task.keeps:
        return 0 if step.first == 0 else -1
    if not task.weights.variants:
        return -1
    inside = task.origin[0] + step.first * task.stride[0] >= 0
    below = task.origin[0] + (step.last - 1) * task.stride[0] + (task.kernel[0] - 1) * task.dilation[0]
    return -1 if inside and below < task.ifm.height else step.first


@dataclass
class Clock:
    """Cycles of the compute queue: results are there `drain` cycles after a step's last issue slot."""

    drain: int
    start: int
    arch: Arch
    now: int = 0
    known: dict[_Key, int] = field(default_factory=dict)
    turns: list[tuple[int, int]] = field(default_factory=list)
    """Per step in its order: cycles that the engine waited for it, and worked on it."""

    def cost(self, step: Compute) -> int:
        """Issue slots of a step."""
        task, rows = step.task, step.last - step.first
        key = step.index, task.opcode, rows, step.part, task.keeps, _border(step), _wraps(step)
        if key not in self.known:
            self.known[key] = issue_cycles(step, self.arch)
        return self.known[key]


def issue_cycles(step: Compute, arch: Arch) -> int:
    """Issue slots of a step, all groups of channels, as the issuer takes them behind an idle engine."""
    task, clock, cycle = step.task, IssueClock(arch), 0
    anywhere: Mapping[str, int] = defaultdict(int)
    parts = commands(arch, task, anywhere, (step.first, step.last), (0, task.groups(arch.lanes)), 0, step.part)
    for command, _ in parts:
        cycle = clock.run(command, cycle).last + 1
    return cycle


def clock_of(arch: Arch, known: dict[_Key, int] | None = None) -> Clock:
    """A clock at zero for this machine; `known` are costs of steps of the same tasks, shared between clocks."""
    timing = EngineTiming.of(arch)
    return Clock(timing.completion + timing.wait, max(0, timing.decode - 2), arch, known={} if known is None else known)


def overlapped(schedule: Schedule, arch: Arch) -> Schedule:
    """Every group of the schedule reordered; the order of groups stays, and with it what lives between them."""
    grids, clock = grids_of(schedule), clock_of(arch)
    return schedule.per_group(lambda steps: overlap(steps, grids, clock, cold=clock.now == 0))


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


def dependences(steps: Sequence[Step], grids: Mapping[str, RowGrid | None]) -> list[_Node]:
    """For every step, the steps that must come before it, slot by slot of rolling storages."""
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


class _Ready:
    """Steps whose predecessors are placed, each with the cycle from which on it would not wait."""

    def __init__(self) -> None:
        self._later: list[tuple[int, int]] = []
        self._free: list[int] = []

    def add(self, index: int, since: int) -> None:
        heappush(self._later, (since, index))

    def free(self, now: int) -> int | None:
        """The earliest step that would not wait in cycle `now`."""
        while self._later and self._later[0][0] <= now:
            heappush(self._free, heappop(self._later)[1])
        return self._free[0] if self._free else None

    def take(self, now: int) -> int | None:
        """Remove and return the step that waits least, the earliest of equals."""
        if self.free(now) is not None:
            return heappop(self._free)
        return heappop(self._later)[1] if self._later else None


def _arrivals(steps: Sequence[Step], arch: Arch) -> dict[int, int]:
    """Task -> cycle by which the bus has brought its weights, in the order in which tasks first run, if it starts idle
    and they all stay."""
    bus, arrived = 0, {}
    for step in steps:
        if isinstance(step, Compute) and step.index not in arrived:
            weights = step.task.weights
            words = weights.per_group * (1 if weights.shared else step.task.groups(arch.lanes))
            bus += words * arch.word_bytes // arch.axi_bytes
            arrived[step.index] = bus
    return arrived


def overlap(
    steps: Sequence[Step], grids: Mapping[str, RowGrid | None], clock: Clock, *, cold: bool = False
) -> list[Step]:
    """The steps of one group in the order that list scheduling finds; `clock.now` advances by what it takes.

    A transfer goes first if it would not wait (in its queue it would hold up everything behind it), else what waits
    least. cold: the Program starts with this group, whose weights are all still to come: whoever has his goes first.
    """
    arrived = _arrivals(steps, clock.arch) if cold else {}
    nodes = dependences(steps, grids)
    left = [len(n.before) for n in nodes]
    finish = [0] * len(steps)
    computes, transfers = _Ready(), _Ready()

    def offer(index: int) -> None:
        step, node = steps[index], nodes[index]
        if isinstance(step, Compute):
            ready = max((finish[d] for d in node.data), default=0)
            computes.add(index, max(ready, arrived.get(step.index, 0)))
        else:
            transfers.add(index, max((finish[d] for d in node.before), default=0))

    for index, count in enumerate(left):
        if count == 0:
            offer(index)
    waiting_loads: set[int] = set()
    order: list[Step] = []
    for _ in steps:
        may_load = len(waiting_loads) < LOADS_AHEAD and transfers.free(clock.now) is not None
        taken = transfers.take(clock.now) if may_load else computes.take(clock.now)
        index = taken if taken is not None else transfers.take(clock.now)  # type: ignore[assignment]
        _run(steps[index], index, nodes[index], finish, clock)
        order.append(steps[index])
        waiting_loads -= nodes[index].before
        if isinstance(steps[index], Load):
            waiting_loads.add(index)
        for other in nodes[index].after:
            left[other] -= 1
            if left[other] == 0:
                offer(other)
    return order


def _run(step: Step, index: int, node: _Node, finish: list[int], clock: Clock) -> None:
    if not isinstance(step, Compute):
        clock.turns.append((0, 0))
        return
    ready = max((finish[d] for d in node.data), default=0)
    begun, cost = max(clock.now + clock.start, ready), clock.cost(step)
    clock.turns.append((begun - clock.now, cost))
    clock.now = begun + cost
    finish[index] = clock.now + clock.drain
