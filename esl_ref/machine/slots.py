# SPDX-License-Identifier: Apache-2.0
"""Accumulator slots: partial sums handed on from compute command to compute command."""

from __future__ import annotations

import numpy as np

from esl_ref.arch import Arch
from esl_ref.errors import NumericError
from esl_ref.machine.faults import MachineFault
from esl_ref.machine.geometry import Ints
from esl_ref.machine.scoreboard import Scoreboard
from esl_ref.numerics import INT32_MAX, INT32_MIN
from esl_ref.program.commands import Command
from esl_ref.program.fields import ErrorCode

__all__ = ["Slots"]


class Slots:
    """`acc_words` vectors of `lanes` int32. Compute commands touch them in stream order, which is all they need."""

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        self.values: Ints = np.zeros((arch.acc_words, arch.lanes), np.int64)
        self.written = np.zeros(arch.acc_words, np.bool_)

    def apply(self, command: Command, acc: Ints, board: Scoreboard) -> Ints:
        """acc [oy, ox, C] plus the slots if `acc_in`; the sum goes into the slots if `acc_out`."""
        vectors, lanes = self._vectors(acc), self.arch.lanes
        first, last = command["acc_base"], command["acc_base"] + len(vectors)
        if last > self.arch.acc_words:
            what = f"accumulator slots up to {last} of {self.arch.acc_words}"
            raise MachineFault(ErrorCode.BAD_ADDRESS, board.index, what, where=board.where())
        if command["acc_in"]:
            unwritten = np.flatnonzero(~self.written[first:last])
            if unwritten.size:
                board.fail("accumulator", first + int(unwritten[0]), first + int(unwritten[0]),
                           "adds {range}, which nothing has written", unit="slot")  # fmt: skip
            vectors = vectors + self.values[first:last]
        if vectors.size and not INT32_MIN <= int(vectors.min()) <= int(vectors.max()) <= INT32_MAX:
            raise NumericError("a partial sum leaves int32", where=board.where())
        if command["acc_out"]:
            self.values[first:last], self.written[first:last] = vectors, True
        rows, columns, channels = acc.shape
        grouped = vectors.reshape(-1, rows, columns, lanes).transpose(1, 2, 0, 3)
        return grouped.reshape(rows, columns, -1)[..., :channels]

    def _vectors(self, acc: Ints) -> Ints:
        """[oy, ox, C] -> [result, lane], results in the order group, oy, ox; unused lanes 0."""
        lanes = self.arch.lanes
        padded = np.pad(acc.astype(np.int64), ((0, 0), (0, 0), (0, -acc.shape[2] % lanes)))
        grouped = padded.reshape(*acc.shape[:2], -1, lanes).transpose(2, 0, 1, 3)
        return grouped.reshape(-1, lanes)
