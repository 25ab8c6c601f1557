# SPDX-License-Identifier: Apache-2.0
"""Give streamed depthwise tasks line buffer columns of their own, so that their strips go on where the last stopped.

Each row is then read once, the ifm keeps no rows for the window, and a strip costs no refill. The columns of a group of
tasks are free again for the next group.
"""

from __future__ import annotations

from collections.abc import Mapping

from esl_ref.arch import Arch
from esl_ref.compiler.parts import columns_of, may_keep
from esl_ref.compiler.tasks import Task
from esl_ref.program.fields import Opcode

__all__ = ["columns_needed", "with_lines"]


def _is_window(task: Task) -> bool:
    return task.opcode is Opcode.DEPTHWISE_WINDOW and task.column


def with_lines(tasks: Mapping[int, Task], strip: int, arch: Arch) -> dict[int, Task]:
    """The tasks of one group, with line buffer columns for as many of its windows as run in strips and `line_depth` has
    room for: first come, first served, since every column saves alike. The others share the columns behind those."""
    windows = {i: t for i, t in tasks.items() if _is_window(t)}
    wanted = {
        i: columns_of(t) * t.groups(arch.lanes)
        for i, t in windows.items()
        if strip < t.ofm.height and t.stride[0] <= t.kernel[0] and may_keep(t)
    }
    shared = max((columns_of(t) for t in windows.values()), default=0)
    if len(wanted) == len(windows) and sum(wanted.values()) <= arch.line_depth:
        shared = 0  # nobody needs columns for a moment
    bases: dict[int, int] = {}
    used = 0
    for index, columns in wanted.items():
        if used + columns + shared <= arch.line_depth:
            bases[index], used = used, used + columns
    placed = {i: t.replace(lines=bases.get(i, used), keeps=i in bases) for i, t in windows.items()}
    return {**tasks, **placed}


def columns_needed(task: Task, lanes: int) -> int:
    """Line buffer columns up to the last one of a task."""
    if not _is_window(task):
        return 0
    return task.lines + columns_of(task) * (task.groups(lanes) if task.keeps else 1)
