# SPDX-License-Identifier: Apache-2.0
"""Tasks -> compute commands: the address arithmetic, in one place. Waits are added later."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from esl_ref.arch import Arch
from esl_ref.compiler.limits import LONGEST, cut, within_fields
from esl_ref.compiler.parts import blocks, skipped, window_extent
from esl_ref.compiler.tasks import Task
from esl_ref.compiler.views import View
from esl_ref.errors import PlanError
from esl_ref.program.commands import Command
from esl_ref.program.fields import Opcode

__all__ = ["borders", "commands", "kernel_rows_inside"]

_NONE: Mapping[str, int] = MappingProxyType({})


def commands(
    arch: Arch, task: Task, addresses: Mapping[str, int], rows: tuple[int, int], groups: tuple[int, int], word: int,
    part: tuple[int, int] | None = None,
) -> Iterator[tuple[Command, tuple[int, int]]]:  # fmt: skip
    """Commands for output rows [rows) and channel groups [groups) of `task`, each with the output rows it computes.

    `addresses`: SRAM address of every storage; `word`: weight word at which the records of group `groups[0]` lie;
    `part`: kernel rows of a sum that is spread over commands. LimitError for maps that no command can count.
    """
    with within_fields(f"operator '{task.op}'"):
        for strip in cut(*rows) if _high(task) and not part else (rows,):
            yield from _strip(arch, task, addresses, strip, groups, word, part)


def _high(task: Task) -> bool:
    """Whether a map has more rows than a command can count, and its commands may go over fewer at a time: none of them
    shares sums or line buffers with others."""
    return max(task.ifm.height, task.ofm.height) > LONGEST and not (task.parts or task.share or task.keeps)


def _strip(
    arch: Arch, task: Task, addresses: Mapping[str, int], rows: tuple[int, int], groups: tuple[int, int], word: int,
    part: tuple[int, int] | None,
) -> Iterator[tuple[Command, tuple[int, int]]]:  # fmt: skip
    """The same for rows that a command can count."""
    if task.parts:
        yield from _in_parts(arch, task, addresses, rows, groups, word)
        return
    if task.opcode is Opcode.DEPTHWISE_WINDOW:
        yield _window(arch, task, addresses, rows, groups, word, part), rows
        return
    if part:
        command = _kernel(arch, task, addresses, rows, groups, word, part)
        slots = {"acc_in": part[0] > 0, "acc_out": part[1] < task.kernel[0], "acc_base": task.acc_base or 0}
        yield command.replace(**slots), rows
        return
    if task.share:
        first = task.share.base + groups[0] * (rows[1] - rows[0]) * task.ofm.width
        slots = {"acc_in": task.share.number > 0, "acc_out": not task.share.last, "acc_base": first}
        yield _kernel(arch, task, addresses, rows, groups, word, (0, task.kernel[0])).replace(**slots), rows
        return
    if task.copies and groups == (0, task.groups(arch.lanes)):
        flat = _flattened(task, rows, arch.lanes)
        if flat is not None:
            whole = (0, 1), (0, flat.groups(arch.lanes))
            make = _eltwise if flat.opcode is Opcode.ELTWISE else _plain
            yield make(arch, flat, addresses, *whole, word), rows
            return
    if task.opcode is Opcode.ELTWISE:
        yield _eltwise(arch, task, addresses, rows, groups, word), rows
        return
    for (first, last), kernel_rows in borders(task, rows):
        yield _kernel(arch, task, addresses, (first, last), groups, word, kernel_rows), (first, last)


def _in_parts(
    arch: Arch, task: Task, addresses: Mapping[str, int], rows: tuple[int, int], groups: tuple[int, int], word: int
) -> Iterator[tuple[Command, tuple[int, int]]]:
    """Results that several commands sum in accumulator slots."""
    for block in blocks(task, rows, groups, arch.lanes):
        own, first = block.task, word + (block.groups[0] - groups[0]) * task.weights.per_group
        where = (arch, own, addresses, block.rows, block.groups, first)
        fields: dict[str, int] = {"acc_in": block.adds, "acc_out": block.keeps}
        fields["wgt_first"] = first + task.weights.first + block.part.word
        if own.opcode is Opcode.DEPTHWISE_WINDOW:
            lines = {"line_base": block.line, "line_keep": block.stays} if own.column else {}
            yield _window(*where, None, fields | lines), block.rows
        else:
            yield _kernel(*where, (0, own.kernel[0]), fields), block.rows


def _flattened(task: Task, rows: tuple[int, int], lanes: int) -> Task | None:
    """Rows of a pointwise task as one row of full vectors, where channels do not fill whole groups and no operand has
    gaps: 24 channels then take one and a half accesses, not two."""
    views = task.views
    size = (rows[1] - rows[0]) * task.ofm.width * task.ofm.channels
    if task.ofm.channels % lanes == 0 or size % lanes or size // lanes >= 1 << 14:
        return None
    if any((v.width, v.channels) != (task.ofm.width, task.ofm.channels) for v in views):
        return None  # padding or a part of the rows: their ends do not meet
    flat = [_flat_rows(v, rows, (1, size // lanes, lanes)) for v in views]
    if any(v is None for v in flat):
        return None
    ifm, ofm = flat[0], flat[-1]
    assert ifm is not None and ofm is not None
    return task.replace(ifm=ifm, ofm=ofm, ifm2=flat[1] if task.ifm2 is not None else None)


def _flat_rows(view: View, rows: tuple[int, int], shape: tuple[int, int, int]) -> View | None:
    dense = view.pixel_stride == view.channels and view.row_stride == view.width * view.channels and not view.channel
    start, size = view.row_offset(rows[0]), shape[1] * shape[2]
    if not dense or start + size > view.storage.wrap or view.height < rows[1]:
        return None
    return dataclasses.replace(view, offset=start).reshaped(shape)


def _plain(
    arch: Arch, task: Task, addresses: Mapping[str, int], rows: tuple[int, int], groups: tuple[int, int], word: int
) -> Command:
    """A copy without padding."""
    return _kernel(arch, task, addresses, rows, groups, word, (0, 1))


def borders(task: Task, rows: tuple[int, int]) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Output row ranges, each with the kernel rows [low, high) it runs: those inside the map where the task's weights
    have records for that, else all."""
    parts: list[tuple[tuple[int, int], tuple[int, int]]] = []
    for y in range(*rows):
        used = kernel_rows_inside(task, y)
        kept = used if used in task.weights.variants else (0, task.kernel[0])
        if parts and parts[-1][1] == kept:
            parts[-1] = ((parts[-1][0][0], y + 1), kept)
        else:
            parts.append(((y, y + 1), kept))
    return parts


