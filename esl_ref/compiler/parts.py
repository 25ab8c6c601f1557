# SPDX-License-Identifier: Apache-2.0
"""Sums that several commands make together in accumulator slots: which part, for which results, in what order.

A depthwise window larger than the window register is cut into windows that fit; with a stride, a part may take every
n-th row and column of the kernel, since those meet every n-th row and column of the map only: a small window with no
stride. Weights that leave int8 are sums of addends that do not, and where an addend is zero nothing runs. The results
under way together fit the slots; they are computed part after part, group by group, so that line buffers serve one
group at a time. Where line buffers are shorter than a row of the map, strips of columns take turns.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from esl_ref.compiler.tasks import Part, Parts, Task
from esl_ref.errors import UnsupportedError
from esl_ref.program.fields import Opcode

__all__ = ["Block", "blocks", "columns_of", "fits_columns", "may_keep", "narrowed", "piece", "skipped", "window_extent"]


@dataclass(frozen=True)
class Block:
    """One command: `part` of the results in rows and channel groups [first, last) of `task`, the layer with just the
    part's taps, the columns of the block, and no parts.

    adds, keeps  whether slots are added, whether sums go into slots
    line, stays  first line buffer column; whether the rows read stay there for the block below
    """

    task: Task
    part: Part
    rows: tuple[int, int]
    groups: tuple[int, int]
    adds: bool
    keeps: bool
    line: int
    stays: bool = False


def skipped(origin: int, kernel: int) -> int:
    """Rows or columns in the padding in front of a map that a window need not visit: it reads padding where it has
    been nowhere yet. One visit is left even to a window that does not reach the map."""
    return min(max(0, -origin), kernel - 1)


def window_extent(task: Task) -> tuple[int, int]:
    """(columns visited per row, first column that fires): columns left of the map are skipped, not visited."""
    skip = skipped(task.origin[1], task.kernel[1])
    return (task.ofm.width - 1) * task.stride[1] + task.kernel[1] - skip, task.kernel[1] - 1 - skip


def piece(task: Task, part: Part) -> Task:
    """The layer with the taps of one part."""
    starts = (o + a * d for o, a, d in zip(task.origin, part.at, task.dilation, strict=True))
    (y, top), (x, left) = (divmod(start, every) for start, every in zip(starts, part.every, strict=True))
    ifm = task.ifm
    if part.every != (1, 1):
        shape = (max(0, ifm.height - top), max(0, ifm.width - left), ifm.channels)
        ifm = ifm.window(top, left, 0, shape).strided(*part.every)
    first, run = part.run
    return task.replace(
        ifm=dataclasses.replace(ifm, channel=ifm.channel + first), run=run, origin=(y, x), kernel=part.kernel,
        chunks=part.chunks, column=part.column, parts=None,
        stride=(task.stride[0] // part.every[0], task.stride[1] // part.every[1]),
    )  # fmt: skip


def columns_of(task: Task) -> int:
    """Line buffer columns that one group of a depthwise window takes."""
    return max(_columns(task))


def fits_columns(task: Task, columns: int) -> bool:
    """Whether one group takes no more than so many. Kernels of many parts ask for many widths of strips: the first
    strip that is too wide is the answer."""
    return all(taken <= columns for taken in _columns(task))


def _columns(task: Task) -> Iterator[int]:
    """Line buffer columns of every strip of columns."""
    if task.parts is None:
        yield window_extent(task)[0]
        return
    together = sum if task.parts.keeps else max
    for strip in _strips(task, task.parts.wide):
        wanted = [window_extent(piece(strip, p))[0] for p in task.parts.each if p.column]
        yield together(wanted) if wanted else 0
    if all(part.groups is None for part in task.parts.each):
        return
    for part in (p for p in task.parts.each if p.column):  # which may be the only one of some groups
        yield from (window_extent(piece(strip, part))[0] for strip in _strips(task, _alone(task, part)))


def may_keep(task: Task) -> bool:
    """Whether the line buffers may keep all rows of a window, or of the parts of one, from strip to strip."""
    parts = task.parts
    if parts is None:
        return True
    return parts.keeps and parts.wide >= task.ofm.width and all(part.groups is None for part in parts.each)


def _strips(task: Task, wide: int) -> Iterator[Task]:
    """The layer with the results of one strip of columns, for all of them from the left."""
    width = task.ofm.width
    for x in range(0, width, wide):
        ofm = task.ofm.window(0, x, 0, (task.ofm.height, min(wide, width - x), task.ofm.channels))
        yield task.replace(ofm=ofm, origin=(task.origin[0], task.origin[1] + x * task.stride[1]))


def narrowed(task: Task, columns: int) -> Task:
    """The task, in strips of columns if its window visits more than the line buffers have. UnsupportedError if they are
    shorter than its kernel."""
    if task.opcode is not Opcode.DEPTHWISE_WINDOW or not task.column or columns_of(task) <= columns:
        return task
    if task.kernel[1] > columns:
        raise UnsupportedError(
            f"a kernel of {task.kernel[1]} columns, line buffers of {columns}", where=f"operator '{task.op}'",
            hint=f"needs line_depth >= {task.kernel[1]}",
        )  # fmt: skip
    part = Part(task.kernel, chunks=task.chunks, column=True)
    return task.replace(parts=Parts((part,), 0, _results_in(task, columns), columns))


def _results_in(window: Task, columns: int) -> int:
    """Columns of results for which a window visits no more than so many columns, wherever in the map."""
    return (columns - window.kernel[1]) // window.stride[1] + 1


def blocks(task: Task, rows: tuple[int, int], groups: tuple[int, int], lanes: int) -> Iterator[Block]:
    """Commands for output rows and channel groups [first, last) of a task in parts, in their order."""
    assert task.parts is not None
    kept = task.groups(lanes) if task.keeps else 0
    results = (rows[1] - rows[0]) * task.ofm.width
    for first, last in _alike(task, groups):
        used = [part for part in task.parts.each if part.adds_to(first)] or [task.parts.each[0]]
        if len(used) == 1:
            for strip in _strips(task, _alone(task, used[0])):
                yield Block(piece(strip, used[0]), used[0], rows, (first, last), False, False, task.lines)
            continue
        together = task.parts.slots // results
        for group in range(first, last, max(1, together)):
            if together:
                below = task.keeps and rows[0] > 0
                yield from _summed(task, used, rows, (group, min(last, group + together)), task.keeps, below, kept)
            else:
                yield from _in_rows(task, used, rows, group, kept)


def _alone(task: Task, part: Part) -> int:
    """Columns of results for which one part, with the line buffers for itself, runs at a time."""
    assert task.parts is not None
    own = piece(task, part)
    if not part.column or window_extent(own)[0] <= task.parts.columns:
        return task.ofm.width
    return _results_in(own, task.parts.columns)


def _alike(task: Task, groups: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Ranges of groups that have the same parts."""
    assert task.parts is not None
    each = task.parts.each
    first = groups[0]
    for group in range(*groups):
        if [p.adds_to(group) for p in each] != [p.adds_to(first) for p in each]:
            yield first, group
            first = group
    yield first, groups[1]


