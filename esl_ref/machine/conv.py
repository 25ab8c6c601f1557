# SPDX-License-Identifier: Apache-2.0
"""CONV: gather what the command's fields address, one matrix product per distinct input."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from esl_ref.arch import Arch
from esl_ref.errors import ProgramError
from esl_ref.machine.gemm import exact_product
from esl_ref.machine.geometry import Bytes, Ints, Rows, channel_count, inside, kernel_rows, positions
from esl_ref.machine.operands import Operands
from esl_ref.program.commands import Command

__all__ = ["conv"]

# Bytes of gathered operands worked on at once; bounds the memory a large strip needs.
_BLOCK = 1 << 25


class _Gather:
    """Rows of the ifm with padding filled in, viewed as [row, ox, kx, byte of the run]."""

    def __init__(self, command: Command, arch: Arch) -> None:
        self.command, self.arch = command, arch
        self.run = (command["chunks"] - 1) * arch.lanes + command["last_bytes"]
        counts = {name: command[name] for name in ("chunks", "kx_count", "ky_count")}
        if min(counts.values()) < 1 or not 1 <= command["last_bytes"] <= arch.lanes:
            raise ProgramError(f"impossible kernel: {counts}, last_bytes {command['last_bytes']}")
        self.rows: Rows = kernel_rows(command, command["oy_count"], command["ky_count"])
        first = positions(command, command["ox_count"], command["ox_step"], command["kx_count"])
        self.low, self.span = int(first[0, 0]), int(first[-1, -1]) - int(first[0, 0]) + self.run
        # The bytes of a padded row that some window takes and that are inside the map.
        taken = np.zeros(self.span, np.bool_)
        self._windows(taken[None])[...] = True
        where = self.low + np.flatnonzero(taken)
        self.columns: Ints = where[(where >= 0) & (where < command["ifm_row_bytes"])]

    def _windows(self, padded: npt.NDArray[Any]) -> npt.NDArray[Any]:
        row, byte = padded.strides
        shape = (len(padded), self.command["ox_count"], self.command["kx_count"], self.run)
        strides = (row, byte * self.command["ox_step"], byte * self.command["kx_step"], byte)
        return as_strided(padded, shape, strides, writeable=padded.flags.writeable)

    def addresses(self, group: int) -> Ints:
        """SRAM addresses read for a group: [valid row, column]."""
        offsets = self.rows.offset[self.rows.valid][:, None] + self.columns + group * self.command["group_step"]
        return inside(self.command, "ifm", offsets, self.arch.act_bytes)

    def rows_of(self, act: Bytes, group: int) -> Bytes:
        """[row, ox, kx, run] view of the padded rows."""
        padded = np.full((len(self.rows.offset), self.span), self.command["pad_value"], np.int8)
        valid = np.flatnonzero(self.rows.valid)
        padded[valid[:, None], self.columns - self.low] = act[self.addresses(group)]
        return self._windows(padded)


def conv(command: Command, arch: Arch, data: Operands) -> Ints:
    """Accumulators [oy, ox, C]."""
    gather = _Gather(command, arch)
    shared = command["group_step"] == 0
    distinct = 1 if shared else command["groups"]
    for group in range(distinct):
        data.reads(gather.addresses(group).ravel())
    weights = _weights(command, arch, data, gather.run)
    columns = weights.shape[1] // distinct
    parts = [
        _product(gather, data.act, group, weights[:, group * columns : (group + 1) * columns])
        for group in range(distinct)
    ]
    return np.concatenate(parts, axis=-1)[..., : channel_count(command, arch.lanes)]


def _product(gather: _Gather, act: Bytes, group: int, weights: Bytes) -> Ints:
    """[oy, ox, columns] for the output channels that share one input."""
    rows, index = gather.rows_of(act, group), gather.rows.index
    oy, ky = index.shape
    _, ox, kx, run = rows.shape
    step = max(1, _BLOCK // (ox * ky * kx * run))
    blocks = []
    for first in range(0, oy, step):
        window = rows[index[first : first + step]]  # [oy, ky, ox, kx, run]
        blocks.append(exact_product(window.transpose(0, 2, 1, 3, 4).reshape(-1, ky * kx * run), weights))
    return np.concatenate(blocks).reshape(oy, ox, -1)


def _weights(command: Command, arch: Arch, data: Operands, run: int) -> Bytes:
    """[K, groups * L] in the order of the gathered bytes; ProgramError if unused bytes carry weights."""
    runs = command["ky_count"] * command["kx_count"]
    words = data.words(command["wgt_first"], command["wgt_step"], command["groups"], runs * command["chunks"])
    by_byte = words.transpose(1, 3, 0, 2).reshape(runs, command["chunks"] * arch.lanes, command["groups"] * arch.lanes)
    if by_byte[:, run:, : channel_count(command, arch.lanes)].any():
        raise ProgramError(f"weights of unused bytes are not zero: a run has {run} bytes")
    return np.ascontiguousarray(by_byte[:, :run]).reshape(runs * run, -1)
