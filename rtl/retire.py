# SPDX-License-Identifier: Apache-2.0
"""Completion of one queue's commands: in order, counted, each recorded that asks for it."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from esl_ref.program.fields import Opcode
from rtl.decode import fields
from rtl.layouts import command_payload
from rtl.register_fifo import RegisterFifo

__all__ = ["IN_FLIGHT", "Retire", "record_layout"]

IN_FLIGHT = 6
"""Commands of one queue that may be taken and not yet retired: more than any unit holds, unless records are late."""


def record_layout() -> data.StructLayout:
    """What a profile record says about the command itself."""
    return data.StructLayout({"index": unsigned(32), "tag": unsigned(16)})


class Retire(wiring.Component):
    """Sits between a queue and its unit and remembers which commands the unit holds. A completed command retires at
    once, or, if it is stamped and profiling is on, when its record is accepted. When IN_FLIGHT commands have not
    retired the unit gets no more, so that no record is ever lost.

    Members
    -------
    queue, unit : In, Out stream of command_payload()
    completed : In(1)
        Pulse: the unit's oldest command is complete.
    profiling : In(1)
        Constant while commands are taken.
    record : Out stream of record_layout()
    retired : Out(1)
        A command retires in this cycle.
    count : Out(16)
        Retired commands, modulo 2**16; advances in the cycle after.
    empty : Out(1)
        The unit holds no command and none awaits its record.
    oldest : Out(32)
        Index of the oldest command not retired.
    """

    def __init__(self) -> None:
        super().__init__({
            "queue": In(stream.Signature(command_payload())),
            "unit": Out(stream.Signature(command_payload())),
            "completed": In(1),
            "profiling": In(1),
            "record": Out(stream.Signature(record_layout())),
            "retired": Out(1),
            "count": Out(16),
            "empty": Out(1),
            "oldest": Out(32),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        held = data.StructLayout({"record": record_layout(), "wanted": unsigned(1)})
        m.submodules.held = fifo = RegisterFifo(held, IN_FLIGHT)
        f = fields(self.queue.payload.word, Opcode.LOAD_TABLE)  # `tag` is where it is in all commands
        m.d.comb += [
            self.unit.payload.eq(self.queue.payload),
            self.unit.valid.eq(self.queue.valid & fifo.push.ready),
            self.queue.ready.eq(self.unit.ready & fifo.push.ready),
            fifo.push.valid.eq(self.queue.valid & self.unit.ready),
            fifo.push.payload.record.index.eq(self.queue.payload.index),
            fifo.push.payload.record.tag.eq(f.tag),
            fifo.push.payload.wanted.eq(f.stamp & self.profiling),
        ]
        due, some_due = Signal(range(IN_FLIGHT + 1)), Signal()  # complete, not retired; due != 0
        complete, wanted = some_due | self.completed, fifo.pop.payload.wanted
        m.d.comb += [
            self.record.valid.eq(complete & wanted),
            self.record.payload.eq(fifo.pop.payload.record),
            self.retired.eq(complete & (~wanted | self.record.ready)),
            fifo.pop.ready.eq(self.retired),
            self.empty.eq(~fifo.pop.valid),
            self.oldest.eq(fifo.pop.payload.record.index),
        ]
        with m.If(self.completed & ~self.retired):
            m.d.sync += [due.eq(due + 1), some_due.eq(1)]
        with m.If(~self.completed & self.retired):
            m.d.sync += [due.eq(due - 1), some_due.eq(due != 1)]
        m.d.sync += self.count.eq(self.count + self.retired)
        return m
