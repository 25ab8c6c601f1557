# SPDX-License-Identifier: Apache-2.0
"""The order of work: loads of inputs, strips of tasks, stores of results; and the lifetimes of storages that follow.

A schedule says nothing of weights, waits or addresses; those are found when it becomes commands.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from esl_ref.compiler.lower import Lowered
from esl_ref.compiler.tasks import Task
from esl_ref.compiler.views import View

__all__ = ["Compute", "Load", "Schedule", "Step", "Store", "layerwise", "lifetimes"]

BUS_ALIGN = 16
"""Transfers start at multiples of this many bytes in memory: enough for every bus width."""
STRIP_BYTES = 2048
"""Network inputs arrive in pieces of about this size, so that the first layer starts before the last has come."""


@dataclass(frozen=True)
class Load:
    """Bytes [low, high) of a dense tensor, from its surface to its storage."""

    tensor: str
    view: View
    low: int
    high: int


@dataclass(frozen=True)
class Store:
    """A whole tensor with dense pixels, from its storage to a surface; `trace` for one kept only for comparison."""

    tensor: str
    view: View
    trace: bool = False


@dataclass(frozen=True)
class Compute:
    """Output rows [first, last) of a task."""

    task: Task
    first: int
    last: int


Step = Load | Store | Compute


@dataclass(frozen=True)
class Schedule:
    """Steps in program order."""

    steps: tuple[Step, ...]

    def tasks(self) -> Iterator[Task]:
        """Each task once, in order of its first strip."""
        seen: dict[int, Task] = {}
        for step in self.steps:
            if isinstance(step, Compute):
                seen.setdefault(id(step.task), step.task)
        return iter(seen.values())


def _pieces(view: View, tensor: str, piece: int) -> list[Load]:
    size = view.nbytes
    step = max(BUS_ALIGN, piece // BUS_ALIGN * BUS_ALIGN)
    return [Load(tensor, view, at, min(at + step, size)) for at in range(0, size, step)]


def _strips(task: Task, strips: int) -> list[Compute]:
    rows = task.ofm.height
    step = -(-rows // max(1, min(strips, rows)))
    return [Compute(task, y, min(y + step, rows)) for y in range(0, rows, step)]


def _interleave(loads: Sequence[Load], strips: Sequence[Compute]) -> Iterator[Step]:
    """Each strip after the pieces it reads, and one piece ahead, in the order in which the bus brings them."""
    pending = list(loads)
    for strip in strips:
        _, last = strip.task.ifm_rows(strip.first, strip.last)
        needed = last * strip.task.ifm.row_stride
        count = sum(load.low < needed for load in pending) + 1
        yield from pending[:count]
        pending = pending[count:]
        yield strip
    yield from pending


def layerwise(lowered: Lowered, *, trace: bool = False) -> Schedule:
    """Task by task, whole maps; only the first reader of a network input runs in strips, as its rows arrive."""
    steps: list[Step] = []
    binder = lowered.binder
    waiting = {name: binder.view(name) for name in (*lowered.constants, *lowered.segment.inputs)}
    last_task = {task.tensor: i for i, task in enumerate(lowered.tasks)}
    for index, task in enumerate(lowered.tasks):
        read = {v.storage.name for v in (task.ifm, task.ifm2) if v is not None}
        arriving = [n for n, v in waiting.items() if v.storage.name in read]
        loads = [p for n in arriving for p in _pieces(waiting.pop(n), n, STRIP_BYTES)]
        strips = _strips(task, len(loads) if task.ifm.height > 1 else 1)
        steps.extend(_interleave(loads, strips) if task.ifm2 is None else (*loads, *strips))
        if last_task[task.tensor] == index:
            steps.extend(_stores(lowered, task, trace))
    for name in lowered.segment.outputs:  # an output that is an input, or an alias no task writes
        if name not in last_task:
            if name in waiting:
                steps.extend(_pieces(waiting.pop(name), name, STRIP_BYTES))
            steps.append(Store(name, binder.view(name)))
    return Schedule(tuple(steps))


def _stores(lowered: Lowered, task: Task, trace: bool) -> Iterator[Store]:
    name = task.tensor
    if name not in lowered.graph.tensors:
        return
    view = lowered.binder.view(name)
    if name in lowered.segment.outputs:
        yield Store(name, view)
    elif trace and view.pixel_stride == view.channels:
        yield Store(name, view, trace=True)


def touched(step: Step) -> tuple[str, ...]:
    """Names of the storages that a step reads or writes."""
    if isinstance(step, Compute):
        views = (step.task.ifm, step.task.ifm2, step.task.ofm)
        return tuple(v.storage.name for v in views if v is not None)
    return (step.view.storage.name,)


def lifetimes(schedule: Schedule) -> dict[str, tuple[int, int]]:
    """Storage -> half-open range of steps during which its bytes matter."""
    spans: dict[str, tuple[int, int]] = {}
    for index, step in enumerate(schedule.steps):
        for name in touched(step):
            first, _ = spans.get(name, (index, index))
            spans[name] = (first, index + 1)
    return spans
