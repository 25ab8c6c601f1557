# SPDX-License-Identifier: Apache-2.0
"""The order of work: loads of inputs, strips of tasks, stores of results.

A schedule is made of *groups* of consecutive tasks. Within a group rows flow: a strip of the last task is computed as
soon as the rows it needs exist, and those are computed only when needed, so that each map keeps just the rows that
somebody still reads. A strip as high as the map makes this the familiar layer-by-layer order. Between groups maps are
whole on chip, or parked in external memory.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from esl_ref.arch import Arch
from esl_ref.compiler.lower import Lowered
from esl_ref.compiler.parking import Leaving, parkable, whole_view
from esl_ref.compiler.rows import RowGrid, grid_of
from esl_ref.compiler.steps import WHOLE, Compute, Group, Load, Schedule, Step, Store, views_of
from esl_ref.compiler.streaming import GroupBuilder
from esl_ref.compiler.tasks import Task
from esl_ref.compiler.views import View

__all__ = [
    "Compute", "Group", "GroupBuilder", "Load", "Schedule", "Step", "Store", "WHOLE", "build", "layerwise_groups",
    "sources_and_grids", "views_of",
]  # fmt: skip


def _sources(lowered: Lowered) -> dict[str, tuple[str, View]]:
    """Storage -> the network input or constant that is loaded into it, in its first reader's row structure."""
    result = {}
    for tensor in (*lowered.constants, *lowered.segment.inputs):
        own = lowered.binder.view(tensor)
        readers = [v for t in lowered.tasks for v in t.inputs if v.storage == own.storage]
        same = [v for v in readers if v.is_dense and v.nbytes == own.nbytes and v.offset == 0]
        result[own.storage.name] = (tensor, same[0] if same else own)
    return result


def _grids(lowered: Lowered, sources: dict[str, tuple[str, View]]) -> dict[str, RowGrid | None]:
    views: dict[str, list[View]] = {name: [view] for name, (_, view) in sources.items()}
    for task in lowered.tasks:
        for view in task.views:
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


def build(
    lowered: Lowered, groups: Sequence[Group], arch: Arch, *, trace: bool = False, parked: Collection[str] = (),
    whole_ends: bool = False,
) -> Schedule:  # fmt: skip
    """Steps of all groups, with the stores of outputs as their rows are made (and of every tensor, to `trace`, once it
    is complete).

    parked: storages that are kept in external memory between the group that writes them and those that only read them.
    whole_ends: inputs and outputs are on chip as a whole, from the first step on and until they are complete.
    """
    sources, grids = sources_and_grids(lowered)
    parked = parkable(lowered.tasks, [(g.first, g.last) for g in groups], parked)
    done = dict.fromkeys(range(len(lowered.tasks)), 0)
    loaded: dict[str, int] = {}
    steps: list[Step] = []
    ends: list[int] = []
    leaving = _leaving(lowered, sources, grids, parked, whole_ends)
    if whole_ends:
        steps += _whole_inputs(lowered, sources, loaded)
    last_task = {task.tensor: i for i, task in enumerate(lowered.tasks)}
    for group in groups:
        builder = GroupBuilder(lowered, arch, group, done, loaded, sources, grids, parked)
        builder.run()
        steps.extend(leaving.after(builder.steps))
        for index in range(group.first, group.last) if trace else ():
            task = lowered.tasks[index]
            if last_task[task.tensor] == index and task.ofm.storage.name not in parked:
                steps.extend(_traces(lowered, task, _rolls(lowered, index, group)))
        ends.append(len(steps))
    steps.extend(_untouched(lowered, last_task, loaded, sources))
    return Schedule(tuple(steps), tuple(groups), tuple(ends))


def _leaving(
    lowered: Lowered, sources: dict[str, tuple[str, View]], grids: dict[str, RowGrid | None], parked: Collection[str],
    whole: bool,
) -> Leaving:  # fmt: skip
    """What is to be stored: the segment's outputs that tasks write, and parked storages."""
    leaving = Leaving(lowered.tasks, grids)
    written = {task.tensor for task in lowered.tasks}
    for name in lowered.segment.outputs:
        if name in written:
            leaving.add(name, lowered.binder.view(name), whole=whole)
    storages = {t.ofm.storage.name: t.ofm.storage for t in lowered.tasks}
    for name in sorted(set(parked) - set(sources)):
        leaving.add(name, whole_view(storages[name], grids[name]), parked=True)
    return leaving


def _whole_inputs(lowered: Lowered, sources: dict[str, tuple[str, View]], loaded: dict[str, int]) -> Iterator[Load]:
    for storage, (tensor, view) in sources.items():
        if tensor in lowered.segment.inputs:
            yield Load(tensor, view, 0, view.height)
            loaded[storage] = view.height


def _rolls(lowered: Lowered, index: int, group: Group) -> bool:
    """Whether a task's result is never whole on chip: read, or replaced, inside its own streamed group."""
    name = lowered.tasks[index].ofm.storage.name
    readers = [i for i, t in enumerate(lowered.tasks) for v in t.inputs if v.storage.name == name]
    streamed = group.last - group.first > 1
    # A result written in place over this one leaves nothing to store once the group has run.
    mine, views = lowered.tasks[index].tensor, lowered.binder.views
    later = {lowered.tasks[i].tensor for i in range(index + 1, group.last)} - {mine}
    replaced = any(views.get(other) == views.get(mine) for other in later)
    return streamed and (replaced or bool(readers) and all(group.first <= i < group.last for i in readers))


def _traces(lowered: Lowered, task: Task, rolls: bool) -> Iterator[Store]:
    """The store of a task's tensor for comparison, if it ever is whole on chip, with dense pixels."""
    name = task.tensor
    if name not in lowered.graph.tensors or name in lowered.segment.outputs or rolls:
        return
    view = lowered.binder.view(name)
    if view.pixel_stride == view.channels:
        yield Store(name, view, 0, view.height, trace=True)


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
        yield Store(name, view, 0, view.height)
