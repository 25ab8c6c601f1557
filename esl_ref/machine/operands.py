# SPDX-License-Identifier: Apache-2.0
"""What a compute command may touch: SRAM and weight words, every read of them on record."""

from __future__ import annotations

import numpy as np

from esl_ref.arch import Arch
from esl_ref.machine.faults import MachineFault
from esl_ref.machine.geometry import Bytes, Ints
from esl_ref.machine.lines import Lines
from esl_ref.machine.scoreboard import Scoreboard
from esl_ref.program.fields import ErrorCode

__all__ = ["Operands"]


class Operands:
    """The memories as one command sees them. `read_bytes`: the SRAM addresses it has read, for the in-place rule."""

    def __init__(self, arch: Arch, act: Bytes, weight: Bytes, board: Scoreboard, lines: Lines) -> None:
        self.arch, self.act, self._weight, self._board, self.lines = arch, act, weight, board, lines
        self.read_bytes: list[Ints] = []

    def reads(self, addresses: Ints) -> None:
        """Declare SRAM bytes (flat) as read by this command: checked before they are used."""
        self._board.read(self._board.act, addresses)
        self.read_bytes.append(addresses)

    def words(self, first: int, step: int, groups: int, count: int) -> Bytes:
        """Weight words `first + g * step + k`: int8 [groups, count, lane, byte]."""
        index = first + step * np.arange(groups, dtype=np.int64)[:, None] + np.arange(count, dtype=np.int64)
        if int(index.max()) >= self.arch.weight_words:
            what = f"reads weight word {int(index.max())} of {self.arch.weight_words}"
            raise MachineFault(ErrorCode.BAD_ADDRESS, self._board.index, what, where=self._board.where())
        self._board.read(self._board.weight, index.ravel())
        words: Bytes = self._weight[index]
        return words
