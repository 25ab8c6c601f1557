# SPDX-License-Identifier: Apache-2.0
"""LOAD_* and STORE_ROWS: linear ranges of external memory to and from rows, weight words and the table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from esl_ref.arch import Arch
from esl_ref.errors import ProgramError
from esl_ref.machine.geometry import Ints, inside, rolling
from esl_ref.program.commands import Command
from esl_ref.program.fields import TABLE_BYTES, Opcode

__all__ = ["Transfer", "row_addresses", "transfer_of"]


@dataclass(frozen=True)
class Transfer:
    """The external side: `nbytes` from `offset`, of which every `pitch` bytes the first `row_bytes` are meant."""

    offset: int
    rows: int
    row_bytes: int
    pitch: int

    @property
    def nbytes(self) -> int:
        """Bytes from the first row to the end of the last, bus words filled up."""
        return self.rows * self.pitch


def transfer_of(command: Command, arch: Arch) -> Transfer:
    """Its alignment has been checked (`validate.check_command`)."""
    if command.opcode is Opcode.LOAD_WEIGHTS:
        size = command["size"]
        return Transfer(command["offset"], 1, size, -(-size // arch.axi_bytes) * arch.axi_bytes)
    if command.opcode is Opcode.LOAD_TABLE:
        return Transfer(command["offset"], 1, TABLE_BYTES, TABLE_BYTES)
    pitch = -(-command["row_bytes"] // arch.axi_bytes) * arch.axi_bytes
    return Transfer(command["offset"], command["rows"], command["row_bytes"], pitch)


def row_addresses(command: Command, arch: Arch) -> Ints:
    """SRAM address of every byte of every row: [rows, row_bytes]."""
    if command["rows"] < 1 or command["row_bytes"] < 1:
        raise ProgramError(f"{command['rows']} rows of {command['row_bytes']} bytes")
    rows = rolling(command["buf_start"], command["buf_wrap"], (command["row_step"], command["rows"]))
    offsets = rows[:, None] + np.arange(command["row_bytes"], dtype=np.int64)
    return inside(command, "buf", offsets, arch.act_bytes)
