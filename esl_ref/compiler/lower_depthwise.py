# SPDX-License-Identifier: Apache-2.0
"""Depthwise convolution: of all ways to run one, the way with the fewest issue cycles."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from itertools import accumulate, product

import numpy as np
import numpy.typing as npt

from esl_ref import ir
from esl_ref.arch import Arch
from esl_ref.compiler.overlap import issue_cycles
from esl_ref.compiler.packing import Packed, addends, pack_depthwise, tap_slots, window_chunks, window_slots
from esl_ref.compiler.parts import fits_columns
from esl_ref.compiler.steps import WHOLE, Compute
from esl_ref.compiler.tasks import Part, Parts, Task
from esl_ref.compiler.wide import leaves_int8
from esl_ref.numerics import Requant
from esl_ref.program.fields import COMMAND_BYTES, Opcode

__all__ = ["as_depthwise", "by_phases", "cycles_of", "in_parts", "spread_of"]

Ints = npt.NDArray[np.int64]
Pair = tuple[int, int]

_ENOUGH = 24
"""Rows of results by which ways to run a layer are compared."""


def in_parts(op: ir.DepthwiseConv2D, arch: Arch) -> bool:
    """Whether several commands sum up its results: no window holds the kernel, or int8 does not hold its weights."""
    kernel: Pair = op.weight.shape[:2]
    small = bool(_whole_window(arch, kernel)) or op.dilation != (1, 1)
    return op.multiplier == 1 and (not small or leaves_int8(op))


def spread_of(arch: Arch, channels: int, multiplier: int) -> int | None:
    """The `Task.spread` with which one command serves all output channels; None if lanes cannot share bytes so."""
    if channels == 1 and multiplier > 1:
        return arch.lanes.bit_length() - 1
    if multiplier & (multiplier - 1) or multiplier > arch.lanes:
        return None
    return multiplier.bit_length() - 1


def cycles_of(arch: Arch, task: Task, rows: int = _ENOUGH) -> int:
    """Issue cycles of so many rows, or as many as tell ways apart, all groups of channels."""
    return issue_cycles(Compute(task, 0, min(task.ofm.height, rows), 0), arch)


def as_depthwise(arch: Arch, task: Task, weight: Ints, bias: Ints, zero_in: int, requant: Requant, slots: int) -> Task:
    """Complete a task with depthwise weights int64 [KH, KW, C]. `slots`: accumulator slots that its sums may use.

    The first of equals wins, which is the simplest; see docs/engine.md for the mappings.
    """
    found: list[Task] = []
    for opcode, windows in _ways(arch, task):
        packed, parts = _packed(arch, opcode, windows, weight)
        weights = pack_depthwise(arch, weight, packed, bias, zero_in, requant, task.op)
        made = task.replace(opcode=opcode, weights=weights)
        if opcode is Opcode.DEPTHWISE_TAPS:
            made = made.replace(runs=task.kernel[1], run_step=task.dilation[1] * task.ifm.pixel_stride)
        way = _summed(arch, made, parts, slots)
        found += [way] if way else []
    return min(found, key=lambda made: _cycles(arch, made))


def by_phases(
    arch: Arch, task: Task, weight: Ints, bias: Ints, zero_in: int, requant: Requant, slots: int
) -> list[Task]:
    """A layer, complete: one task, or with a dilation a task without for each phase of the map, if that is faster."""
    constants = (weight, bias, zero_in, requant, slots)
    whole = as_depthwise(arch, task, *constants)
    dilated = task.dilation != (1, 1) and task.stride == (1, 1)
    phases = [as_depthwise(arch, phase, *constants) for phase in _phases(task)] if dilated else []
    fetch = len(phases) * COMMAND_BYTES // arch.axi_bytes
    fewer = sum(_cycles(arch, phase, WHOLE) for phase in phases) + fetch < _cycles(arch, whole, WHOLE)
    return phases if phases and fewer else [whole]


def _phases(task: Task) -> Iterator[Task]:
    """Every n-th output row and column of a dilated layer reads every n-th of the map only, side by side."""
    ifm, ofm, (dy, dx) = task.ifm, task.ofm, task.dilation
    for a, b in product(range(min(dy, ofm.height)), range(min(dx, ofm.width))):
        (y, top), (x, left) = divmod(task.origin[0] + a, dy), divmod(task.origin[1] + b, dx)
        shape = max(0, ifm.height - top), max(0, ifm.width - left), ifm.channels
        out = ofm.window(a, b, 0, (ofm.height - a, ofm.width - b, ofm.channels)).strided(dy, dx)
        share = task.macs * out.height * out.width // (ofm.height * ofm.width)
        own = ifm.window(top, left, 0, shape).strided(dy, dx)
        yield task.replace(ifm=own, ofm=out, origin=(y, x), dilation=(1, 1), macs=share)


def _summed(arch: Arch, task: Task, parts: Sequence[Part], slots: int) -> Task | None:
    """The task by one command, or in parts: in the widest strips of columns whose rows the line buffers hold, None if
    they are too short for any."""
    if len(parts) == 1 and parts[0].groups is None:
        return task.replace(column=parts[0].column, chunks=parts[0].chunks)
    if not slots:
        return None
    width, each = task.ofm.width, tuple(_ordered(parts))
    task = task.replace(column=any(part.column for part in parts))
    sizes = dict.fromkeys(-(-width // strips) for strips in range(-(-width // slots), width + 1))
    for keeps, wide in product((True, False), sizes):
        made = task.replace(parts=Parts(each, slots, wide, arch.line_depth, keeps))
        if fits_columns(made, arch.line_depth):
            return made
    return None


def _cycles(arch: Arch, task: Task, rows: int = _ENOUGH) -> int:
    """The same of the first group of channels."""
    one = task.ofm.window(0, 0, 0, (task.ofm.height, task.ofm.width, min(arch.lanes, task.ofm.channels)))
    return cycles_of(arch, task.replace(ofm=one), rows)


def _ordered(parts: Sequence[Part]) -> list[Part]:
    """The parts of fewest array cycles first and last: a result in between, which takes a slot and gives it back, has
    to keep a distance in which it can do more."""
    ordered = sorted(parts, key=lambda part: part.chunks)
    return [ordered[0], *ordered[2:], *ordered[1:2]]


def _packed(arch: Arch, opcode: Opcode, windows: Sequence[Part], weight: Ints) -> tuple[list[Packed], list[Part]]:
    """Weights of every window and addend that has any, and their parts."""
    packed: list[Packed] = []
    parts: list[Part] = []
    for addend, part in product(addends(weight), windows):
        taps = addend[part.at[0] :: part.every[0], part.at[1] :: part.every[1]][: part.kernel[0], : part.kernel[1]]
        groups = frozenset((np.flatnonzero(taps.any(axis=(0, 1))) // arch.lanes).tolist())
        if packed and not groups:
            continue
        all_groups = len(groups) == -(-weight.shape[2] // arch.lanes) or not parts
        column = part.column
        slots = tap_slots(arch, taps) if opcode is Opcode.DEPTHWISE_TAPS else window_slots(arch, taps, column=column)
        word = sum(p.shape[1] for p, _ in packed)
        packed.append(slots)
        parts.append(dataclasses.replace(part, word=word, groups=None if all_groups else groups))
    return packed, parts


def _whole_window(arch: Arch, kernel: Pair) -> list[Part]:
    """The windows that hold a kernel."""
    row = [Part(kernel)] if kernel[0] == 1 and kernel[1] <= arch.lanes else []
    if kernel[0] > arch.window_rows or kernel[1] > arch.window_cols:
        return row
    return [*row, Part(kernel, chunks=window_chunks(arch, kernel[1], True), column=True)]


def _ways(arch: Arch, task: Task) -> Iterator[tuple[Opcode, Sequence[Part]]]:
    """Windows that together have all taps: tap by tap, in one window, or in several that fit."""
    if task.spread == 0:
        yield Opcode.DEPTHWISE_TAPS, [Part(task.kernel)]
    if task.dilation != (1, 1):
        return
    whole = _whole_window(arch, task.kernel)
    for window in whole:
        yield Opcode.DEPTHWISE_WINDOW, [window]
    if not whole:
        for windows in dict.fromkeys(_tilings(arch, task)):
            yield Opcode.DEPTHWISE_WINDOW, windows


def _tilings(arch: Arch, task: Task) -> Iterator[tuple[Part, ...]]:
    """Cuts of the kernel into windows, of neighbouring taps or of every n-th with a stride of n."""
    columns = arch.window_cols_per_chunk
    widest = {arch.window_cols, max(1, arch.window_cols // columns * columns) if columns else 1}
    for every in dict.fromkeys(product((1, task.stride[0]), (1, task.stride[1]))):
        for rows, wide in product(_cuts(task.kernel[0], every[0], {arch.window_rows}),
                                  _cuts(task.kernel[1], every[1], widest)):  # fmt: skip
            yield tuple(_window(arch, r, c, every) for r, c in product(rows, wide))
        single = next(_cuts(task.kernel[0], every[0], {1}))
        for wide in _cuts(task.kernel[1], every[1], {arch.lanes}):
            yield tuple(_window(arch, r, c, every) for r, c in product(single, wide))


Cut = tuple[int, int]
"""First tap of a cut along one axis, and its taps."""


def _cuts(size: int, every: int, most: set[int]) -> Iterator[tuple[Cut, ...]]:
    """Ways to cut `size` taps along an axis into runs of every `every`-th tap, no longer than one of `most`: as long as
    they may be, and as equal."""
    for limit in sorted(most, reverse=True):
        for equal in (False, True):
            cuts: list[Cut] = []
            for phase in range(min(every, size)):
                taps = -(-(size - phase) // every)
                count = -(-taps // limit)
                length = -(-taps // count) if equal else limit
                sizes = [min(length, taps - first) for first in range(0, taps, length)]
                starts = accumulate(sizes[:-1], initial=0)
                cuts += [(phase + start * every, n) for start, n in zip(starts, sizes, strict=True)]
            yield tuple(cuts)


def _window(arch: Arch, rows: Cut, columns: Cut, every: Pair) -> Part:
    kernel = rows[1], columns[1]
    one_row = kernel[0] == 1 and kernel[1] <= arch.lanes
    chunks = 1 if one_row else window_chunks(arch, kernel[1], True)
    return Part(kernel, (rows[0], columns[0]), every, chunks=chunks, column=not one_row)
