# SPDX-License-Identifier: Apache-2.0
"""The storer's bus side: vectors of `lanes` bytes to bus beats, each row starting on a new beat."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from esl_ref.arch import Arch

__all__ = ["StoreBeats", "extent_layout"]


def extent_layout() -> data.StructLayout:
    """How many rows of how many bytes."""
    return data.StructLayout({"rows": unsigned(14), "row_bytes": unsigned(20)})


class StoreBeats(wiring.Component):
    """One beat per cycle. The bytes behind a row's end have no strobe.

    Members
    -------
    extent : In stream of extent_layout()
        Taken when the last beat of the rows before has gone.
    vectors : In stream of 8 * lanes bits
    beats : Out stream of the write client's data
    """

    def __init__(self, arch: Arch):
        self._arch = arch
        beat = data.StructLayout({"data": unsigned(8 * arch.axi_bytes), "strb": unsigned(arch.axi_bytes)})
        super().__init__({
            "extent": In(stream.Signature(extent_layout())),
            "vectors": In(stream.Signature(unsigned(8 * arch.lanes))),
            "beats": Out(stream.Signature(beat)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        axi_bytes = self._arch.axi_bytes
        active, sent, finish = Signal(), Signal(), Signal()
        row_end = Signal(reset_less=True)  # left <= axi_bytes
        rows = Signal(14, reset_less=True)
        row_bytes = Signal(20, reset_less=True)
        left = Signal(20, reset_less=True)  # bytes of the row that are not yet sent
        short, last_row = Signal(reset_less=True), Signal(reset_less=True)  # rows of one beat; rows == 1
        m.d.comb += [
            sent.eq(self.beats.valid & self.beats.ready),
            finish.eq(sent & row_end & last_row),
            self.extent.ready.eq(~active | finish),
        ]
        m.d.comb += self.beats.payload.strb.eq(Cat(left > i for i in range(axi_bytes)))
        with m.If(finish):
            m.d.sync += active.eq(0)
        with m.If(sent):
            m.d.sync += left.eq(Mux(row_end, row_bytes, left - axi_bytes))
            m.d.sync += row_end.eq(Mux(row_end, short, left <= 2 * axi_bytes))
            with m.If(row_end):
                m.d.sync += [rows.eq(rows - 1), last_row.eq(rows == 2)]
        with m.If(self.extent.valid & self.extent.ready):
            first = self.extent.payload
            m.d.sync += [active.eq(1), rows.eq(first.rows), row_bytes.eq(first.row_bytes), left.eq(first.row_bytes)]
            one_beat = first.row_bytes <= axi_bytes
            m.d.sync += [short.eq(one_beat), row_end.eq(one_beat), last_row.eq(first.rows == 1)]
        self._cut(m, active, sent, row_end)
        return m

    def _cut(self, m: Module, active: Signal, sent: Signal, row_end: Signal) -> None:
        """Several beats of a vector, the last of which lets it go."""
        axi_bytes = self._arch.axi_bytes
        count = self._arch.lanes // axi_bytes
        part = Signal(range(max(count, 2)))
        done = (part == count - 1) | row_end
        m.d.comb += [
            self.beats.valid.eq(active & self.vectors.valid),
            self.beats.payload.data.eq(self.vectors.payload.word_select(part, 8 * axi_bytes)),
            self.vectors.ready.eq(sent & done),
        ]
        with m.If(sent):
            m.d.sync += part.eq(Mux(done, 0, part + 1))
