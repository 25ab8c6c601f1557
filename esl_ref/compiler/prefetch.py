# SPDX-License-Identifier: Apache-2.0
"""When weights are loaded: before commands of earlier layers, as soon as bus and weight SRAM have room for them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from esl_ref.arch import Arch
from esl_ref.compiler.overlap import Clock, clock_of
from esl_ref.compiler.steps import Compute, Load, Step
from esl_ref.compiler.weights import Chunk, Placement
from esl_ref.program.fields import COMMAND_BYTES

__all__ = ["Prefetch", "Use"]


@dataclass(frozen=True)
class Use:
    """A strip of a task with one chunk of its weights, or a load or store of a tensor."""

    step: Step
    chunk: Chunk | None = None
    placement: Placement | None = None

    @property
    def free_after(self) -> int:
        """The use after which this one's chunk may be loaded."""
        return self.placement.free_after if self.placement else -1


@dataclass
class _Pace:
    """Rough clocks of bus and compute engine, to tell when the bus would fall idle. In cycles."""

    arch: Arch
    clock: Clock
    bus: int = 0
    engine: int = 0
    ended: list[int] = field(default_factory=list)
    arrived: dict[int, int] = field(default_factory=dict)
    rows: dict[str, list[tuple[int, int]]] = field(default_factory=dict)

    def load(self, index: int, use: Use) -> None:
        """The bus brings a use's weights, not before the use that frees their place has ended."""
        if use.free_after >= 0:
            self.bus = max(self.bus, self.ended[use.free_after])
        self.bus += self.time(use)
        self.arrived[index] = self.bus

    def time(self, use: Use) -> int:
        """Bus cycles of a use's weights."""
        assert use.chunk is not None
        return use.chunk.beats(self.arch) + COMMAND_BYTES // self.arch.axi_bytes

    def move(self, use: Use) -> None:
        """A load or store is fetched, and a load's rows are brought."""
        step, arch = use.step, self.arch
        self.bus += COMMAND_BYTES // arch.axi_bytes
        if isinstance(step, Load):
            self.bus += (step.last - step.first) * -(-step.view.width * step.view.channels // arch.axi_bytes)
            self.rows.setdefault(step.view.storage.name, []).append((step.last, self.bus))

    def run(self, index: int, use: Use, of: int) -> None:
        """One of a strip's commands runs once its weights, and whatever rows were asked for before it, have come."""
        assert isinstance(use.step, Compute) and use.chunk is not None
        groups, step = use.chunk.last - use.chunk.first, use.step
        cost = self.clock.cost(step) * groups // step.task.groups(self.arch.lanes)
        self.bus += COMMAND_BYTES // self.arch.axi_bytes
        self.engine = max(self.engine, self.arrived.get(index, 0), self._rows_of(step)) + cost // of

    def _rows_of(self, step: Compute) -> int:
        """When the network input's rows that a step reads have come."""
        needed = step.ifm_rows()[1]
        times = self.rows.get(step.task.ifm.storage.name, [])
        return next((time for last, time in times if last >= needed), times[-1][1] if times else 0)


def _before_spare_rows(uses: list[Use], index: int, at: int) -> bool:
    """Whether the weights of use `at` go before use `index`: they are for the next strip, and `index` loads rows for
    later ones."""
    step, following = uses[index].step, uses[at].step
    if not (isinstance(step, Load) and isinstance(following, Compute)) or uses[at].free_after >= index:
        return False
    if any(isinstance(uses[between].step, Compute) for between in range(index, at)):
        return False
    task = following.task
    others = step.view.storage.name not in {v.storage.name for v in task.inputs}
    return others or (task.ifm2 is None and step.view == task.ifm and following.ifm_rows()[1] <= step.first)


class Prefetch:
    """Says which weights go before the next command: those it needs, and later ones whenever the bus would else fall
    idle and their place is free."""

    def __init__(self, arch: Arch, uses: list[Use]) -> None:
        self._uses, self._pace = uses, _Pace(arch, clock_of(arch))
        self._pending = deque(i for i, use in enumerate(uses) if use.placement and use.placement.load)
        self._last_rows = max((i for i, use in enumerate(uses) if isinstance(use.step, Load)), default=-1)

    def before(self, index: int) -> Iterator[tuple[Chunk, Placement]]:
        """What goes before the next command of use `index`."""
        while self._pending and self._goes(self._pending[0], index):
            at = self._pending.popleft()
            self._pace.load(at, self._uses[at])
            chunk, placement = self._uses[at].chunk, self._uses[at].placement
            assert chunk is not None and placement is not None
            yield chunk, placement

    def _goes(self, at: int, index: int) -> bool:
        return at <= index or _before_spare_rows(self._uses, index, at) or self._may(self._uses[at], index)

    def _may(self, use: Use, index: int) -> bool:
        """Whether a load for later may go before use `index`: its place is free, and the bus has nothing more urgent.

        While rows of the network input are still to come, it must not delay them either.
        """
        pace, rows_to_come = self._pace, index < self._last_rows
        return use.free_after < index and pace.bus + (pace.time(use) if rows_to_come else 0) < pace.engine

    def written(self, index: int, commands: int) -> None:
        """A command of use `index`, one of so many, has been written."""
        use = self._uses[index]
        if isinstance(use.step, Compute):
            self._pace.run(index, use, commands)
        else:
            self._pace.move(use)

    def ended(self) -> None:
        """The last command of the next use has been written."""
        self._pace.ended.append(self._pace.engine)
