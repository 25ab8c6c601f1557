# SPDX-License-Identifier: Apache-2.0
"""Cuts a linear transfer into AXI4 bursts."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from esl_ref.arch import Arch
from rtl.axi.link import PAGE_BYTES, full_size, transfer_layout

__all__ = ["BurstSplitter", "burst_layout"]


def burst_layout() -> data.StructLayout:
    """One burst: address, AxLEN, and whether it is the last of its transfer."""
    return data.StructLayout({"addr": unsigned(32), "len": unsigned(8), "last": unsigned(1)})


class BurstSplitter(wiring.Component):
    """A burst ends at `burst_beats`, at a 4 KiB boundary, or with its transfer. One burst per cycle, latency one cycle.

    Members
    -------
    request : In stream of transfer_layout()
    burst : Out stream of burst_layout()
    """

    def __init__(self, arch: Arch):
        self._arch = arch
        super().__init__({
            "request": In(stream.Signature(transfer_layout())),
            "burst": Out(stream.Signature(burst_layout())),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        size = full_size(self._arch.axi_bytes)
        addr = Signal(32, reset_less=True)
        left = Signal(32)
        page_beats = PAGE_BYTES >> size
        to_page = Signal(range(page_beats + 1))
        allowed = Signal(range(page_beats + 1))
        beats = Signal(range(page_beats + 1))
        taken = self.burst.valid & self.burst.ready
        m.d.comb += [
            to_page.eq(page_beats - addr[size : PAGE_BYTES.bit_length() - 1]),
            allowed.eq(Mux(to_page < self._arch.burst_beats, to_page, self._arch.burst_beats)),
            beats.eq(Mux(left < allowed, left, allowed)),
            self.burst.valid.eq(left != 0),
            self.burst.payload.addr.eq(addr),
            self.burst.payload.len.eq(beats - 1),
            self.burst.payload.last.eq(left <= allowed),
            self.request.ready.eq((left == 0) | (taken & self.burst.payload.last)),
        ]
        with m.If(taken):
            m.d.sync += [addr.eq(addr + (beats << size)), left.eq(left - beats)]
        with m.If(self.request.valid & self.request.ready):
            m.d.sync += [addr.eq(self.request.payload.addr), left.eq(self.request.payload.beats)]
        return m
