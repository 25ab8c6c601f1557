# SPDX-License-Identifier: Apache-2.0
"""Cycles in which a store reads its vectors and hands over its beats.

All rows of a store are alike, and after the first few the storer is in the same state before each: a row is worked out
once per state, relative to the last beat before it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from esl_ref.arch import Arch
from esl_ref.machine.timing.control_timing import ControlTiming
from esl_ref.machine.timing.ports import Run, runs

__all__ = ["Moved", "StoreRows"]


class _State(NamedTuple):
    """Before a row, relative to the last beat: the last vector's read and arrival, and when places for vectors came
    free."""

    read: int
    arrived: int
    gone: tuple[int, ...]


class _Row(NamedTuple):
    """Reads, as runs, and cycles of beats, relative to the last beat before; the state behind the row."""

    reads: tuple[Run, ...]
    beats: tuple[int, ...]
    after: _State


@dataclass
class Moved:
    """Rows of a store: the last beat before each, and its beats relative to that; last read and beat of all."""

    rows: list[tuple[int, _Row]]
    read: int
    beat: int

    def cycle(self, number: int) -> int:
        """When beat `number` of the store moves into the write channel."""
        each = len(self.rows[0][1].beats)
        base, row = self.rows[number // each]
        return base + row.beats[number % each]


class StoreRows:
    """Reads run ahead of beats by as many vectors as the storer holds."""

    def __init__(self, arch: Arch, control: ControlTiming, pitch: int) -> None:
        self._arch, self._control, self._pitch = arch, control, pitch
        self._known: dict[tuple[int, _State], _Row] = {}

    def move(self, rows: int, row_bytes: int, start: int, free: int) -> Moved:
        """A store that starts in cycle `start`, the write channel being free from `free` on."""
        beat = max(start + 1, free - 1)
        state = _State(start - beat, start - beat, (start - beat,) * self._control.vectors)
        moved = []
        for _ in range(rows):
            key = row_bytes, state
            if key not in self._known:
                self._known[key] = self._row(row_bytes, state)
            row = self._known[key]
            moved.append((beat, row))
            beat, state = beat + row.beats[-1], row.after
        return Moved(moved, beat + state.read, beat)

    def _row(self, row_bytes: int, state: _State) -> _Row:
        arch, read_to_beat = self._arch, self._control.read_to_beat
        per_vector = max(1, arch.lanes // arch.axi_bytes)
        reads_per_beat = max(1, arch.axi_bytes // arch.lanes)
        read, arrived, gone = state.read, state.arrived, deque(state.gone, self._control.vectors)
        row_beats, left = -(-row_bytes // arch.axi_bytes), -(-row_bytes // arch.lanes)
        beat, reads, beats = 0, list[int](), list[int]()
        for first in range(0, row_beats, per_vector):
            joined = min(reads_per_beat, left)
            left -= joined
            for _ in range(joined):
                read = max(read + 1, gone[0] + 1)
                reads.append(read)
                arrived = max(read + read_to_beat, arrived + 1, beat + 1)
                gone.append(arrived)
            # A vector moves as it arrives; joined ones take a cycle more, to be one beat.
            beat = max(beat, (arrived + 1 if reads_per_beat > 1 else read + read_to_beat) - self._pitch)
            for _ in range(min(per_vector, row_beats - first)):
                beat += self._pitch
                beats.append(beat)
            if reads_per_beat == 1:
                gone[-1] = beat
        after = _State(read - beat, arrived - beat, tuple(cycle - beat for cycle in gone))
        return _Row(tuple(runs(reads)), tuple(beats), after)
