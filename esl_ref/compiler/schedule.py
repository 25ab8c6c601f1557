# SPDX-License-Identifier: Apache-2.0
"""The order of work: loads of inputs, strips of tasks, stores of results.

A schedule is made of *groups* of consecutive tasks. Within a group rows flow: a strip of the last task is computed as
soon as the rows it needs exist, and those are computed only when needed, so that each map keeps just the rows that
somebody still reads. A strip as high as the map makes this the familiar layer-by-layer order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from esl_ref.arch import Arch
from esl_ref.compiler.fan_in import reserved
from esl_ref.compiler.lines import with_lines
from esl_ref.compiler.lower import Lowered
from esl_ref.compiler.rows import RowGrid, grid_of
from esl_ref.compiler.tasks import Task
from esl_ref.compiler.views import View

__all__ = [
    "Compute", "Group", "GroupBuilder", "Load", "Schedule", "Step", "Store", "WHOLE", "build", "layerwise_groups",
    "sources_and_grids", "views_of",
]  # fmt: skip

WHOLE = 1 << 20
"""Strip height of a task that is not cut."""


@dataclass(frozen=True)
class Load:
    """Rows [first, last) of a network input or constant, in the row structure of `view`."""

    tensor: str
    view: View
    first: int
    last: int


@dataclass(frozen=True)
class Store:
    """A whole tensor with dense pixels, from its storage to a surface; `trace` for one kept only for comparison."""

    tensor: str
    view: View
    trace: bool = False


@dataclass(frozen=True)
class Compute:
    """Output rows [first, last) of task number `index`; with `part`, only these kernel rows of their sums.

    With no output rows, `part` are the ifm rows that enter a window's line buffers before its first result.
    """

    task: Task
    first: int
    last: int
    index: int
    part: tuple[int, int] | None = None

    @property
    def ends(self) -> bool:
        """Whether it writes results: not a part of a sum but the last, not rows that only enter the line buffers."""
        if self.first == self.last or (self.task.share and not self.task.share.last):
            return False
        return self.part is None or self.part[1] == self.task.kernel[0]

    def ifm_rows(self) -> tuple[int, int]:
        """Rows [low, high) of the ifm that it reads."""
        if self.first == self.last and self.part:
            return self.part
        return self.task.ifm_rows(self.first, self.last, self.part)


Step = Load | Store | Compute


@dataclass(frozen=True)
class Group:
    """Tasks [first, last) streamed together: `strip` rows of the last task at a time.

    ahead: strips by which producers run ahead of their consumers, so that a strip need not wait for the pipe to drain.
    """

    first: int
    last: int
    strip: int = WHOLE
    ahead: int = 0


@dataclass(frozen=True)
class Schedule:
    """Steps in program order, and the groups they came from; `ends[n]` is the number of steps up to group n's last."""

    steps: tuple[Step, ...]
    groups: tuple[Group, ...]
    ends: tuple[int, ...] = ()

    def per_group(self, change: Callable[[list[Step]], list[Step]]) -> Schedule:
        """The schedule with each group's steps changed, one for one or at least in place."""
        steps: list[Step] = []
        first = 0
        for end in (*self.ends, len(self.steps)):
            steps += change(list(self.steps[first:end]))
            first = end
        return replace(self, steps=tuple(steps))

    def lifetimes(self) -> dict[str, tuple[int, int, int]]:
        """Storage -> (bytes, first step, step after the last) during which its bytes matter."""
        spans: dict[str, tuple[int, int, int]] = {}
        for index, step in enumerate(self.steps):
            for view in views_of(step):
                name = view.storage.name
                spans[name] = (view.storage.wrap, spans[name][1] if name in spans else index, index + 1)
        return spans


@dataclass
class GroupBuilder:
    """Produces rows on demand. `done[i]`: output rows of task i computed; `loaded[t]`: rows of input t on chip."""

    lowered: Lowered
    arch: Arch
    group: Group
    done: dict[int, int]
    loaded: dict[str, int]
    sources: dict[str, tuple[str, View]]
    grids: dict[str, RowGrid | None]
    steps: list[Step] = field(default_factory=list)
    filled: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        members = range(self.group.first, self.group.last)
        mine = with_lines({i: self.lowered.tasks[i] for i in members}, self.group.strip, self.arch)
        self.tasks = {**dict(enumerate(self.lowered.tasks)), **mine}
        slot, top = 0, self.arch.acc_words - reserved(self.lowered.tasks, self.arch)
        for i in members:  # sums of one group may be under way together: none shares a slot
            results = self.tasks[i].part_slots(self.arch.lanes)
            if self.group.strip < self.tasks[i].kernel[0] and 0 < results <= top - slot:
                self.tasks[i] = self.tasks[i].replace(acc_base=slot)
                slot += results

    def run(self) -> None:
        """Drive the group from its ends: tasks that no other of the group reads, side by side."""
        tasks, members = self.tasks, range(self.group.first, self.group.last)
        read = {v.storage.name for i in members for v in (tasks[i].ifm, tasks[i].ifm2) if v is not None}
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
        if task.keeps and self.done[index] == 0 and rows > 0:
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
        for writer in reversed(range(index)):  # a sum written over its operand pulls that operand by itself
            ofm = self.tasks[writer].ofm
            if ofm.storage.name == name and self.done[writer] < ofm.height:
                self.advance(writer, grid.view_rows(ofm, limit) if grid else ofm.height)

    def _load(self, name: str, limit: int, grid: RowGrid | None) -> None:
        tensor, view = self.sources[name]
        rows = grid.view_rows(view, limit) if grid else view.height
        first = self.loaded.get(name, 0)
        if first < rows:
            self.steps.append(Load(tensor, view, first, rows))
            self.loaded[name] = rows


