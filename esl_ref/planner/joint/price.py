# SPDX-License-Identifier: Apache-2.0
"""What one group of tasks costs, by itself: bytes alive at its peak, cycles, words of weights read.

Prices rank candidates; they are not promises. The plans that are kept are laid out exactly and timed by the ESL
machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from esl_ref.arch import Arch
from esl_ref.compiler.lower import Lowered
from esl_ref.compiler.overlap import clock_of, overlap
from esl_ref.compiler.rolling import capacities, rolled
from esl_ref.compiler.rows import RowGrid
from esl_ref.compiler.schedule import Compute, Group, GroupBuilder, Load, Schedule, Step, sources_and_grids, views_of
from esl_ref.compiler.weights import Chunk, chunks, place
from esl_ref.program.fields import COMMAND_BYTES

__all__ = ["GroupPrice", "Pricer"]


@dataclass(frozen=True)
class GroupPrice:
    """peak: bytes alive at once; cycles: the larger of compute and bus; words: weight words loaded."""

    group: Group
    peak: int
    cycles: int
    words: int


class Pricer:
    """Prices groups of one lowered segment on one architecture; remembers what it has priced."""

    def __init__(self, lowered: Lowered, arch: Arch) -> None:
        self.lowered, self.arch = lowered, arch
        self._sources, self._grids = sources_and_grids(lowered)
        self._uses = self._first_and_last()
        self._known: dict[Group, GroupPrice] = {}
        self._bytes = self._sizes()

    def price(self, group: Group) -> GroupPrice:
        """Price of one group, everything before it done."""
        if group not in self._known:
            steps = self._steps(group)
            rows = capacities(Schedule(tuple(steps), (group,)), self._grids)
            inside = {n: r for n, r in rows.items() if self._private(n, group)}
            self._known[group] = GroupPrice(group, self._peak(group, steps, inside), *self._time(steps, inside))
        return self._known[group]

    def _steps(self, group: Group) -> list[Step]:
        count = len(self.lowered.tasks)
        done = {i: self.lowered.tasks[i].ofm.height if i < group.first else 0 for i in range(count)}
        loaded = {n: v.height for n, (_, v) in self._sources.items() if self._uses[n][0] < group.first}
        builder = GroupBuilder(self.lowered, self.arch, group, done, loaded, self._sources, self._grids)
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

    def _private(self, name: str, group: Group) -> bool:
        """Whether only this group touches a storage: the others cannot roll."""
        first, last = self._uses[name]
        return group.first <= first and last < group.last

    def _peak(self, group: Group, steps: list[Step], rows: Mapping[str, int]) -> int:
        """Largest sum of storages alive at a step."""
        events: list[tuple[int, int]] = []
        seen: dict[str, tuple[int, int]] = {}
        for index, step in enumerate(steps):
            for view in views_of(step):
                first, _ = seen.get(view.storage.name, (index, index))
                seen[view.storage.name] = (first, index + 1)
        for name, (begin, end) in self._uses.items():
            size, inside = self._bytes[name], name in seen
            if end < group.first or begin >= group.last or (not inside and begin >= group.first):
                continue
            first = 0 if begin < group.first else seen[name][0]
            last = len(steps) if end >= group.last else seen[name][1]
            grid: RowGrid | None = self._grids[name]
            if grid and name in rows:
                size = min(size, rows[name] * grid.pitch)
            events += [(first, size), (last, -size)]
        alive = peak = 0
        for _, delta in sorted(events):
            alive += delta
            peak = max(peak, alive)
        return peak

    def _time(self, steps: list[Step], rows: Mapping[str, int]) -> tuple[int, int]:
        """(cycles, weight words): compute with its drains against the bus, whichever is longer."""
        arch = self.arch
        clock = clock_of(arch)
        ordered = overlap(rolled(steps, rows, self._grids), self._grids, clock)
        uses: list[Chunk] = []
        bus = commands = 0
        for step in ordered:
            if isinstance(step, Load):
                bus += step.view.width * step.view.channels * (step.last - step.first) // arch.axi_bytes
                commands += 1
            elif isinstance(step, Compute):
                parts = chunks(step.task, arch)
                uses += parts
                commands += len(parts)
        words = sum(use.words for use, p in zip(uses, place(uses, arch.weight_words), strict=True) if p.load)
        bus += words * arch.word_bytes // arch.axi_bytes + commands * COMMAND_BYTES // arch.axi_bytes
        return max(clock.now + clock.drain, bus), words