def _in_rows(task: Task, used: list[Part], rows: tuple[int, int], group: int, kept: int) -> Iterator[Block]:
    """One group whose results do not fit the slots: strips of columns, and in them as many rows as fit, the line
    buffers keeping what the next ones read again."""
    assert task.parts is not None
    for strip in _strips(task, task.parts.wide):
        high = max(1, task.parts.slots // strip.ofm.width)
        for y in range(rows[0], rows[1], high):
            below = y > (0 if task.keeps else rows[0]) and task.parts.keeps
            span = (y, min(rows[1], y + high))
            yield from _summed(strip, used, span, (group, group + 1), task.parts.keeps, below, kept)


def _summed(
    task: Task, used: list[Part], rows: tuple[int, int], groups: tuple[int, int], lines: bool, below: bool, kept: int
) -> Iterator[Block]:
    """All parts of results that fit the slots. lines: their rows stay in the line buffers; below: the rows above have
    left what these read there; kept: groups that have columns of their own, for the next strip, 0 if they share."""
    columns = 0
    for number, part in enumerate(used):
        own = piece(task, part)
        wide = window_extent(own)[0] if lines and part.column else 0
        line = task.lines + (columns * kept + groups[0] * wide if kept else columns)
        stays = wide > 0 and own.kernel[0] > own.stride[0]
        yield Block(
            own.replace(keeps=stays and below), part, rows, groups, number > 0, number < len(used) - 1, line, stays
        )
        columns += wide
