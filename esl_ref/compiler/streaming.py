# SPDX-License-Identifier: Apache-2.0
"""The order of work within one group: rows are computed when they are needed, by depth-first demand from its ends."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from esl_ref.arch import Arch
from esl_ref.compiler.fan_in import reserved
from esl_ref.compiler.lines import with_lines
from esl_ref.compiler.lower import Lowered
from esl_ref.compiler.overlap import issue_cycles
from esl_ref.compiler.parking import reloaded, whole_view
from esl_ref.compiler.rows import RowGrid
from esl_ref.compiler.steps import WHOLE, Compute, Group, Load, Step
from esl_ref.compiler.tasks import Task
from esl_ref.compiler.views import View

__all__ = ["GroupBuilder"]


def _for_strips(task: Task, strip: int, arch: Arch) -> Task:
    """The task by the commands that are fastest for strips of so many rows."""
    if task.streamed is None or strip >= task.ofm.height:
        return task
    ways = (with_lines({0: way}, strip, arch)[0] for way in (task, task.streamed))
    return min(ways, key=lambda way: issue_cycles(Compute(way, strip, min(2 * strip, way.ofm.height), 0), arch))


@dataclass
class GroupBuilder:
    """Produces rows on demand. `done[i]`: output rows of task i computed; `loaded[t]`: rows of input t on chip.

    parked: storages that are loaded again by a group that only reads them.
    """

    lowered: Lowered
    arch: Arch
    group: Group
    done: dict[int, int]
    loaded: dict[str, int]
    sources: dict[str, tuple[str, View]]
    grids: dict[str, RowGrid | None]
    parked: Collection[str] = ()
    steps: list[Step] = field(default_factory=list)
    filled: set[int] = field(default_factory=set)
    writers: dict[str, list[int]] = field(default_factory=dict)
    """Storage -> tasks of the group that write it, the last first: those before the group are done."""

    def __post_init__(self) -> None:
        members = range(self.group.first, self.group.last)
        mine = {i: _for_strips(self.lowered.tasks[i], self.group.strip, self.arch) for i in members}
        mine = with_lines(mine, self.group.strip, self.arch)
        self.tasks = {**dict(enumerate(self.lowered.tasks)), **mine}
        for i in reversed(members):
            self.writers.setdefault(self.tasks[i].ofm.storage.name, []).append(i)
        slot = max((p.slots for p in (self.tasks[i].parts for i in members) if p), default=0)
        for i in members:  # sums of one group may be under way together: none shares a slot
            results = self.tasks[i].part_slots(self.arch.lanes)
            if self.group.strip < self.tasks[i].kernel[0] and 0 < results <= self._slots_left(slot):
                self.tasks[i] = self.tasks[i].replace(acc_base=slot)
                slot += results
        self._reload(members)

    def _slots_left(self, slot: int) -> int:
        """Accumulator slots from `slot` on that no sum over channels has."""
        return self.arch.acc_words - reserved(self.lowered.tasks, self.arch) - slot

    def _reload(self, members: range) -> None:
        """Let the group's tasks read parked storages from storages of their own, which are loaded row by row."""
        moved = reloaded(self.tasks, members, self.parked)
        self.tasks |= moved
        self.back: set[str] = set()
        for view in (v for t in moved.values() for v in t.inputs):
            name, _, number = view.storage.name.rpartition("@")
            if number != str(members[0]) or name not in self.parked:
                continue
            self.grids = {**self.grids, view.storage.name: self.grids[name]}
            tensor, source = self.sources.get(name, (name, whole_view(view.storage, self.grids[name])))
            self.back |= set() if name in self.sources else {view.storage.name}
            self.sources = {**self.sources, view.storage.name: (tensor, replace(source, storage=view.storage))}

    def run(self) -> None:
        """Drive the group from its ends: tasks that no other of the group reads, side by side."""
        tasks, members = self.tasks, range(self.group.first, self.group.last)
        read = {v.storage.name for i in members for v in tasks[i].inputs}
        ends = [i for i in members if tasks[i].ofm.storage.name not in read or i == members[-1]]
        strips = max(-(-tasks[i].ofm.height // self.group.strip) for i in ends)
        for part in range(1, strips + 1):
            for i in ends:
                self.advance(i, -(-tasks[i].ofm.height * part // strips))
        for i in members:  # nothing is left over, whatever the readers wanted
            self.advance(i, tasks[i].ofm.height)

    def advance(self, index: int, rows: int) -> None:
        """Compute task `index` up to output row `rows`, in strips, each after what it reads."""
        task = self.tasks[index]
        rows = min(rows, task.ofm.height)
        if task.keeps and task.parts is None and self.done[index] == 0 and rows > 0:
            self._fill(index, task)
        if rows > self.done[index] and task.acc_base is not None:
            self._sum(index, task)
        if rows > self.done[index] and task.share:
            self._share(index, task)
        while self.done[index] < rows:
            first = self.done[index]
            last = min(rows, first + self.group.strip)
            reach = min(task.ofm.height, last + self.group.ahead * (last - first))
            self._provide(index, task, last)  # first what this strip needs, so that it need not wait for the rest
            self._provide(index, task, reach)
            self.steps.append(Compute(task, first, last, index))
            self.done[index] = last

    def _fill(self, index: int, task: Task) -> None:
        """Rows that the first window needs besides those every later one adds enter the line buffers one by one."""
        if index in self.filled:
            return
        self.filled.add(index)
        for row in range(max(0, task.visited(0))):
            self._rows(index, task.ifm, row, row + 1)
            self.steps.append(Compute(task, 0, 0, index, (row, row + 1)))

    def _sum(self, index: int, task: Task) -> None:
        """A long sum, `strip` kernel rows at a time as they come."""
        for top in range(0, task.kernel[0], self.group.strip):
            part = top, min(task.kernel[0], top + self.group.strip)
            self._rows(index, task.ifm, *task.ifm_rows(0, 1, part))
            self.steps.append(Compute(task, 0, 1, index, part))
        self.done[index] = 1

    def _share(self, index: int, task: Task) -> None:
        """All of a share of the sums of several tasks, after the shares before it: slots count from its first row."""
        for other in range(index):
            if self.tasks[other].share and self.tasks[other].op == task.op:
                self.advance(other, task.ofm.height)
        self._provide(index, task, task.ofm.height)
        self.steps.append(Compute(task, 0, task.ofm.height, index))
        self.done[index] = task.ofm.height

    def _provide(self, index: int, task: Task, last: int) -> None:
        """Everything that output rows up to `last` of `task` read."""
        low, high = task.ifm_rows(0, last)
        self._rows(index, task.ifm, low, high)
        if task.ifm2 is not None:
            self._rows(index, task.ifm2, 0, last)

    def _rows(self, index: int, view: View, low: int, high: int) -> None:
        name = view.storage.name
        grid = self.grids[name]
        limit = grid.span(view, low, high)[1] if grid else WHOLE
        if name in self.sources:
            self._load(name, limit, grid)
        for writer in self.writers.get(name, ()):
            ofm = self.tasks[writer].ofm
            # a sum written over its operand pulls that operand by itself
            if writer < index and self.done[writer] < ofm.height:
                self.advance(writer, grid.view_rows(ofm, limit) if grid else ofm.height)

    def _load(self, name: str, limit: int, grid: RowGrid | None) -> None:
        tensor, view = self.sources[name]
        rows = grid.view_rows(view, limit) if grid else view.height
        first = self.loaded.get(name, 0)
        if first < rows:
            self.steps.append(Load(tensor, view, first, rows, name in self.back))
            self.loaded[name] = rows
