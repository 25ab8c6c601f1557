# SPDX-License-Identifier: Apache-2.0
"""Maps that leave the chip: outputs by rows as they are made, and maps parked in external memory between two groups.

A parked storage is written in one group of tasks and read in later ones. Its rows are stored as they are made, so that
it rolls like any other; every later group that reads it loads the rows it needs, when it needs them, into a storage of
its own. A network input that is parked is simply loaded again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from esl_ref.compiler.rows import RowGrid
from esl_ref.compiler.steps import Compute, Step, Store
from esl_ref.compiler.tasks import Task
from esl_ref.compiler.views import Storage, View

__all__ = ["Leaving", "parkable", "reloaded"]


def _reads(task: Task) -> Iterator[tuple[str, View]]:
    yield "ifm", task.ifm
    if task.ifm2 is not None:
        yield "ifm2", task.ifm2


def parkable(tasks: Sequence[Task], groups: Iterable[tuple[int, int]], names: Collection[str]) -> frozenset[str]:
    """Those of the storages `names` that some group [first, last) only reads: the others never need to come back."""
    wanted: set[str] = set()
    for first, last in groups if names else ():
        made = {t.ofm.storage.name for t in tasks[first:last]}
        later = {t.ofm.storage.name for t in tasks[last:]}
        read = {view.storage.name for t in tasks[first:last] for _, view in _reads(t)}
        wanted |= (read & set(names)) - made - later
    return frozenset(wanted)


def reloaded(tasks: Mapping[int, Task], members: range, parked: Collection[str]) -> dict[int, Task]:
    """The tasks `members` of a group, reading parked storages from storages of their own, named `storage@first task`:
    those that are complete when the group begins."""
    if not parked:
        return {}
    made = {task.ofm.storage.name for i, task in tasks.items() if i >= members[0]}
    moved: dict[int, Task] = {}
    for i in members:
        changes = {
            name: replace(view, storage=Storage(f"{view.storage.name}@{members[0]}", view.storage.wrap))
            for name, view in _reads(tasks[i])
            if view.storage.name in parked and view.storage.name not in made
        }
        if changes:
            moved[i] = tasks[i].replace(**changes)
    return moved


def whole_view(storage: Storage, grid: RowGrid | None) -> View:
    """All bytes of a storage as rows of its grid, whatever they mean."""
    if grid is None or grid.pitch * grid.rows != storage.wrap:
        return View(storage, 1, storage.wrap, 1, 1, storage.wrap)
    return View(storage, grid.rows, grid.pitch, 1, 1, grid.pitch)


@dataclass
class _Leaver:
    """A storage on its way out, by rows or as a `whole`: `ready` rows of `view` are complete, `gone` are stored."""

    name: str
    view: View
    parked: bool
    whole: bool = False
    ready: int = 0
    gone: int = 0

    def store(self) -> Iterator[Store]:
        if self.gone < self.ready and not (self.whole and self.ready < self.view.height):
            yield Store(self.name, self.view, self.gone, self.ready, parked=self.parked)
            self.gone = self.ready


@dataclass
class Leaving:
    """Follows the steps of a schedule and says which rows may be stored after each."""

    tasks: Sequence[Task]
    grids: Mapping[str, RowGrid | None]
    leavers: dict[str, list[_Leaver]] = field(default_factory=dict)
    done: dict[int, int] = field(default_factory=dict)
    writers: dict[str, list[int]] = field(default_factory=dict)
    """Storage -> tasks that write its results, so that a step need not ask all tasks of the network."""

    def __post_init__(self) -> None:
        for index, task in enumerate(self.tasks):
            if self._writes(task):
                self.writers.setdefault(task.ofm.storage.name, []).append(index)

    def add(self, name: str, view: View, *, parked: bool = False, whole: bool = False) -> None:
        """Tensor or storage `name` is to be stored, by rows or as a whole."""
        self.leavers.setdefault(view.storage.name, []).append(_Leaver(name, view, parked, whole))

    def after(self, steps: Iterable[Step]) -> list[Step]:
        """The steps of one group with stores between them, each a strip late, so that the next need not wait."""
        result: list[Step] = []
        for step in steps:
            result.append(step)
            if isinstance(step, Compute) and step.ends:
                leavers = self.leavers.get(step.task.ofm.storage.name, [])
                for leaver in leavers:
                    result += leaver.store()
                self._note(step, leavers)
        for leavers in self.leavers.values():
            for leaver in leavers:
                result += leaver.store()
        return result

    def _note(self, step: Compute, leavers: Sequence[_Leaver]) -> None:
        self.done[step.index] = step.last
        if not leavers:
            return
        name = step.task.ofm.storage.name
        grid, low = self.grids[name], None
        for index in self.writers.get(name, ()):
            task, done = self.tasks[index], self.done.get(index, 0)
            if done < task.ofm.height:
                row = grid.span(task.ofm, done, done + 1)[0] if grid else 0
                low = row if low is None else min(low, row)
        for leaver in leavers:
            if low is None:
                leaver.ready = leaver.view.height
            elif grid is not None and grid.holds(leaver.view):  # else its rows are not those that tasks write
                leaver.ready = max(leaver.ready, grid.view_rows(leaver.view, low))

    def _writes(self, task: Task) -> bool:
        return task.share is None or task.share.last
