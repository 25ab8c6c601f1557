# SPDX-License-Identifier: Apache-2.0
"""The loader's data side: every beat to its place in activation SRAM, weight SRAM or table."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from esl_ref.arch import Arch
from esl_ref.program.fields import ErrorCode
from rtl.fault import FaultSignature, raise_fault
from rtl.load_types import Destination, load_layout

__all__ = ["LoadReceive", "placed_layout"]


def placed_layout(arch: Arch) -> data.StructLayout:
    """A beat and where it goes.

    addr   ROWS: SRAM byte address; WEIGHTS: word
    beat   beat within the word or the table
    count  bytes used (ROWS)
    last   the load's last beat
    """
    return data.StructLayout({
        "destination": Destination,
        "addr": 25,
        "beat": range(max(arch.word_bytes, 256) // arch.axi_bytes),
        "count": range(arch.axi_bytes + 1),
        "data": 8 * arch.axi_bytes,
        "last": 1,
    })


class LoadReceive(wiring.Component):
    """One beat per cycle, without a gap between loads.

    Members
    -------
    load : In stream of load_layout()
    beats : In stream of the read client's data
    placed : Out stream of placed_layout(), registered
    arrived : Out(1), with `destination`: a beat of that kind is accepted from the bus in this cycle
    fault : Out(FaultSignature)
        LOAD_BUS.
    """

    def __init__(self, arch: Arch):
        self._arch = arch
        beat = data.StructLayout({"data": 8 * arch.axi_bytes, "error": 1})
        super().__init__({
            "load": In(stream.Signature(load_layout())),
            "beats": In(stream.Signature(beat)),
            "placed": Out(stream.Signature(placed_layout(arch))),
            "arrived": Out(1),
            "destination": Out(Destination),
            "busy": Out(1),
            "fault": Out(FaultSignature),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        current = Signal(load_layout(), reset_less=True)  # its `rows` and `first` count along
        active, room, step, finish = Signal(), Signal(), Signal(), Signal()
        nothing = current.destination == Destination.NOTHING
        m.d.comb += [
            room.eq(~self.placed.valid | self.placed.ready),
            self.beats.ready.eq(active & room & ~nothing),
            self.arrived.eq(self.beats.valid & self.beats.ready),
            self.destination.eq(current.destination),
            step.eq(self.arrived | (active & room & nothing)),
            self.load.ready.eq(~active | finish),
            self.busy.eq(active | self.placed.valid),
        ]
        with m.If(self.arrived & self.beats.payload.error):
            raise_fault(m, self.fault, ErrorCode.LOAD_BUS, current.index)
        with m.If(finish):
            m.d.sync += active.eq(0)
        addr, beat, left = self._walk(m, current, nothing, step, finish)
        with m.If(self.load.valid & self.load.ready):
            first = self.load.payload
            m.d.sync += [active.eq(1), current.eq(first), addr.eq(first.first), beat.eq(0), left.eq(first.row_bytes)]
        self._place(m, current, addr, beat, left, step, finish)
        return m

    def _walk(
        self, m: Module, current, nothing: Value, step: Signal, finish: Signal
    ) -> tuple[Signal, Signal, Signal]:
        """Address, beat number and bytes left of the row, advanced by `step`."""
        axi_bytes = self._arch.axi_bytes
        addr = Signal(25, reset_less=True)
        beat = Signal(self.placed.payload.beat.shape(), reset_less=True)
        left = Signal(20, reset_less=True)
        row_end = Signal()
        following = Signal(26)
        wrapped = Signal(25)
        m.d.comb += [
            row_end.eq(left <= axi_bytes),
            finish.eq(step & (nothing | (row_end & (current.rows == 1)))),
            following.eq(current.first + current.step),
            wrapped.eq(Mux(following >= current.limit, following - current.wrap, following)),
        ]
        with m.If(step & row_end):
            m.d.sync += [current.rows.eq(current.rows - 1), current.first.eq(wrapped), addr.eq(wrapped)]
            m.d.sync += [beat.eq(0), left.eq(current.row_bytes)]
        with m.Elif(step):
            m.d.sync += [beat.eq(beat + 1), left.eq(left - axi_bytes)]
            with m.If(current.destination == Destination.ROWS):
                m.d.sync += addr.eq(addr + axi_bytes)
        return addr, beat, left

    def _place(
        self, m: Module, current, addr: Signal, beat: Signal, left: Signal, step: Signal, finish: Signal
    ) -> None:
        placed = self.placed.payload
        with m.If(self.placed.ready):
            m.d.sync += self.placed.valid.eq(0)
        with m.If(step):
            m.d.sync += [
                self.placed.valid.eq(1),
                placed.destination.eq(current.destination),
                placed.addr.eq(addr),
                placed.beat.eq(beat),
                placed.count.eq(Mux(left < self._arch.axi_bytes, left, self._arch.axi_bytes)),
                placed.data.eq(self.beats.payload.data),
                placed.last.eq(finish),
            ]
