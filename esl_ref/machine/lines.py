# SPDX-License-Identifier: Apache-2.0
"""Line buffers of the depthwise window: rows that a command leaves for the next one."""

from __future__ import annotations

import numpy as np

from esl_ref.arch import Arch
from esl_ref.errors import ProgramError
from esl_ref.machine.geometry import Bytes, Ints, channel_count
from esl_ref.program.commands import Command

__all__ = ["Lines"]


class Lines:
    """`window_rows - 1` lines of `line_depth` columns of `lanes` bytes; line `a - 1`: the row of `a` passes ago."""

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        self.values: Bytes = np.zeros((arch.window_rows - 1, arch.line_depth, arch.lanes), np.int8)
        self.written = np.zeros((arch.window_rows - 1, arch.line_depth), np.bool_)

    def _columns(self, command: Command) -> Ints:
        """Line buffer columns of every group: [groups, cols]."""
        step = command["cols"] if command["line_keep"] else 0
        group = np.arange(command["groups"], dtype=np.int64)[:, None]
        columns: Ints = command["line_base"] + group * step + np.arange(command["cols"], dtype=np.int64)
        return columns

    def older(self, command: Command) -> Ints:
        """Rows of ages 1, 2... before the first one visited, [ages, cols, C]; padding where there are none."""
        columns, channels = self._columns(command), channel_count(command, self.arch.lanes)
        ages = np.arange(len(self.values))
        kept = (command["older"] >> ages & 1).astype(np.bool_)
        if command["older"] >> len(ages):
            raise ProgramError(f"older rows {command['older']:#x}, there are {len(ages)} line buffers")
        if kept.any() and not self.written[kept][:, columns].all():
            raise ProgramError("goes on with rows that no command has left in the line buffers")
        rows = self.values[:, columns].transpose(0, 2, 1, 3).reshape(len(ages), command["cols"], -1)[..., :channels]
        return np.where(kept[:, None, None], rows, command["pad_value"]).astype(np.int32)

    def leave(self, command: Command, visited: Bytes) -> None:
        """Store the rows visited, [passes, cols, C]. Groups that share columns leave nothing that may be used."""
        columns, lanes = self._columns(command), self.arch.lanes
        if not command["line_keep"] and command["groups"] > 1:
            self.written[:, columns] = False
            return
        padded = np.pad(visited, ((0, 0), (0, 0), (0, -visited.shape[2] % lanes)))
        grouped = padded.reshape(*visited.shape[:2], -1, lanes).transpose(0, 2, 1, 3)
        for row in grouped[-len(self.values) :]:
            self.values[1:, columns], self.written[1:, columns] = self.values[:-1, columns], self.written[:-1, columns]
            self.values[0, columns], self.written[0, columns] = row, True
