# SPDX-License-Identifier: Apache-2.0
"""Shrink storages to the rows that are alive at once, by replaying the schedule."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from esl_ref.compiler.rows import RowGrid, grid_of
from esl_ref.compiler.steps import Compute, Load, Schedule, Step, Store
from esl_ref.compiler.tasks import Task
from esl_ref.compiler.views import Storage, View

__all__ = ["accesses", "capacities", "grids_of", "roll", "rolled"]


def accesses(step: Step) -> list[tuple[View, int, int, bool]]:
    """(view, first row, last row, writes) of what a step touches."""
    if isinstance(step, Load):
        return [(step.view, step.first, step.last, True)]
    if isinstance(step, Store):
        return [(step.view, step.first, step.last, False)]
    task = step.task
    used = [(task.ifm, *step.ifm_rows(), False)]
    if task.ifm2 is not None:
        used.append((task.ifm2, step.first, step.last, False))
    return [*used, (task.ofm, step.first, step.last, True)] if step.ends else used


def grids_of(schedule: Schedule) -> dict[str, RowGrid | None]:
    """Storage -> the common row grid of all views that a schedule has of it; None if it has none."""
    views: dict[str, list[View]] = {}
    for step in schedule.steps:
        for view, _, _, _ in accesses(step):
            views.setdefault(view.storage.name, []).append(view)
    return {name: grid_of(vs, vs[0].storage.wrap) for name, vs in views.items()}


def capacities(schedule: Schedule, grids: Mapping[str, RowGrid | None]) -> dict[str, int]:
    """Storage -> rows it must hold: at each write, from the lowest row still to be read up to the highest written."""
    lowest: dict[str, int] = {}
    needed: dict[str, int] = {}
    for step in reversed(schedule.steps):
        spans: dict[str, tuple[int, int, bool]] = {}
        for view, first, last, writes in accesses(step):
            grid = grids[view.storage.name]
            if grid and first < last:
                low, high = grid.span(view, first, last)
                name = view.storage.name
                lowest[name] = min(lowest.get(name, low), low)
                top = max(high, spans[name][1]) if name in spans else high
                spans[name] = (low, top, writes or (name in spans and spans[name][2]))
        for name, (_, high, writes) in spans.items():
            if writes:
                needed[name] = max(needed.get(name, 1), high - lowest[name])
    return needed


def roll(schedule: Schedule, room: Mapping[str, int] | None = None) -> Schedule:
    """The same schedule over storages that are as small as it allows, but for `room` more rows in some of them."""
    grids = grids_of(schedule)
    rows = {name: count + (room or {}).get(name, 0) for name, count in capacities(schedule, grids).items()}
    return dataclasses.replace(schedule, steps=tuple(rolled(schedule.steps, rows, grids)))


def rolled(steps: Sequence[Step], rows: Mapping[str, int], grids: Mapping[str, RowGrid | None]) -> list[Step]:
    """The steps with storages of `rows` rows where that is less than their map."""
    storages: dict[str, Storage] = {}
    for name, grid in grids.items():
        if grid and name in rows and rows[name] < grid.rows:
            storages[name] = Storage(name, rows[name] * grid.pitch)
    tasks: dict[int, Task] = {}
    moved: list[Step] = []
    for step in steps:
        if isinstance(step, Compute):
            if step.index not in tasks:
                tasks[step.index] = _rewritten(step.task, storages)
            moved.append(Compute(tasks[step.index], step.first, step.last, step.index, step.part))
        else:
            moved.append(dataclasses.replace(step, view=_moved(step.view, storages)))
    return moved


def _moved(view: View, storages: Mapping[str, Storage]) -> View:
    storage = storages.get(view.storage.name)
    return view if storage is None else dataclasses.replace(view, storage=storage)


def _rewritten(task: Task, storages: Mapping[str, Storage]) -> Task:
    ifm2 = None if task.ifm2 is None else _moved(task.ifm2, storages)
    return task.replace(ifm=_moved(task.ifm, storages), ofm=_moved(task.ofm, storages), ifm2=ifm2)
