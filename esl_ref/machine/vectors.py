# SPDX-License-Identifier: Apache-2.0
"""Operand vectors of the depthwise and pooling commands: one byte per channel at each tap, padding all or nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from esl_ref.arch import Arch
from esl_ref.machine.geometry import Bytes, Ints, Rows, channel_offsets, inside
from esl_ref.machine.operands import Operands
from esl_ref.program.commands import Command

__all__ = ["VectorReader"]


@dataclass(frozen=True)
class VectorReader:
    """Vectors at `rows` x `columns` (positions [ox, kx]) of the ifm, C channels each."""

    command: Command
    arch: Arch
    rows: Rows
    columns: Ints

    def read(self, data: Operands) -> Bytes:
        """[row, ox, kx, C] with padding filled in; the bytes it takes are declared as read."""
        command = self.command
        channels = channel_offsets(command, self.arch.lanes)
        inside_row = (self.columns >= 0) & (self.columns < command["ifm_row_bytes"])
        # Address only what is real: distinct columns, and everything else stays pad_value.
        distinct, inverse = np.unique(np.where(inside_row, self.columns, -1), return_inverse=True)
        real, valid = np.flatnonzero(distinct >= 0), np.flatnonzero(self.rows.valid)
        vectors = np.full((len(self.rows.offset), len(distinct), len(channels)), command["pad_value"], np.int8)
        if real.size and valid.size:
            offsets = self.rows.offset[valid, None, None] + distinct[real, None] + channels
            addresses = inside(command, "ifm", offsets, self.arch.act_bytes)
            data.reads(addresses.ravel())
            vectors[valid[:, None], real] = data.act[addresses]
        return vectors[:, inverse.reshape(self.columns.shape)]

    def vector_addresses(self) -> Ints:
        """SRAM address of lane 0 of group 0 of each vector, [row, ox, kx], for the in-place rule."""
        return self.command["ifm_base"] + self.rows.offset[:, None, None] + self.columns
