# SPDX-License-Identifier: Apache-2.0
"""Order of transfers through external memory: a load may read what a store wrote only when that is known complete."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from esl_ref.machine.scoreboard import Scoreboard

__all__ = ["ExternalOrder"]


@dataclass
class _Transfers:
    """Address ranges [first, end) and the command of each."""

    first: list[int] = field(default_factory=list)
    end: list[int] = field(default_factory=list)
    command: list[int] = field(default_factory=list)

    def add(self, first: int, end: int, index: int) -> None:
        self.first.append(first)
        self.end.append(end)
        self.command.append(index)

    def overlapping(self, first: int, end: int) -> list[int]:
        """Indices of commands that touch [first, end)."""
        hit = (np.asarray(self.first) < end) & (np.asarray(self.end) > first)
        return [self.command[i] for i in np.flatnonzero(hit)]


class ExternalOrder:
    """Checks loads against earlier stores and stores against earlier loads."""

    def __init__(self, board: Scoreboard, scratch: tuple[int, int]) -> None:
        self._board, self._scratch = board, scratch
        self._loads, self._stores = _Transfers(), _Transfers()
        self._written = np.zeros(max(0, scratch[1] - scratch[0]), np.bool_)

    def load(self, first: int, end: int, index: int, rows: int = 1, pitch: int = 0, row_bytes: int = 0) -> None:
        """A load of [first, end); the rest describes its rows, whose fill bytes nobody needs to have written."""
        for other in self._stores.overlapping(first, end):
            if not self._board.is_complete(other):
                self._fail(first, end, "loads {range} while {other} may still be storing it", other)
        low, high = self._scratch
        if low <= first < high:
            offsets = first - low + (pitch * np.arange(rows)[:, None] + np.arange(row_bytes or end - first)).ravel()
            missing = offsets[(offsets < high - low)][~self._written[offsets[offsets < high - low]]]
            if missing.size:
                self._fail(low + int(missing[0]), low + int(missing[-1]) + 1, "loads {range}, which nothing has stored")
        self._loads.add(first, end, index)

    def store(self, first: int, end: int, index: int) -> None:
        """A store to [first, end)."""
        for other in self._loads.overlapping(first, end):
            if not self._board.is_complete(other):
                self._fail(first, end, "overwrites {range} while {other} may still be loading it", other)
        low, high = self._scratch
        if low <= first < high:
            self._written[first - low : end - low] = True
        self._stores.add(first, end, index)

    def _fail(self, first: int, end: int, text: str, other: int = -1) -> None:
        self._board.fail("external", first, end - 1, text, other)