def kernel_rows_inside(task: Task, y: int) -> tuple[int, int]:
    """Kernel rows that meet the map for output row y; all of them if none does (the sum of padding is still due)."""
    inside = [
        k
        for k in range(task.kernel[0])
        if 0 <= task.origin[0] + y * task.stride[0] + k * task.dilation[0] < task.ifm.height
    ]
    return (inside[0], inside[-1] + 1) if inside else (0, task.kernel[0])


def _fields(
    arch: Arch, task: Task, addresses: Mapping[str, int], rows: tuple[int, int], groups: tuple[int, int], word: int
) -> dict[str, int]:
    """What all compute commands share, except the row at which reading starts."""
    lanes, count = arch.lanes, groups[1] - groups[0]
    ofm, last = task.ofm, groups[1] == task.groups(arch.lanes)
    if not ((rows[0] < rows[1] or task.keeps) and count > 0):
        raise PlanError(f"empty strip {rows} of groups {groups}", where=task.op)
    return {
        "tag": task.layer,
        "pad_value": task.pad_value,
        "zero_out": task.post.zero,
        "low": task.post.low,
        "high": task.post.high,
        "rounding": task.post.rounding,
        "table": task.post.table is not None,
        "ifm_base": addresses[task.ifm.storage.name],
        "ifm_wrap": task.ifm.storage.wrap,
        "groups": count,
        "last_lanes": (ofm.channels - 1) % lanes + 1 if last else lanes,
        "ox_count": ofm.width,
        "oy_count": rows[1] - rows[0],
        "wgt_step": 0 if task.weights.shared else task.weights.per_group,
        "wgt_header": word,
        "ofm_base": addresses[ofm.storage.name],
        "ofm_wrap": ofm.storage.wrap,
        "ofm_start": _at(ofm, rows[0], ofm.channel + groups[0] * lanes),
        "ofm_row_step": ofm.step(1),
        "ofm_pix_step": ofm.pixel_stride,
    }


