# SPDX-License-Identifier: Apache-2.0
"""The loader's end of the bus: which load each beat belongs to, and bus errors."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from esl_ref.arch import Arch
from esl_ref.program.fields import ErrorCode
from rtl.fault import FaultSignature, raise_fault
from rtl.load_types import Destination, arriving_layout

__all__ = ["LoadArrive"]


class LoadArrive(wiring.Component):
    """One beat per cycle, without a gap between loads.

    Members
    -------
    load : In stream of arriving_layout(), in the order of the requests
    beats : In stream of the read client's data
    out : Out stream of 8 * axi_bytes bits
    arrived : Out(1), with `destination`: a beat of that kind is accepted from the bus in this cycle
    fault : Out(FaultSignature)
        LOAD_BUS.
    """

    def __init__(self, arch: Arch):
        beat = data.StructLayout({"data": 8 * arch.axi_bytes, "error": 1})
        super().__init__({
            "load": In(stream.Signature(arriving_layout())),
            "beats": In(stream.Signature(beat)),
            "out": Out(stream.Signature(8 * arch.axi_bytes)),
            "arrived": Out(1),
            "destination": Out(Destination),
            "fault": Out(FaultSignature),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        current = Signal(arriving_layout(), reset_less=True)  # its `beats` count down
        active, finish = Signal(), Signal()
        m.d.comb += [
            self.beats.ready.eq(active & self.out.ready),
            self.out.valid.eq(active & self.beats.valid),
            self.out.payload.eq(self.beats.payload.data),
            self.arrived.eq(self.beats.valid & self.beats.ready),
            self.destination.eq(current.destination),
            finish.eq(self.arrived & (current.beats == 1)),
            self.load.ready.eq(~active | finish),
        ]
        with m.If(self.arrived):
            m.d.sync += current.beats.eq(current.beats - 1)
            with m.If(self.beats.payload.error):
                raise_fault(m, self.fault, ErrorCode.LOAD_BUS, current.index)
        with m.If(finish):
            m.d.sync += active.eq(0)
        with m.If(self.load.valid & self.load.ready):
            m.d.sync += [active.eq(1), current.eq(self.load.payload)]
        return m
