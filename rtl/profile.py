# SPDX-License-Identifier: Apache-2.0
"""Profile records: the counters as they stand when a stamped command completes, written to memory."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from esl_ref.arch import Arch
from esl_ref.program.commands import QUEUES
from esl_ref.program.fields import ErrorCode
from esl_ref.registers import COUNTERS, PROFILE_RECORD_BYTES
from rtl.axi.link import write_client
from rtl.fault import FaultSignature, raise_fault
from rtl.register_fifo import RegisterFifo
from rtl.retire import record_layout

__all__ = ["RECORDS_HELD", "Profile"]

RECORDS_HELD = 2
"""Records taken and not yet sent; when there are as many, stamped commands complete later."""

_UNANSWERED = 4
_RECORD_BITS = 8 * PROFILE_RECORD_BYTES


class Profile(wiring.Component):
    """One record per cycle is accepted, of the first queue that offers one, and holds the counters as they are at the
    end of that cycle: they are one cycle late, so it is put together in the next.

    Members
    -------
    base : In(32)
        Record `n` goes to base + 64 * n.
    record : In stream of record_layout(), one per queue
    counters : In(32).array(len(COUNTERS))
        With all cycles before this one.
    client : Out(write_client)
    idle : Out(1)
        No record held, none awaits its write response.
    fault : Out(FaultSignature)
        PROFILE_BUS.
    """

    def __init__(self, arch: Arch):
        self._axi_bytes = arch.axi_bytes
        super().__init__({
            "base": In(32),
            "record": In(stream.Signature(record_layout())).array(len(QUEUES)),
            "counters": In(32).array(len(COUNTERS)),
            "client": Out(write_client(arch.axi_bytes)),
            "idle": Out(1),
            "fault": Out(FaultSignature),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.held = held = RegisterFifo(unsigned(_RECORD_BITS), RECORDS_HELD)
        m.submodules.unanswered = unanswered = RegisterFifo(unsigned(32), _UNANSWERED)
        coming, of = Signal(), Signal(record_layout(), reset_less=True)
        self._collect(m, held, coming, of)
        self._send(m, held, unanswered, coming, of)
        m.d.comb += [
            self.idle.eq(~held.pop.valid & ~coming & ~unanswered.pop.valid),
            unanswered.pop.ready.eq(self.client.done),
        ]
        with m.If(self.client.error):
            raise_fault(m, self.fault, ErrorCode.PROFILE_BUS, unanswered.pop.payload)
        return m

    def _collect(self, m: Module, held: RegisterFifo, coming: Signal, of: data.View) -> None:
        """Sets `coming` and `of` in the cycle after that in which a record is accepted."""
        room, taken = Signal(), None
        # A record that comes has its place.
        m.d.comb += room.eq(held.push.ready & ~(coming & (held.level == RECORDS_HELD - 1)))
        for record in self.record:
            mine = record.valid if taken is None else record.valid & ~taken
            taken = record.valid if taken is None else record.valid | taken
            m.d.comb += record.ready.eq(mine & room)
            with m.If(mine):
                m.d.sync += of.eq(record.payload)
        words = Cat(of.index, of.tag, Signal(16, name="zeros"), *self.counters)
        m.d.sync += coming.eq(taken & room)
        m.d.comb += [held.push.valid.eq(coming), held.push.payload.eq(words)]

    def _send(
        self, m: Module, held: RegisterFifo, unanswered: RegisterFifo, coming: Signal, of: data.View
    ) -> None:
        """Asks for the bus while a record comes, sends it from the next cycle on."""
        beats = PROFILE_RECORD_BYTES // self._axi_bytes
        number = Signal(range(beats))
        offset, address = Signal(32), Signal(32)
        request, out = self.client.request, self.client.data
        m.d.comb += [
            request.payload.addr.eq(address),
            request.payload.beats.eq(beats),
            out.payload.data.eq(held.pop.payload.word_select(number, 8 * self._axi_bytes)),
            out.payload.strb.eq((1 << self._axi_bytes) - 1),
            unanswered.push.payload.eq(Mux(held.pop.valid, held.pop.payload[:32], of.index)),
        ]
        m.d.sync += address.eq(self.base + offset)  # a record is sent before the next is asked for
        with m.FSM():
            with m.State("ASK"):
                m.d.comb += request.valid.eq((held.pop.valid | coming) & unanswered.push.ready)
                with m.If(request.valid & request.ready):
                    m.d.comb += unanswered.push.valid.eq(1)
                    m.d.sync += offset.eq(offset + PROFILE_RECORD_BYTES)
                    m.next = "SEND"
            with m.State("SEND"):
                m.d.comb += out.valid.eq(1)
                with m.If(out.ready):
                    m.d.sync += number.eq(number + 1)
                    with m.If(number == beats - 1):
                        m.d.comb += held.pop.ready.eq(1)
                        m.next = "ASK"
