# SPDX-License-Identifier: Apache-2.0
"""The storer's SRAM side: walks the rows of a buffer, one vector of `lanes` bytes per read."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from esl_ref.arch import Arch
from rtl.register_fifo import RegisterFifo

__all__ = ["StoreWalk", "rows_layout"]


def rows_layout() -> data.StructLayout:
    """Rows of a buffer.

    first        SRAM byte address of the first row
    step         from row to row
    limit, wrap  where a row's address would reach `limit`, `wrap` is taken off it
    """
    return data.StructLayout({
        "rows": unsigned(14), "row_bytes": unsigned(20),
        "first": unsigned(25), "step": unsigned(24), "limit": unsigned(26), "wrap": unsigned(25),
    })  # fmt: skip


class StoreWalk(wiring.Component):
    """Reads ahead as far as `vectors` can hold, so the fixed latency of the SRAM costs nothing after the first vector.

    Members
    -------
    rows : In stream of rows_layout()
        Taken when the last vector of the rows before has been asked for.
    read_valid, read_addr : Out(1), Out(24)
        SRAM read, always granted.
    read_data_valid, read_data : In(1), In(8 * lanes)
        Its data, `read_latency` cycles later.
    vectors : Out stream of 8 * lanes bits
    """

    def __init__(self, arch: Arch, read_latency: int):
        self._arch, self._read_latency = arch, read_latency
        super().__init__({
            "rows": In(stream.Signature(rows_layout())),
            "read_valid": Out(1),
            "read_addr": Out(24),
            "read_data_valid": In(1),
            "read_data": In(8 * arch.lanes),
            "vectors": Out(stream.Signature(unsigned(8 * arch.lanes))),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # A vector lasts this many beats; while they go out, the next ones are on their way.
        beats = self._arch.lanes // self._arch.axi_bytes
        depth = -(-(self._read_latency + 1) // beats) + 1
        m.submodules.vectors = fifo = RegisterFifo(8 * self._arch.lanes, depth)
        wiring.connect(m, fifo.pop, wiring.flipped(self.vectors))
        promised = Signal(range(depth + 1))  # held, or on their way
        popped = fifo.pop.valid & fifo.pop.ready
        room = Signal(init=1)  # promised < depth
        following = Signal.like(promised)
        m.d.comb += following.eq(promised + self.read_valid - popped)
        m.d.sync += [promised.eq(following), room.eq(following != depth)]
        m.d.comb += [fifo.push.valid.eq(self.read_data_valid), fifo.push.payload.eq(self.read_data)]
        self._walk(m, room)
        return m

    def _walk(self, m: Module, room) -> None:
        lanes = self._arch.lanes
        current = Signal(rows_layout(), reset_less=True)
        active, finish = Signal(), Signal()
        # left <= lanes, rows of one vector, rows == 1
        row_end, short, last_row = (Signal(name=name, reset_less=True) for name in ("row_end", "short", "last_row"))
        addr = Signal(25, reset_less=True)
        left = Signal(20, reset_less=True)
        following, wrapped = Signal(26), Signal(25)
        m.d.comb += [
            self.read_valid.eq(active & room),
            self.read_addr.eq(addr),
            finish.eq(self.read_valid & row_end & last_row),
            self.rows.ready.eq(~active | finish),
            following.eq(current.first + current.step),
            wrapped.eq(Mux(following >= current.limit, following - current.wrap, following)),
        ]
        with m.If(finish):
            m.d.sync += active.eq(0)
        with m.If(self.read_valid & row_end):
            m.d.sync += [current.rows.eq(current.rows - 1), current.first.eq(wrapped), addr.eq(wrapped)]
            m.d.sync += [left.eq(current.row_bytes), row_end.eq(short), last_row.eq(current.rows == 2)]
        with m.Elif(self.read_valid):
            m.d.sync += [addr.eq(addr + lanes), left.eq(left - lanes), row_end.eq(left <= 2 * lanes)]
        with m.If(self.rows.valid & self.rows.ready):
            first = self.rows.payload
            m.d.sync += [active.eq(1), current.eq(first), addr.eq(first.first), left.eq(first.row_bytes)]
            one_vector = first.row_bytes <= lanes
            m.d.sync += [short.eq(one_vector), row_end.eq(one_vector), last_row.eq(first.rows == 1)]
