# SPDX-License-Identifier: Apache-2.0
"""What one group of tasks costs, by itself: bytes alive at its peak, cycles, words of weights read.

Prices rank candidates; they are not promises. The plans that are kept are laid out exactly and timed by the ESL machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from esl_ref.arch import Arch
from esl_ref.compiler.lower import Lowered
from esl_ref.compiler.rolling import capacities
from esl_ref.compiler.rows import RowGrid
from esl_ref.compiler.schedule import Compute, Group, GroupBuilder, Load, Schedule, Step, sources_and_grids, touched
from esl_ref.compiler.tasks import Task
from esl_ref.compiler.weights import Chunk, chunks, place
from esl_ref.machine.timing_constants import EngineTiming
from esl_ref.program.fields import COMMAND_BYTES, Opcode

__all__ = ["GroupPrice", "Pricer", "issue_cycles"]


@dataclass(frozen=True)
class GroupPrice:
    """peak: bytes alive at once; cycles: the larger of compute and bus; words: weight words loaded."""

    group: Group
    peak: int
    cycles: int
    words: int


def issue_cycles(task: Task, rows: int, lanes: int, header: int) -> int:
    """Issue slots of `rows` output rows of a task, all groups."""
    width, groups = task.ofm.width, task.groups(lanes)
    if task.opcode is Opcode.ELTWISE:
        slots = 2 * rows * width
    elif task.opcode is Opcode.DEPTHWISE_WINDOW:
        visited = (width - 1) * task.stride[1] + task.kernel[1]
        slots = ((rows - 1) * task.stride[0] + task.kernel[0]) * visited + rows * width * (task.chunks - 1)
    else:
        slots = rows * width * task.kernel[0] * task.runs * task.chunks
    return groups * (slots + header)


class Pricer:
    """Prices groups of one lowered segment on one architecture; remembers what it has priced."""

    def __init__(self, lowered: Lowered, arch: Arch) -> None:
        self.lowered, self.arch = lowered, arch
        self.timing = EngineTiming.of(arch)
        self._sources, self._grids = sources_and_grids(lowered)
        self._uses = self._first_and_last()
        self._known: dict[Group, GroupPrice] = {}
        self._bytes = self._sizes()

    def price(self, group: Group) -> GroupPrice:
        """Price of one group, everything before it done."""
        if group not in self._known:
            steps = self._steps(group)
            self._known[group] = GroupPrice(group, self._peak(group, steps), *self._time(steps))
        return self._known[group]

    def _steps(self, group: Group) -> list[Step]:
        count = len(self.lowered.tasks)
        done = {i: self.lowered.tasks[i].ofm.height if i < group.first else 0 for i in range(count)}
        loaded = {n: v.height for n, (_, v) in self._sources.items() if self._uses[n][0] < group.first}
        builder = GroupBuilder(self.lowered, group, done, loaded, self._sources, self._grids)
        builder.run()
        return builder.steps

    def _sizes(self) -> dict[str, int]:
        views = [v for t in self.lowered.tasks for v in (t.ifm, t.ofm, t.ifm2) if v is not None]
        return {v.storage.name: v.storage.wrap for v in views}

    def _first_and_last(self) -> dict[str, tuple[int, int]]:
        """Storage -> first and last task that touches it; outputs of the segment last to the end."""
        spans: dict[str, tuple[int, int]] = {}
        for index, task in enumerate(self.lowered.tasks):
            for view in (task.ifm, task.ifm2, task.ofm):
                if view is not None:
                    first, _ = spans.get(view.storage.name, (index, index))
                    spans[view.storage.name] = (first, index)
        return spans

    def _peak(self, group: Group, steps: list[Step]) -> int:
        """Largest sum of storages alive at a step; those shared with other groups are whole."""
        rows = capacities(Schedule(tuple(steps), (group,)), self._grids)
        events: list[tuple[int, int]] = []
        seen: dict[str, tuple[int, int]] = {}
        for index, step in enumerate(steps):
            for name in touched(step):
                first, _ = seen.get(name, (index, index))
                seen[name] = (first, index + 1)
        for name, (begin, end) in self._uses.items():
            size, inside = self._bytes[name], name in seen
            if end < group.first or begin >= group.last or (not inside and begin >= group.first):
                continue
            first = 0 if begin < group.first else seen[name][0]
            last = len(steps) if end >= group.last else seen[name][1]
            grid: RowGrid | None = self._grids[name]
            if begin >= group.first and end < group.last and grid and name in rows:
                size = min(size, rows[name] * grid.pitch)
            events += [(first, size), (last, -size)]
        alive = peak = 0
        for _, delta in sorted(events):
            alive += delta
            peak = max(peak, alive)
        return peak

    def _time(self, steps: list[Step]) -> tuple[int, int]:
        """(cycles, weight words): compute with its drains against the bus, whichever is longer."""
        arch, timing = self.arch, self.timing
        uses: list[Chunk] = []
        clock = bus = commands = 0
        finished: dict[str, int] = {}
        for step in steps:
            if isinstance(step, Load):
                bus += step.view.width * step.view.channels * (step.last - step.first) // arch.axi_bytes
                commands += 1
            elif isinstance(step, Compute):
                parts = chunks(step.task, arch)
                uses += parts
                commands += len(parts)
                reads = [v.storage.name for v in (step.task.ifm, step.task.ifm2) if v is not None]
                ready = max((finished.get(n, 0) for n in reads), default=0)
                start = max(clock + timing.decode - 2, ready)
                clock = start + issue_cycles(step.task, step.last - step.first, arch.lanes, arch.header_words)
                finished[step.task.ofm.storage.name] = clock + timing.completion + timing.wait
        words = sum(use.words for use, p in zip(uses, self._placed(uses), strict=True) if p.load)
        bus += words * arch.word_bytes // arch.axi_bytes + commands * COMMAND_BYTES // arch.axi_bytes
        return max(clock + timing.completion, bus), words

    def _placed(self, uses: list[Chunk]) -> Iterator:  # type: ignore[type-arg]
        return iter(place(uses, self.arch.weight_words))