def _at(view: View, y: int, channel: int) -> int:
    """Offset of channel `channel` of pixel 0 of row y. Rows do not straddle the end of a storage, so it is below
    wrap."""
    return view.row_offset(y) + channel


def _walk(task: Task, rows: tuple[int, int], groups: tuple[int, int], lanes: int, ky: int) -> dict[str, int]:
    """Row and column walk of CONV, DEPTHWISE_TAPS, POOL and DEPTHWISE_WINDOW, from kernel row `ky`."""
    ifm, per_channel = task.ifm, task.opcode is not Opcode.CONV
    step = 0 if not per_channel or (task.spread and ifm.channels == 1) else lanes >> task.spread
    y0 = task.origin[0] + rows[0] * task.stride[0] + ky * task.dilation[0]
    channel = ifm.channel + groups[0] * step
    above, height = _counted(task, rows, y0)
    return {
        "ifm_y0": y0 - above,
        "ifm_start": ifm.row_offset(y0),
        "ifm_rows": height,
        "ifm_row_bytes": ifm.row_bytes,
        "ifm_x0": task.origin[1] * ifm.pixel_stride + channel,
        "group_step": step,
        "oy_rows": task.stride[0],
        "oy_step": ifm.step(task.stride[0]),
        "ox_step": task.stride[1] * ifm.pixel_stride,
    }


def _counted(task: Task, rows: tuple[int, int], y0: int) -> tuple[int, int]:
    """(rows not counted, rows counted after these) of the ifm, for a command that reads from row `y0` on: all of its
    rows where a command can count so many, else those that it reads, with what is left of the map below them."""
    above = max(0, y0) if task.ifm.height > LONGEST else 0
    below = task.ifm.height - above
    read = task.ifm_rows(*rows)[1] - above
    return above, LONGEST if read <= LONGEST < below else below


def _kernel(
    arch: Arch, task: Task, addresses: Mapping[str, int], rows: tuple[int, int], groups: tuple[int, int], word: int,
    kernel_rows: tuple[int, int], changes: Mapping[str, int] = _NONE,
) -> Command:  # fmt: skip
    """CONV, DEPTHWISE_TAPS, POOL, with some fields changed."""
    low, high = kernel_rows
    skipped = low * task.runs * task.chunks
    records = word + task.weights.records_of(kernel_rows)
    fields = _fields(arch, task, addresses, rows, groups, word)
    fields |= _walk(task, rows, groups, arch.lanes, low)
    fields |= {
        "ky_rows": task.dilation[0],
        "ky_step": task.ifm.step(task.dilation[0]),
        "ky_count": high - low,
        "kx_step": task.run_step,
        "kx_count": task.runs,
        "chunks": task.chunks,
        "last_bytes": task.run - (task.chunks - 1) * arch.lanes if task.opcode is Opcode.CONV else arch.lanes,
        "wgt_header": records,
        "wgt_first": word + task.weights.first + skipped,
        "pool_sum": task.pool_sum,
    }
    return Command(task.opcode, {**fields, **changes})


