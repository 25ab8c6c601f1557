# SPDX-License-Identifier: Apache-2.0
"""What a load's bytes are taken apart into.

A piece is a vector of a row, one lane of a weight word, or a bus word of the table. A row's, and a load's, last piece
drops what is left of its bus word.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from esl_ref.arch import Arch
from esl_ref.program.commands import Command
from esl_ref.program.dense import WordPattern
from esl_ref.program.fields import TABLE_BYTES, Opcode

__all__ = ["Job", "long_pieces", "pieces"]


@dataclass(slots=True)
class Job:
    """A load under way: its index, whether it brings rows, the byte `at` of the stream of all loads with which it
    begins, its `pieces`, and how many of them are taken."""

    index: int
    rows: bool
    at: int
    ends: list[int]
    frees: list[int]
    taken: int = 0


def pieces(command: Command, arch: Arch) -> tuple[list[int], list[int]]:
    """Of each piece, in bytes from the load's start: (where it ends, where the next one begins)."""
    axi = arch.axi_bytes
    if command.opcode is Opcode.LOAD_TABLE:
        ends = list(range(axi, TABLE_BYTES + 1, axi))
        return ends, ends
    if command.opcode is Opcode.LOAD_ROWS:
        return _row_pieces(command["rows"], command["row_bytes"], arch.lanes, axi)
    size, lanes = WordPattern.of(command).sizes(command["words"], arch)
    found = np.cumsum(np.repeat(size, lanes)).tolist()
    return found, [*found[:-1], -(-found[-1] // axi) * axi]


@lru_cache(maxsize=64)
def _row_pieces(rows: int, length: int, lanes: int, axi: int) -> tuple[list[int], list[int]]:
    """The same rows are loaded again and again: nobody changes these lists."""
    row = [*range(lanes, length, lanes), length]
    pitch = -(-length // axi) * axi
    starts = range(0, rows * pitch, pitch)
    return [s + e for s in starts for e in row], [s + e for s in starts for e in [*row[:-1], pitch]]


def long_pieces(command: Command, arch: Arch) -> bool:
    """Whether no piece, but for a row's last one, is shorter than a bus word: then each ends in a beat of its own."""
    if command.opcode is Opcode.LOAD_TABLE:
        return True
    if command.opcode is Opcode.LOAD_ROWS:
        return arch.lanes % arch.axi_bytes == 0
    return int(WordPattern.of(command).sizes(command["words"], arch)[0].min()) >= arch.axi_bytes
