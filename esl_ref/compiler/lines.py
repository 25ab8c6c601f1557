# SPDX-License-Identifier: Apache-2.0
"""Give streamed depthwise tasks line buffer columns of their own, so that their strips go on where the last stopped.

Each row is then read once, the ifm keeps no rows for the window, and a strip costs no refill. The columns of a group of
tasks are free again for the next group.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeGuard

from esl_ref.arch import Arch
from esl_ref.compiler.geometry import window_extent
from esl_ref.compiler.schedule import Compute, Step
from esl_ref.compiler.tasks import Task
from esl_ref.program.fields import Opcode

__all__ = ["columns_used", "keep_lines"]


def _streams(task: Task, strips: int) -> bool:
    """Worth it where there are several strips; possible where no padding row lies between two visited rows."""
    windows = task.opcode is Opcode.DEPTHWISE_WINDOW and task.column and strips > 1
    return windows and task.stride[0] <= task.kernel[0]


def keep_lines(steps: Sequence[Step], arch: Arch) -> list[Step]:
    """The steps of one group, with line buffer columns for as many of its streamed windows as `line_depth` has room for:
    first come, first served, since every column saves alike."""
    strips: dict[int, int] = {}
    for step in steps:
        if isinstance(step, Compute):
            strips[step.index] = strips.get(step.index, 0) + 1
    kept: dict[int, int] = {}
    used = 0
    shared = max((window_extent(s.task)[0] for s in steps if _is_window(s)), default=0)
    for step in steps:
        if not isinstance(step, Compute) or step.index in kept or not _streams(step.task, strips[step.index]):
            continue
        wanted = window_extent(step.task)[0] * step.task.groups(arch.lanes)
        if used + wanted + shared <= arch.line_depth:
            kept[step.index] = used
            used += wanted
    tasks: dict[int, Task] = {}
    return [_with(step, kept, used, tasks) for step in steps]


def _is_window(step: Step) -> TypeGuard[Compute]:
    return isinstance(step, Compute) and step.task.opcode is Opcode.DEPTHWISE_WINDOW and step.task.column


def _with(step: Step, kept: dict[int, int], used: int, tasks: dict[int, Task]) -> Step:
    """Windows that keep nothing use the columns behind the kept ones."""
    if not _is_window(step):
        return step
    if step.index not in tasks:
        keeps = step.index in kept
        tasks[step.index] = step.task.replace(lines=kept.get(step.index, used), keeps=keeps)
    return Compute(tasks[step.index], step.first, step.last, step.index, step.part)


def columns_used(steps: Sequence[Step], arch: Arch) -> int:
    """Line buffer columns that these steps need."""
    return max((_last_column(s.task, arch.lanes) for s in steps if _is_window(s)), default=0)


def _last_column(task: Task, lanes: int) -> int:
    cols = window_extent(task)[0]
    return task.lines + cols * (task.groups(lanes) if task.keeps else 1)