def _window(
    arch: Arch, task: Task, addresses: Mapping[str, int], rows: tuple[int, int], groups: tuple[int, int], word: int,
    part: tuple[int, int] | None, changes: Mapping[str, int] = _NONE,
) -> Command:  # fmt: skip
    """DEPTHWISE_WINDOW. Padding rows above the map are skipped: lines that no pass has filled read as padding.

    With `part`, these ifm rows are visited and nothing fires.
    """
    fields = _fields(arch, task, addresses, rows, groups, word) | _walk(task, rows, groups, arch.lanes, 0)
    ifm, (cols, fire_col) = task.ifm, window_extent(task)
    top = task.origin[0] + rows[0] * task.stride[0]
    above = top - fields["ifm_y0"]
    if part:
        y0, passes = part[0], part[1] - part[0]
        fire_row = passes
    else:
        skip_rows = _rows_skipped(task, rows[0], top)
        y0, fire_row = top + skip_rows, task.kernel[0] - 1 - skip_rows
        passes = (rows[1] - rows[0] - 1) * task.stride[0] + fire_row + 1
    fields |= {
        "ifm_y0": y0 - above,
        "ifm_start": ifm.row_offset(y0),
        "ifm_x0": fields["ifm_x0"] + skipped(task.origin[1], task.kernel[1]) * ifm.pixel_stride,
        "kx_step": ifm.pixel_stride,
        "kx_count": 1,
        "ky_count": 1,
        "ky_rows": 1,
        "ky_step": ifm.step(1),
        "chunks": task.chunks,
        "last_bytes": arch.lanes,
        "wgt_first": word + task.weights.first,
        "column": task.column,
        "passes": passes,
        "cols": cols,
        "fire_row": fire_row,
        "fire_col": fire_col,
        "spread": task.spread,
        "col_stride": task.stride[1],
    }
    if task.column:
        fields |= {"line_base": task.lines + groups[0] * cols * task.keeps, "line_keep": task.keeps}
    if task.keeps:
        fields["older"] = _older_rows(arch, task, y0)
    return Command(task.opcode, {**fields, **changes})


def _rows_skipped(task: Task, first: int, y0: int) -> int:
    """Rows from ifm row `y0` on that a window for output rows from `first` on need not visit: those that an earlier
    command has left in the line buffers, else those in the padding."""
    if task.keeps:
        return task.visited(first) - y0
    return skipped(y0, task.kernel[0]) if task.column else 0


def _older_rows(arch: Arch, task: Task, y0: int) -> int:
    """Which rows before ifm row `y0` the line buffers hold, bit by age: those of the map."""
    ages = range(1, min(task.kernel[0], arch.window_rows))
    return sum(1 << (age - 1) for age in ages if 0 <= y0 - age < task.ifm.height)


def _eltwise(
    arch: Arch, task: Task, addresses: Mapping[str, int], rows: tuple[int, int], groups: tuple[int, int], word: int
) -> Command:
    """ELTWISE: two operands, each a view of the ofm's shape (strides 0 where it broadcasts)."""
    assert task.ifm2 is not None and task.operands is not None
    a, b, o, shift = task.ifm, task.ifm2, task.operands, groups[0] * arch.lanes
    fields = _fields(arch, task, addresses, rows, groups, word)
    fields |= {
        "ifm_start": _at(a, rows[0], a.channel + shift),
        "group_step": arch.lanes,
        "ox_step": a.pixel_stride,
        "oy_rows": 1,
        "oy_step": a.step(1),
        "mul_a": o.multiplier[0],
        "mul_b": o.multiplier[1],
        "zero_a": o.zero[0],
        "zero_b": o.zero[1],
        "shift_a": o.shift[0],
        "shift_b": o.shift[1],
        "elt_mul": o.mul,
        "elt_sub": o.sub,
        "ifm2_base": addresses[b.storage.name],
        "ifm2_wrap": b.storage.wrap,
        "ifm2_start": _at(b, rows[0], b.channel + shift),
        "ifm2_row_step": b.step(1),
        "ifm2_pix_step": b.pixel_stride,
        "ifm2_group_step": arch.lanes,
    }
    return Command(task.opcode, fields)
