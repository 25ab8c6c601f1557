# SPDX-License-Identifier: Apache-2.0
"""What a schedule is made of: loads, strips of tasks and stores in order, and the groups they come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from esl_ref.compiler.tasks import Task
from esl_ref.compiler.views import View

__all__ = ["WHOLE", "Compute", "Group", "Load", "Schedule", "Step", "Store", "views_of"]

WHOLE = 1 << 20
"""Strip height of a task that is not cut."""


@dataclass(frozen=True)
class Load:
    """Rows [first, last) of a network input or constant, in the row structure of `view`; if `parked`, of a storage that
    was stored before."""

    tensor: str
    view: View
    first: int
    last: int
    parked: bool = False


@dataclass(frozen=True)
class Store:
    """Rows [first, last) of a tensor with dense pixels, from its storage to a surface; `trace` for one kept only for
    comparison, `parked` for a storage that is loaded again."""

    tensor: str
    view: View
    first: int
    last: int
    trace: bool = False
    parked: bool = False

    @property
    def whole(self) -> bool:
        """Whether the tensor leaves in one go."""
        return (self.first, self.last) == (0, self.view.height)


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


def views_of(step: Step) -> tuple[View, ...]:
    """The views that a step reads or writes."""
    return step.task.views if isinstance(step, Compute) else (step.view,)
