# SPDX-License-Identifier: Apache-2.0
"""Cuts a linear transfer into AXI4 bursts."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value, unsigned
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
    Length and end of a burst are computed as the one before it is taken: all that is granted depends on them.

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
        size, most = full_size(self._arch.axi_bytes), self._arch.burst_beats
        page_beats = PAGE_BYTES >> size
        addr = Signal(32, reset_less=True)
        valid, last = Signal(), Signal(reset_less=True)
        beats = Signal(range(page_beats + 1), reset_less=True)
        # What makes the next burst, as this one is taken: beats left behind it, at most so many in it, and its page.
        rest = Signal(32, reset_less=True)
        limit = Signal(range(page_beats + 1), reset_less=True)
        page = Signal(range(page_beats + 1), reset_less=True)
        taken = Signal()
        m.d.comb += [
            taken.eq(valid & self.burst.ready),
            self.burst.valid.eq(valid),
            self.burst.payload.addr.eq(addr),
            self.burst.payload.len.eq(beats - 1),
            self.burst.payload.last.eq(last),
            self.request.ready.eq(~valid | (taken & last)),
        ]

        def follow(left: Value, at_most: Value, to_page: Value) -> None:
            """A burst of a transfer with `left` beats: at most `at_most`, of the `to_page` left of its page."""
            ends = left <= at_most
            behind = (to_page - at_most)[: len(page)]
            whole = Mux(behind == 0, page_beats, behind)
            m.d.sync += [
                last.eq(ends), beats.eq(Mux(ends, left, at_most)), rest.eq(left - at_most),
                page.eq(whole), limit.eq(Mux(whole < most, whole, min(most, page_beats))),
            ]  # fmt: skip

        to_page = Signal.like(page)
        request = self.request.payload
        m.d.comb += to_page.eq(page_beats - request.addr[size : PAGE_BYTES.bit_length() - 1])
        with m.If(taken):
            m.d.sync += addr.eq(addr + (beats << size))
            follow(rest, limit, page)
        with m.If(self.request.ready):
            first = Mux(to_page < most, to_page, min(most, page_beats))
            m.d.sync += [valid.eq(self.request.valid), addr.eq(request.addr)]
            follow(request.beats, first, to_page)
        return m
