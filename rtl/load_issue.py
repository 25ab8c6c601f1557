# SPDX-License-Identifier: Apache-2.0
"""The loader's address side: waits, checks, asks the bus for a command's bytes and says where they go."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from esl_ref.arch import Arch
from esl_ref.program.fields import TABLE_BYTES, ErrorCode, Opcode
from rtl.axi.link import transfer_layout
from rtl.decode import CountsSignature, fields, waits
from rtl.fault import FaultSignature, raise_fault
from rtl.layouts import command_payload
from rtl.load_types import Destination, load_layout
from rtl.surface import BasesSignature, buffer_overflows, external_address, misaligned, whole_beats

__all__ = ["LoadIssue"]

_PATTERN = ("size", "group_words", "record_words", "run_words", "inner_bytes", "last_bytes", "last_lanes")


class LoadIssue(wiring.Component):
    """Three cycles per command: take it when its waits allow and `load` has room, check, ask.

    Members
    -------
    command : In stream of command_payload()
    counts : In(CountsSignature)
    bases : In(BasesSignature)
    request : Out stream of transfer_layout()
    load : Out stream of load_layout()
    waiting : Out(1)
        The command at the head is held back by its waits.
    fault : Out(FaultSignature)
        BAD_ADDRESS, BAD_PATTERN.
    """

    def __init__(self, arch: Arch):
        self._arch = arch
        super().__init__({
            "command": In(stream.Signature(command_payload())),
            "counts": In(CountsSignature),
            "bases": In(BasesSignature),
            "request": Out(stream.Signature(transfer_layout())),
            "load": Out(stream.Signature(load_layout())),
            "waiting": Out(1),
            "fault": Out(FaultSignature),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bad, bad_pattern, blocked = Signal(), Signal(), Signal()
        word = self.command.payload.word
        m.d.comb += [blocked.eq(waits(word, self.counts)), self.waiting.eq(self.command.valid & blocked)]
        with m.FSM():
            with m.State("TAKE"):
                m.d.comb += self.command.ready.eq(~blocked & self.load.ready)
                with m.If(self.command.valid & self.command.ready):
                    self._latch(m, bad, bad_pattern)
                    m.next = "CHECK"
            with m.State("CHECK"):
                with m.If(bad):
                    raise_fault(m, self.fault, ErrorCode.BAD_ADDRESS, self.load.payload.index)
                with m.Elif(bad_pattern):
                    raise_fault(m, self.fault, ErrorCode.BAD_PATTERN, self.load.payload.index)
                with m.Else():
                    m.next = "ASK"
                with m.If(self.request.payload.beats == 0):
                    m.d.sync += self.load.payload.destination.eq(Destination.NOTHING)
            with m.State("ASK"):
                empty = self.load.payload.destination == Destination.NOTHING
                m.d.comb += [self.request.valid.eq(~empty), self.load.valid.eq(self.request.ready | empty)]
                with m.If(self.load.valid):
                    m.next = "TAKE"
        return m

    def _latch(self, m: Module, bad: Signal, bad_pattern: Signal) -> None:
        word = self.command.payload.word
        f = fields(word, Opcode.LOAD_TABLE)
        m.d.sync += [
            bad_pattern.eq(0),
            self.request.payload.addr.eq(external_address(f, self.bases)),
            self.load.payload.index.eq(self.command.payload.index),
        ]
        with m.Switch(f.opcode):
            with m.Case(Opcode.LOAD_WEIGHTS.value):
                self._weights(m, fields(word, Opcode.LOAD_WEIGHTS), bad, bad_pattern)
            with m.Case(Opcode.LOAD_TABLE.value):
                self._table(m, f, bad)
            with m.Default():
                self._rows(m, fields(word, Opcode.LOAD_ROWS), bad)

    def _weights(self, m: Module, f: data.View, bad: Signal, bad_pattern: Signal) -> None:
        arch, load = self._arch, self.load.payload
        m.d.sync += [
            bad.eq(misaligned(f, arch) | (f.word + f.words > arch.weight_words)),
            bad_pattern.eq(self._impossible(f)),
            self.request.payload.beats.eq(whole_beats(f.size, arch)),
            load.destination.eq(Destination.WEIGHTS),
            load.rows.eq(f.words),
            load.first.eq(f.word),
            *(load[name].eq(f[name]) for name in _PATTERN),
        ]

    def _impossible(self, f: data.View) -> Value:
        """1 if a count is out of its range, as `WordPattern.problem` has it."""
        lanes = self._arch.lanes
        wrong = (f.words == 0) | (f.size == 0) | (f.group_words == 0) | (f.run_words == 0)
        wrong |= f.record_words > f.group_words
        for count in (f.inner_bytes, f.last_bytes, f.last_lanes):
            wrong |= (count == 0) | (count > lanes)
        return wrong

    def _table(self, m: Module, f: data.View, bad: Signal) -> None:
        load = self.load.payload
        m.d.sync += [
            bad.eq(misaligned(f, self._arch)),
            self.request.payload.beats.eq(TABLE_BYTES // self._arch.axi_bytes),
            load.destination.eq(Destination.TABLE),
            load.rows.eq(1),
            load.row_bytes.eq(TABLE_BYTES),
            load.first.eq(0),
        ]

    def _rows(self, m: Module, f: data.View, bad: Signal) -> None:
        arch, load = self._arch, self.load.payload
        m.d.sync += [
            bad.eq(misaligned(f, arch) | buffer_overflows(f, arch)),
            self.request.payload.beats.eq(f.rows * whole_beats(f.row_bytes, arch)),
            load.destination.eq(Destination.ROWS),
            load.rows.eq(f.rows),
            load.row_bytes.eq(f.row_bytes),
            load.first.eq(f.buf_base + f.buf_start),
            load.step.eq(f.row_step),
            load.limit.eq(f.buf_base + f.buf_wrap),
            load.wrap.eq(f.buf_wrap),
        ]
