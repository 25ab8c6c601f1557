# SPDX-License-Identifier: Apache-2.0
"""The functional machine: one command after another on byte-accurate memories, in stream order.

Stream order is one of the orders the hardware may take; the scoreboard proves that every other gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from esl_ref.arch import Arch
from esl_ref.errors import NumericError, ProgramError
from esl_ref.machine.conv import conv
from esl_ref.machine.depthwise import depthwise_taps, depthwise_window
from esl_ref.machine.eltwise import eltwise, eltwise_sources
from esl_ref.machine.external import ExternalOrder
from esl_ref.machine.faults import MachineFault
from esl_ref.machine.geometry import Bytes, Ints, check_counts, ofm_of
from esl_ref.machine.lines import Lines
from esl_ref.machine.memory import BusError, ExternalMemory
from esl_ref.machine.operands import Operands
from esl_ref.machine.pool import pool, pool_sources
from esl_ref.machine.post import finish, header_words_of, read_records
from esl_ref.machine.scoreboard import Scoreboard, runs
from esl_ref.machine.slots import Slots
from esl_ref.machine.transfers import row_addresses, transfer_of
from esl_ref.machine.validate import check_command
from esl_ref.program.commands import Command
from esl_ref.program.dense import WordPattern, spread
from esl_ref.program.fields import COMPUTE_OPCODES, TABLE_BYTES, ErrorCode, Opcode
from esl_ref.program.image import ADDRESS_SPACE, SCRATCH, Bases, Program

__all__ = ["Executor", "OnCommand", "WriteSet"]

_KERNELS: dict[Opcode, Callable[[Command, Arch, Operands], Ints]] = {
    Opcode.CONV: conv,
    Opcode.DEPTHWISE_TAPS: depthwise_taps,
    Opcode.DEPTHWISE_WINDOW: depthwise_window,
    Opcode.POOL: pool,
    Opcode.ELTWISE: eltwise,
}


@dataclass(frozen=True)
class WriteSet:
    """What one command wrote: `memory` 'act', 'weight', 'table' or 'external', flat byte addresses and their bytes.

    Weight addresses count bytes of the weight SRAM (word * L * L + lane * L + byte); external ones are absolute.
    Compute commands list their bytes in the order oy, ox, channel of `shape`; those that leave none behind, but sums or
    rows of the map, name 'accumulator' or 'lines' and no bytes.
    """

    memory: str
    addresses: Ints
    data: Bytes
    shape: tuple[int, ...]


OnCommand = Callable[[int, Command, WriteSet], None]


class Executor:
    """State of the machine; `step` runs one command."""

    def __init__(self, arch: Arch, program: Program, memory: ExternalMemory, bases: Bases) -> None:
        self.arch, self.program, self.memory, self.bases = arch, program, memory, bases
        self.act: Bytes = np.zeros(arch.act_bytes, np.int8)
        self.weight: Bytes = np.zeros((arch.weight_words, arch.lanes, arch.lanes), np.int8)
        self.table: Bytes = np.zeros(TABLE_BYTES, np.int8)
        self.slots = Slots(arch)
        self.lines = Lines(arch)
        self.board = Scoreboard(arch, program)
        low = bases.base[SCRATCH]
        self.order = ExternalOrder(self.board, (low, low + program.segment_bytes(SCRATCH)))
        self.act_peak = self.weight_peak = 0

    def step(self, index: int, command: Command) -> WriteSet | None:
        """Run command `index`. MachineFault where the RTL would stop, HazardError or ProgramError where it would not.

        NumericError if an accumulator overflows. All name the command.
        """
        where = self.program.where(index)
        verdict = check_command(command, self.arch)
        if verdict:
            raise MachineFault(verdict[0], index, verdict[1], where=where)
        self.board.start(index, command)
        try:
            return self._dispatch(index, command)
        except (MachineFault, NumericError, ProgramError) as error:
            if error.where:
                raise
            raise type(error)(error.what, where=where, hint=error.hint) from error

    def _dispatch(self, index: int, command: Command) -> WriteSet | None:
        if command.opcode in COMPUTE_OPCODES:
            return self._compute(command)
        if command.opcode is Opcode.STORE_ROWS:
            return self._store(index, command)
        if command.opcode in (Opcode.HEADER, Opcode.END):
            return None
        return self._load(index, command)

    def _compute(self, command: Command) -> WriteSet:
        check_counts(command, self.arch.lanes)
        data = Operands(self.arch, self.act, self.weight, self.board, self.lines)
        header = header_words_of(command, self.arch)
        records = data.words(command["wgt_header"], command["wgt_step"], command["groups"], header.shape[1])
        if command["table"]:
            if not self.arch.tables:
                raise ProgramError("passes results through a table, which this machine does not have")
            self.board.read(self.board.table, np.zeros(1, np.int64))
        acc = _KERNELS[command.opcode](command, self.arch, data)
        if command["acc_in"] or command["acc_out"]:
            acc = self.slots.apply(command, acc, self.board)
        if not acc.size:  # rows that only entered the line buffers
            return WriteSet("lines", np.zeros(0, np.int64), np.zeros(0, np.int8), (0,))
        if command["acc_out"]:
            return WriteSet("accumulator", np.zeros(0, np.int64), np.zeros(0, np.int8), (0,))
        result = finish(acc, read_records(records, command, self.arch), command, self.arch.profile, self.table)
        addresses = ofm_of(command, self.arch).addresses
        self._check_in_place(command, data.read_bytes, addresses)
        flat = addresses.ravel()
        self.board.write(self.board.act, flat)
        self.act[flat] = result.ravel()
        self.act_peak = max(self.act_peak, int(flat.max()) + 1)
        return WriteSet("act", flat, result.ravel(), result.shape)

    def _check_in_place(self, command: Command, read: list[Ints], written: Ints) -> None:
        """ofm and ifm bytes may coincide only where each vector goes back to exactly where it came from."""
        mask = np.zeros(self.arch.act_bytes, np.bool_)
        mask[written.ravel()] = True
        clashes = [mask[addresses] for addresses in read]
        if not any(c.any() for c in clashes):
            return
        sources: list[Ints] = []
        if command.opcode is Opcode.ELTWISE:
            # An operand that does not touch the result may lie anywhere.
            sources = [s for s in eltwise_sources(command, self.arch) if mask[s].any()]
        elif command.opcode is Opcode.POOL:
            sources = pool_sources(command, self.arch)
        if not sources or not all(np.array_equal(s, written) for s in sources):
            hit = next(a[c] for a, c in zip(read, clashes, strict=True) if c.any())
            first, last = runs(hit)[0]
            self.board.fail("act", first, last, "writes {range}, which it also reads")

    def _load(self, index: int, command: Command) -> WriteSet:
        transfer = transfer_of(command, self.arch)
        start = (self.bases.base[command["base"]] + transfer.offset) % ADDRESS_SPACE
        self.order.load(start, start + transfer.nbytes, index, transfer.rows, transfer.pitch, transfer.row_bytes)
        try:
            raw = self.memory.read(start, transfer.nbytes)
        except BusError as error:
            raise MachineFault(ErrorCode.LOAD_BUS, index, str(error), where=self.program.where(index)) from error
        data = np.frombuffer(raw, np.int8).reshape(transfer.rows, transfer.pitch)[:, : transfer.row_bytes]
        if command.opcode is Opcode.LOAD_TABLE:
            self.board.write(self.board.table, np.zeros(1, np.int64))
            self.table = data.ravel().copy()
            return WriteSet("table", np.arange(TABLE_BYTES), self.table, (TABLE_BYTES,))
        if command.opcode is Opcode.LOAD_WEIGHTS:
            return self._load_weights(command, raw)
        addresses = row_addresses(command, self.arch)
        self.board.write(self.board.act, addresses.ravel())
        self.act[addresses] = data
        self.act_peak = max(self.act_peak, int(addresses.max()) + 1)
        return WriteSet("act", addresses.ravel(), data.ravel(), data.shape)

    def _load_weights(self, command: Command, raw: bytes) -> WriteSet:
        first, count = command["word"], command["words"]
        words, written = spread(raw, count, WordPattern.of(command), self.arch)
        self.board.write(self.board.weight, np.arange(first, first + count, dtype=np.int64))
        self.weight[first : first + count][written] = words.view(np.int8)[written]
        self.weight_peak = max(self.weight_peak, first + count)
        lanes = (first * self.arch.lanes + np.flatnonzero(written)) * self.arch.lanes
        addresses = lanes[:, None] + np.arange(self.arch.lanes)
        return WriteSet("weight", addresses.ravel(), words.view(np.int8)[written].ravel(), addresses.shape)

    def _store(self, index: int, command: Command) -> WriteSet:
        transfer = transfer_of(command, self.arch)
        start = (self.bases.base[command["base"]] + transfer.offset) % ADDRESS_SPACE
        addresses = row_addresses(command, self.arch)
        self.board.read(self.board.act, addresses.ravel())
        self.order.store(start, start + transfer.nbytes, index)
        data = self.act[addresses]
        try:
            # Row by row: the bytes that fill up a row's last bus word keep their value.
            for row, value in enumerate(data):
                self.memory.write(start + row * transfer.pitch, value.tobytes())
        except BusError as error:
            raise MachineFault(ErrorCode.STORE_BUS, index, str(error), where=self.program.where(index)) from error
        external = start + transfer.pitch * np.arange(transfer.rows)[:, None] + np.arange(transfer.row_bytes)
        return WriteSet("external", external.ravel(), data.ravel(), data.shape)
