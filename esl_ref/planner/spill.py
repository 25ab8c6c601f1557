# SPDX-License-Identifier: Apache-2.0
"""Layer by layer in less memory than the layers need: maps that do not fit are parked in external memory.

What unfused execution does under a severe limit: a layer reads its parked input, and writes its parked output, by
strips of rows. The largest maps are parked first, and strips are as high as the limit allows, because a layer's weights
may have to be read again for every strip.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import groupby

from esl_ref.compiler.lower import Lowered
from esl_ref.compiler.model import Choice, realise
from esl_ref.compiler.schedule import WHOLE, Group
from esl_ref.compiler.sizing import Sizing
from esl_ref.compiler.tasks import Task
from esl_ref.compiler.views import View
from esl_ref.ir import Graph
from esl_ref.layout.storage import check_budget
from esl_ref.planner.choose import whole_maps
from esl_ref.planner.joint import Effort

__all__ = ["spilling"]

_FINENESS = 4
_MARGINS = (1.0, 0.9, 0.75, 0.5)
"""Parts of the limit that strips are first made for: layouts may leave gaps that no reckoning by layers sees."""


def spilling(graph: Graph, lowered: Lowered, sizing: Sizing, budget: int | None, *, effort: Effort) -> Choice:
    """Whole layers if they fit `budget`, else with maps parked. BudgetError if not even single rows fit."""
    whole = whole_maps(graph, lowered, sizing, budget, effort=effort)
    machine = sizing.planning()
    if budget is None or realise(lowered, whole, machine).height <= budget:
        return whole
    layers = _Layers.of(lowered.spread)
    for parked in layers.parkings():
        for margin in _MARGINS:
            groups = layers.groups(parked, int(budget * margin))
            if groups is None:
                break
            choice = Choice(groups, _FINENESS, parked)
            if realise(lowered, choice, machine).height <= budget:
                return choice
    least = Choice(layers.rows(), _FINENESS, layers.movable)
    check_budget(realise(lowered, least, machine).plan, budget, graph.name)
    return least


@dataclass(frozen=True)
class _Layers:
    """Tasks grouped by operator, and what they touch. `spans`: storage -> (bytes, first layer, last layer, last layer
    that writes it)."""

    layers: tuple[tuple[int, tuple[Task, ...]], ...]
    spans: dict[str, tuple[int, int, int, int]]
    outputs: frozenset[str]

    @classmethod
    def of(cls, lowered: Lowered) -> _Layers:
        numbered = list(enumerate(lowered.tasks))
        runs = [list(run) for _, run in groupby(numbered, key=lambda item: item[1].op)]
        layers = tuple((run[0][0], tuple(task for _, task in run)) for run in runs)
        spans: dict[str, tuple[int, int, int, int]] = {}
        for number, (_, tasks) in enumerate(layers):
            for task in tasks:
                for view, writes in _views(task):
                    name = view.storage.name
                    size, first, _, written = spans.get(name, (view.storage.wrap, number, number, -1))
                    spans[name] = size, first, number, number if writes else written
        views = (lowered.binder.view(name) for name in lowered.segment.outputs)
        return cls(layers, spans, frozenset(view.storage.name for view in views))

    @property
    def movable(self) -> frozenset[str]:
        """Storages that are read after they are complete (or, network inputs, read at all)."""
        return frozenset(name for name, (_, _, last, written) in self.spans.items() if last > written)

    def parkings(self) -> Iterator[frozenset[str]]:
        """More and more storages to park, the largest first."""
        sizes = sorted({self.spans[name][0] for name in self.movable}, reverse=True)
        for least in sizes:
            yield frozenset(name for name in self.movable if self.spans[name][0] >= least)

    def rows(self) -> tuple[Group, ...]:
        """Every layer row by row."""
        return tuple(Group(first, first + len(tasks), 1) for first, tasks in self.layers)

    def groups(self, parked: Collection[str], limit: int) -> tuple[Group, ...] | None:
        """Every layer with the highest strips that keep it within `limit`, or None if single rows do not."""
        found: list[Group] = []
        for number, (first, tasks) in enumerate(self.layers):
            strip = next((s for s in _strips(tasks) if self._bytes(number, tasks, s, parked) <= limit), None)
            if strip is None:
                return None
            found.append(Group(first, first + len(tasks), strip))
        return tuple(found)

    def _bytes(self, number: int, tasks: tuple[Task, ...], strip: int, parked: Collection[str]) -> int:
        """Bytes alive while layer `number` runs in strips: whole maps, and rows of what comes or leaves by rows."""
        touched = {view.storage.name: 0 for task in tasks for view, _ in _views(task)}
        for task in tasks:
            for view, writes in _views(task):
                name = view.storage.name
                size, first, last, written = self.spans[name]
                alone = first == last or (written < 0 and first == number)
                leaves = writes and written == first and (name in parked or name in self.outputs and last == written)
                arrives = not writes and (name in parked or alone and written < 0)
                rows = _rows(task, view, writes, strip)
                part = min(size, rows * view.row_stride) if strip < WHOLE and (leaves or arrives) else size
                touched[name] = max(touched[name], part)
        beside = (
            size for name, (size, first, last, written) in self.spans.items()
            if name not in touched and first <= number <= (max(written, first) if name in parked else last)
        )  # fmt: skip
        return sum(touched.values()) + sum(beside)


def _views(task: Task) -> Iterator[tuple[View, bool]]:
    yield task.ifm, False
    if task.ifm2 is not None:
        yield task.ifm2, False
    yield task.ofm, True


def _strips(tasks: tuple[Task, ...]) -> list[int]:
    """Heights to try, from the whole map down to one row."""
    height = max(task.ofm.height for task in tasks)
    return [WHOLE, *sorted({-(-height // parts) for parts in range(2, height + 1)}, reverse=True)]


def _rows(task: Task, view: View, writes: bool, strip: int) -> int:
    """Rows of a map that are on chip at a time: a strip and the one before it that is on its way out, or what a strip
    reads."""
    if writes:
        return min(view.height, 2 * strip)
    if view is not task.ifm or view.row_stride == 0:
        return min(view.height, strip)
    return min(view.height, (strip - 1) * task.stride[0] + (task.kernel[0] - 1) * task.dilation[0] + 1)
