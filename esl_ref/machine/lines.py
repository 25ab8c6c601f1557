# SPDX-License-Identifier: Apache-2.0
"""Line buffers of the depthwise window: rows that a command leaves for the next one."""

from __future__ import annotations

from typing import Any

import numpy as np

from esl_ref.arch import Arch
from esl_ref.errors import ProgramError
from esl_ref.machine.geometry import Bytes, Flags, Ints, channel_count
from esl_ref.program.commands import Command

__all__ = ["Lines"]


class Lines:
    """`window_rows - 1` lines of `line_depth` columns of `lanes` bytes; line `a - 1`: the row of `a` passes ago."""

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        self.values: Bytes = np.zeros((arch.window_rows - 1, arch.line_depth, arch.lanes), np.int8)
        self.written = np.zeros(self.values.shape, np.bool_)

    def _columns(self, command: Command) -> Ints:
        """Line buffer columns of every group: [groups, cols]."""
        step = command["cols"] if command["line_keep"] else 0
        group = np.arange(command["groups"], dtype=np.int64)[:, None]
        columns: Ints = command["line_base"] + group * step + np.arange(command["cols"], dtype=np.int64)
        return columns

    def older(self, command: Command) -> Ints:
        """Rows of ages 1, 2... before the first one visited, [ages, cols, C]; padding where there are none."""
        columns = self._columns(command)
        ages = np.arange(len(self.values))
        kept = (command["older"] >> ages & 1).astype(np.bool_)
        if command["older"] >> len(ages):
            raise ProgramError(f"older rows {command['older']:#x}, there are {len(ages)} line buffers")
        written = self._rows(self.written[kept][:, columns], command)
        if not written.all():
            raise ProgramError("goes on with rows that no command has left in the line buffers")
        rows = self._rows(self.values[:, columns], command)
        return np.where(kept[:, None, None], rows, command["pad_value"]).astype(np.int32)

    def _rows(self, lines: Bytes | Flags, command: Command) -> Any:
        """[ages, groups, cols, lanes] -> [ages, cols, C]."""
        channels = channel_count(command, self.arch.lanes)
        ages, groups, cols, lanes = lines.shape
        return lines.transpose(0, 2, 1, 3).reshape(ages, cols, groups * lanes)[..., :channels]

    def leave(self, command: Command, visited: Bytes) -> None:
        """Store the rows visited, [passes, cols, C]. Groups that share columns leave nothing that may be used, nor do
        lanes beyond the last channel."""
        columns, lanes = self._columns(command), self.arch.lanes
        if not command["line_keep"] and command["groups"] > 1:
            self.written[:, columns] = False
            return
        padded = np.pad(visited, ((0, 0), (0, 0), (0, -visited.shape[2] % lanes)))
        channels = np.arange(padded.shape[2]).reshape(-1, 1, lanes) < visited.shape[2]
        grouped = padded.reshape(*visited.shape[:2], -1, lanes).transpose(0, 2, 1, 3)
        for row in grouped[-len(self.values) :]:
            self.values[1:, columns], self.written[1:, columns] = self.values[:-1, columns], self.written[:-1, columns]
            self.values[0, columns], self.written[0, columns] = row, channels
