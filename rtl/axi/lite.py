# SPDX-License-Identifier: Apache-2.0
"""AXI4-Lite slave: turns the five channels into single-cycle register reads and writes."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["ADDR_BITS", "OKAY", "SLVERR", "LiteSignature", "LiteSlave"]

ADDR_BITS = 12
OKAY, SLVERR = 0, 2

_WRITE = data.StructLayout({"data": unsigned(32), "strb": unsigned(4)})
_READ = data.StructLayout({"data": unsigned(32), "resp": unsigned(2)})

LiteSignature = wiring.Signature({
    "aw": Out(stream.Signature(unsigned(ADDR_BITS))),
    "w": Out(stream.Signature(_WRITE)),
    "b": In(stream.Signature(unsigned(2))),
    "ar": Out(stream.Signature(unsigned(ADDR_BITS))),
    "r": In(stream.Signature(_READ)),
})  # fmt: skip
"""The five channels, seen from the master."""


class LiteSlave(wiring.Component):
    """One write and one read at a time. Address and data of a write may come in any order.

    Members
    -------
    bus : In(LiteSignature)
    write, write_word, write_data, write_strb : Out
        Write `write_data` to register `write_word` (address / 4), in this cycle; the two low address bits are ignored.
        `write_word` is there one cycle before.
    write_ok : In(1)
        Answer OKAY, else SLVERR; same cycle.
    read, read_word : Out
        Register to read, in this cycle; `read_word` is there one cycle before.
    read_data, read_ok : In
        Its value; same cycle.
    """

    def __init__(self) -> None:
        super().__init__({
            "bus": In(LiteSignature),
            "write": Out(1),
            "write_word": Out(ADDR_BITS - 2),
            "write_data": Out(32),
            "write_strb": Out(4),
            "write_ok": In(1),
            "read": Out(1),
            "read_word": Out(ADDR_BITS - 2),
            "read_data": In(32),
            "read_ok": In(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._write(m)
        self._read(m)
        return m

    def _write(self, m: Module) -> None:
        bus = self.bus
        have_addr, have_data, chosen = Signal(), Signal(), Signal()
        m.d.comb += [
            bus.aw.ready.eq(~have_addr),
            bus.w.ready.eq(~have_data),
            self.write.eq(chosen & have_data & ~bus.b.valid),
        ]
        m.d.sync += chosen.eq(have_addr & ~self.write)
        with m.If(bus.aw.valid & bus.aw.ready):
            m.d.sync += [have_addr.eq(1), self.write_word.eq(bus.aw.payload[2:])]
        with m.If(bus.w.valid & bus.w.ready):
            m.d.sync += [have_data.eq(1), self.write_data.eq(bus.w.payload.data)]
            m.d.sync += self.write_strb.eq(bus.w.payload.strb)
        with m.If(bus.b.ready):
            m.d.sync += bus.b.valid.eq(0)
        with m.If(self.write):
            m.d.sync += [have_addr.eq(0), have_data.eq(0), bus.b.valid.eq(1)]
            with m.If(self.write_ok):
                m.d.sync += bus.b.payload.eq(OKAY)
            with m.Else():
                m.d.sync += bus.b.payload.eq(SLVERR)

    def _read(self, m: Module) -> None:
        bus = self.bus
        have_addr, chosen = Signal(), Signal()
        m.d.comb += [bus.ar.ready.eq(~have_addr), self.read.eq(chosen & ~bus.r.valid)]
        m.d.sync += chosen.eq(have_addr & ~self.read)
        with m.If(bus.ar.valid & bus.ar.ready):
            m.d.sync += [have_addr.eq(1), self.read_word.eq(bus.ar.payload[2:])]
        with m.If(bus.r.ready):
            m.d.sync += bus.r.valid.eq(0)
        with m.If(self.read):
            m.d.sync += [have_addr.eq(0), bus.r.valid.eq(1), bus.r.payload.data.eq(self.read_data)]
            with m.If(self.read_ok):
                m.d.sync += bus.r.payload.resp.eq(OKAY)
            with m.Else():
                m.d.sync += bus.r.payload.resp.eq(SLVERR)