def _sources(lowered: Lowered) -> dict[str, tuple[str, View]]:
    """Storage -> the network input or constant that is loaded into it, in its first reader's row structure."""
    result = {}
    for tensor in (*lowered.constants, *lowered.segment.inputs):
        own = lowered.binder.view(tensor)
        readers = [v for t in lowered.tasks for v in (t.ifm, t.ifm2) if v is not None and v.storage == own.storage]
        same = [v for v in readers if v.is_dense and v.nbytes == own.nbytes and v.offset == 0]
        result[own.storage.name] = (tensor, same[0] if same else own)
    return result


def _grids(lowered: Lowered, sources: dict[str, tuple[str, View]]) -> dict[str, RowGrid | None]:
    views: dict[str, list[View]] = {name: [view] for name, (_, view) in sources.items()}
    for task in lowered.tasks:
        for view in (task.ifm, task.ofm, task.ifm2):
            if view is not None:
                views.setdefault(view.storage.name, []).append(view)
    return {name: grid_of(vs, vs[0].storage.wrap) for name, vs in views.items()}


def sources_and_grids(lowered: Lowered) -> tuple[dict[str, tuple[str, View]], dict[str, RowGrid | None]]:
    """Storages that are loaded, and the row structure of every storage."""
    sources = _sources(lowered)
    return sources, _grids(lowered, sources)


def layerwise_groups(lowered: Lowered, strips: int = 16) -> tuple[Group, ...]:
    """One group per task; the first runs in strips, so that it starts while the network input arrives."""
    groups = [Group(i, i + 1) for i in range(len(lowered.tasks))]
    if groups:
        height = lowered.tasks[0].ofm.height
        groups[0] = Group(0, 1, max(1, -(-height // strips)), 2)
    return tuple(groups)


def build(lowered: Lowered, groups: Sequence[Group], arch: Arch, *, trace: bool = False) -> Schedule:
    """Steps of all groups, with the stores of outputs (and of every tensor, to `trace`) once they are complete."""
    sources, grids = sources_and_grids(lowered)
    done = dict.fromkeys(range(len(lowered.tasks)), 0)
    loaded: dict[str, int] = {}
    steps: list[Step] = []
    ends: list[int] = []
    last_task = {task.tensor: i for i, task in enumerate(lowered.tasks)}
    for group in groups:
        builder = GroupBuilder(lowered, arch, group, done, loaded, sources, grids)
        builder.run()
        steps.extend(builder.steps)
        for index in range(group.first, group.last):
            if last_task[lowered.tasks[index].tensor] == index:
                steps.extend(_stores(lowered, lowered.tasks[index], trace, _rolls(lowered, index, group)))
        ends.append(len(steps))
    steps.extend(_untouched(lowered, last_task, loaded, sources))
    return Schedule(tuple(steps), tuple(groups), tuple(ends))


def _rolls(lowered: Lowered, index: int, group: Group) -> bool:
    """Whether a task's result is never whole on chip: read, or replaced, inside its own streamed group."""
    name = lowered.tasks[index].ofm.storage.name
    readers = [
        i for i, t in enumerate(lowered.tasks) for v in (t.ifm, t.ifm2) if v is not None and v.storage.name == name
    ]
    streamed = group.last - group.first > 1
    # A result written in place over this one leaves nothing to store once the group has run.
    replaced = any(lowered.tasks[i].ofm == lowered.tasks[index].ofm for i in range(index + 1, group.last))
    return streamed and (replaced or bool(readers) and all(group.first <= i < group.last for i in readers))


def _stores(lowered: Lowered, task: Task, trace: bool, rolls: bool) -> Iterator[Store]:
    name = task.tensor
    if name not in lowered.graph.tensors:
        return
    view = lowered.binder.view(name)
    if name in lowered.segment.outputs:
        yield Store(name, view)
    elif trace and not rolls and view.pixel_stride == view.channels:
        yield Store(name, view, trace=True)


def _untouched(
    lowered: Lowered, last_task: dict[str, int], loaded: dict[str, int], sources: dict[str, tuple[str, View]]
) -> Iterator[Step]:
    """Outputs that are inputs, or aliases that no task writes."""
    for name in lowered.segment.outputs:
        if name in last_task:
            continue
        view = lowered.binder.view(name)
        source = sources.get(view.storage.name)
        if source and loaded.get(view.storage.name, 0) < source[1].height:
            yield Load(source[0], source[1], loaded.get(view.storage.name, 0), source[1].height)
            loaded[view.storage.name] = source[1].height
        yield Store(name, view)


def views_of(step: Step) -> tuple[View, ...]:
    """The views that a step reads or writes."""
    if isinstance(step, Compute):
        return tuple(v for v in (step.task.ifm, step.task.ifm2, step.task.ofm) if v is not None)
    return (step.view,)
