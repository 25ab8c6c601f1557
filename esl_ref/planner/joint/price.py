# SPDX-License-Identifier: Apache-2.0
"""What one group of tasks costs, by itself: bytes alive at its peak, cycles, words of weights read.

Maps that cross a group's ends are whole on chip, or parked: stored row by row as they are made, loaded row by row where
they are read, so that they roll like what lives in one group. Prices rank candidates; they are not promises. The plans
that are kept are laid out exactly and timed by the ESL machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from esl_ref.arch import Arch
from esl_ref.compiler.lower import Lowered
from esl_ref.compiler.overlap import clock_of, overlap
from esl_ref.compiler.parking import Leaving, whole_view
from esl_ref.compiler.rolling import capacities, rolled
from esl_ref.compiler.rows import RowGrid
from esl_ref.compiler.schedule import (
    Compute,
    Group,
    GroupBuilder,
    Load,
    Schedule,
    Step,
    Store,
    sources_and_grids,
    views_of,
)
from esl_ref.compiler.tasks import Task
from esl_ref.compiler.weights import Chunk, Placement, chunks, place
from esl_ref.errors import LimitError
from esl_ref.machine.timing import MemoryTiming
from esl_ref.program.fields import COMMAND_BYTES

__all__ = ["GroupPrice", "Pricer"]


_ARRIVAL = 8
"""Cycles from a transfer's turn on an idle bus to its first beat in place, besides the memory's latency."""
_NEVER = 1 << 60
"""Bytes and cycles of what cannot run."""


@dataclass(frozen=True)
class GroupPrice:
    """What a group costs.

    peak     bytes alive at once
    warm     cycles if its first weights are there when it starts; cold: if the bus starts with it
    bus      cycles in which the bus is busy for it
    words    bus words of weights loaded, and of parked maps stored and loaded
    """

    group: Group
    peak: int
    warm: int
    cold: int
    bus: int
    words: int

    def cycles(self, lead: int) -> int:
        """Cycles if the bus was `lead` cycles ahead of the engine at its start."""
        return max(self.warm, self.cold - lead)


@dataclass(frozen=True)
class _Turn:
    """One use of a chunk, or a transfer of rows.

    bus          cycles it keeps the bus busy; brings: whether it brings data that the engine waits for
    wait, work   cycles in which the engine waits for results of its own, and works
    free_after   turn after which the place of its data is free; -1: from the start
    """

    bus: int
    brings: bool = False
    wait: int = 0
    work: int = 0
    free_after: int = -1


class Pricer:
    """Prices groups of one lowered segment on one architecture and memory; remembers what it has priced."""

    def __init__(self, lowered: Lowered, arch: Arch, memory: MemoryTiming) -> None:
        self.lowered, self.arch = lowered, arch
        self._latency, self._pitch = memory.latency + _ARRIVAL, 1 + memory.gap
        self._sources, self._grids = sources_and_grids(lowered)
        self._uses = self._first_and_last()
        self._known: dict[tuple[Group, frozenset[str]], GroupPrice] = {}
        self._costs: dict[Any, int] = {}
        self._beats: dict[tuple[int, int, int], int] = {}
        self._cut: dict[int, tuple[Task, list[Chunk]]] = {}
        self._bytes = self._sizes()

    @property
    def slow(self) -> bool:
        """Whether the memory takes several cycles per bus word."""
        return self._pitch > 1

    @property
    def reach(self) -> int:
        """Cycles that the bus can be ahead of the engine: until the weight SRAM is full."""
        return self.arch.weight_words * self.arch.word_bytes // self.arch.axi_bytes * self._pitch

    def price(self, group: Group, parked: frozenset[str] = frozenset()) -> GroupPrice:
        """Price of one group, everything before it done, with the maps `parked` in external memory outside of it; more
        than any other if its maps are beyond what commands can hold."""
        if (group, parked) not in self._known:
            try:
                self._known[group, parked] = self._priced(group, parked)
            except LimitError:
                self._known[group, parked] = GroupPrice(group, _NEVER, _NEVER, _NEVER, _NEVER, 0)
        return self._known[group, parked]

    def _priced(self, group: Group, parked: frozenset[str]) -> GroupPrice:
        steps, grids = self._steps(group, parked)
        rows = capacities(Schedule(tuple(steps), (group,)), grids)
        inside = {n: r for n, r in rows.items() if n in parked or n not in self._uses or self._private(n, group)}
        time = self._time(steps, inside, grids, group.first == 0)
        return GroupPrice(group, self._peak(group, steps, inside, grids, parked), *time)

    def crossing(self, boundary: int) -> frozenset[str]:
        """Storages that are needed both before and after task number `boundary` begins."""
        return frozenset(n for n, (first, last) in self._uses.items() if first < boundary <= last)

    def parkable(self, boundary: int) -> bool:
        """Whether all that crosses a boundary is complete there: what is still written cannot leave the chip."""
        unfinished = {task.ofm.storage.name for task in self.lowered.tasks[boundary:]}
        return not self.crossing(boundary) & unfinished

    def alive(self, boundary: int) -> int:
        """Bytes of whole tensors that are needed both before and after task number `boundary` begins."""
        return sum(self._bytes[n] for n in self.crossing(boundary))

    def _steps(self, group: Group, parked: frozenset[str]) -> tuple[list[Step], Mapping[str, RowGrid | None]]:
        """Steps of a group with the stores of what it parks, and the row grids of all storages in them."""
        tasks, grids = self.lowered.tasks, self._grids
        done = {i: tasks[i].ofm.height if i < group.first else 0 for i in range(len(tasks))}
        needed = {n: v for n, (_, v) in self._sources.items() if n in self._uses}  # not what passes through untouched
        loaded = {n: v.height for n, v in needed.items() if self._uses[n][0] < group.first}
        builder = GroupBuilder(self.lowered, self.arch, group, done, loaded, self._sources, grids, parked)
        builder.run()
        leaving = Leaving(tasks, grids)
        written = (t.ofm.storage for t in tasks[group.first : group.last])
        for storage in dict.fromkeys(s for s in written if s.name in parked):  # not a set: in the same order every time
            leaving.add(storage.name, whole_view(storage, grids[storage.name]), parked=True)
        return leaving.after(builder.steps), builder.grids

    def _sizes(self) -> dict[str, int]:
        return {v.storage.name: v.storage.wrap for t in self.lowered.tasks for v in t.views}

    def _first_and_last(self) -> dict[str, tuple[int, int]]:
        """Storage -> first and last task that touches it; outputs of the segment last to the end."""
        spans: dict[str, tuple[int, int]] = {}
        for index, task in enumerate(self.lowered.tasks):
            for view in task.views:
                first, _ = spans.get(view.storage.name, (index, index))
                spans[view.storage.name] = (first, index)
        return spans

    def _private(self, name: str, group: Group) -> bool:
        """Whether only this group touches a storage: the others cannot roll."""
        first, last = self._uses[name]
        return group.first <= first and last < group.last

    def _peak(
        self, group: Group, steps: list[Step], rows: Mapping[str, int], grids: Mapping[str, RowGrid | None],
        parked: frozenset[str],
    ) -> int:  # fmt: skip
        """Largest sum of storages alive at a step."""
        events: list[tuple[int, int]] = []
        seen: dict[str, tuple[int, int]] = {}
        for index, step in enumerate(steps):
            for view in views_of(step):
                first, _ = seen.get(view.storage.name, (index, index))
                seen[view.storage.name] = (first, index + 1)
        for name in {**self._uses, **seen}:
            begin, end = self._uses.get(name, (group.first, group.last - 1))  # parked maps come back under new names
            size, inside = self._bytes[name if name in self._bytes else name.rpartition("@")[0]], name in seen
            if end < group.first or begin >= group.last or (not inside and (begin >= group.first or name in parked)):
                continue
            first = 0 if begin < group.first and name not in parked else seen[name][0]
            last = len(steps) if end >= group.last and name not in parked else seen[name][1]
            grid: RowGrid | None = grids[name]
            if grid and name in rows:
                size = min(size, rows[name] * grid.pitch)
            events += [(first, size), (last, -size)]
        alive = peak = 0
        for _, delta in sorted(events):
            alive += delta
            peak = max(peak, alive)
        return peak

    def _time(
        self, steps: list[Step], rows: Mapping[str, int], grids: Mapping[str, RowGrid | None], cold: bool
    ) -> tuple[int, int, int, int]:
        """(warm, cold, bus, bus words of weights and parked maps) of a group's steps; `cold`: it is the first of
        all."""
        clock = clock_of(self.arch, self._costs)
        ordered = overlap(rolled(steps, rows, grids), grids, clock, cold=cold)
        uses: list[Chunk] = []
        shares: list[list[Chunk]] = []
        for step in ordered:
            shares.append(self._chunks(step.task) if isinstance(step, Compute) else [])
            uses += shares[-1]
        placements = place(uses, self.arch.weight_words)
        turns = self._turns(ordered, shares, placements, clock.turns)
        words = sum(self._loaded(use) for use, p in zip(uses, placements, strict=True) if p.load)
        words += sum(self._moved(step) for step in ordered if not isinstance(step, Compute) and step.parked)
        bus = sum(turn.bus for turn in turns)
        late = _paced(turns, 0, clock.drain, self._latency)
        if self._circles(uses):
            return late, late, bus, words
        return _paced(turns, -self.reach, clock.drain, self._latency), late, bus, words

    def _chunks(self, task: Task) -> list[Chunk]:
        """Chunks of a task's weights, the same ones for all its strips."""
        if id(task) not in self._cut:
            self._cut[id(task)] = task, chunks(task, self.arch)
        return self._cut[id(task)][1]

    def _loaded(self, chunk: Chunk) -> int:
        """Bus words of a chunk of weights."""
        if chunk.key not in self._beats:
            self._beats[chunk.key] = chunk.beats(self.arch)
        return self._beats[chunk.key]

    def _moved(self, step: Load | Store) -> int:
        """Bus words of a transfer of rows."""
        return (step.last - step.first) * -(-step.view.width * step.view.channels // self.arch.axi_bytes)

    def _circles(self, uses: Sequence[Chunk]) -> bool:
        """Whether a group uses chunks again that do not fit together: it takes the weight SRAM over from its start, so
        that nothing of it can have come before."""
        sizes = {use.key: use.words for use in uses}
        return len(uses) > len(sizes) and sum(sizes.values()) > self.arch.weight_words

    def _turns(
        self, steps: Sequence[Step], shares: Sequence[Sequence[Chunk]], placements: Sequence[Placement],
        engine: Sequence[tuple[int, int]],
    ) -> list[_Turn]:  # fmt: skip
        overhead = COMMAND_BYTES // self.arch.axi_bytes
        turns: list[_Turn] = []
        at: list[int] = []  # turn of every use of a chunk
        for step, parts, (wait, work) in zip(steps, shares, engine, strict=True):
            if isinstance(step, Load):
                rolls = step.view.storage.wrap < step.view.nbytes
                bus = (overhead + self._moved(step)) * self._pitch
                turns.append(_Turn(bus, True, free_after=len(turns) - 1 if rolls else -1))
            elif isinstance(step, Store):
                turns.append(_Turn(overhead * self._pitch))
            groups = sum(part.last - part.first for part in parts)
            for part in parts:
                placed = placements[len(at)]
                bus = (overhead + (overhead + self._loaded(part) if placed.load else 0)) * self._pitch
                free = at[placed.free_after] if placed.load and placed.free_after >= 0 else -1
                share = work * (part.last - part.first) // groups
                at.append(len(turns))
                turns.append(_Turn(bus, placed.load, 0 if part is not parts[0] else wait, share, free))
        return turns


def _paced(turns: Sequence[_Turn], start: int, drain: int, latency: int) -> int:
    """When the engine is done if the bus may start in cycle `start`: transfers in order, as early as their place is
    free, which is `drain` cycles after its last use; a use once its data is there."""
    bus, arrived, engine = start, 0, 0
    ended: list[int] = []
    for turn in turns:
        if turn.free_after >= 0:
            bus = max(bus, ended[turn.free_after] + drain)
        bus += turn.bus
        if turn.brings:
            arrived = bus + latency
        if turn.work:
            engine = max(engine + turn.wait, arrived) + turn.work
        ended.append(engine)
    return engine + drain
