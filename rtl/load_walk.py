# SPDX-License-Identifier: Apache-2.0
"""Takes loads apart: how many bytes the next piece has, and where it goes."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from esl_ref.arch import Arch
from esl_ref.program.fields import ErrorCode
from rtl.fault import FaultSignature, raise_fault
from rtl.load_types import Destination, load_layout, piece_layout
from rtl.load_weights import LoadWeights

__all__ = ["LoadWalk"]

class LoadWalk(wiring.Component):
    """One piece per cycle, without a gap between loads.

    Members
    -------
    load : In stream of load_layout()
    piece : Out stream of piece_layout()
    fault : Out(FaultSignature)
        BAD_PATTERN: the words of a load take more or fewer bytes than it loads.
    """

    def __init__(self, arch: Arch):
        self._arch = arch
        super().__init__({
            "load": In(stream.Signature(load_layout())),
            "piece": Out(stream.Signature(piece_layout(arch))),
            "fault": Out(FaultSignature),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        active, step, start, wrong = Signal(), Signal(), Signal(), Signal()
        piece = self.piece.payload
        destination = Signal(Destination, reset_less=True)
        index = Signal(32, reset_less=True)
        m.d.comb += [
            self.piece.valid.eq(active),
            step.eq(self.piece.valid & self.piece.ready),
            self.load.ready.eq(~active | (step & piece.last)),
            start.eq(self.load.valid & self.load.ready),
            piece.destination.eq(destination),
        ]
        with m.If(step & piece.last):
            m.d.sync += active.eq(0)
        with m.If(start):
            m.d.sync += [active.eq(1), destination.eq(self.load.payload.destination), index.eq(self.load.payload.index)]
        addr, count, row_end, last = self._vectors(m, start, step)
        m.submodules.weights = weights = LoadWeights(self._arch)
        m.d.comb += [weights.start.eq(start), weights.load.eq(self.load.payload), weights.step.eq(step)]
        with m.Switch(destination):
            with m.Case(Destination.WEIGHTS):
                m.d.comb += [
                    wrong.eq(active & weights.wrong), piece.addr.eq(weights.word), piece.lane.eq(weights.lane),
                    piece.count.eq(weights.count), piece.last.eq(weights.last), piece.align.eq(weights.last),
                ]  # fmt: skip
            with m.Case(Destination.NOTHING):
                m.d.comb += piece.last.eq(1)
            with m.Default():
                m.d.comb += [
                    piece.addr.eq(addr), piece.count.eq(count), piece.last.eq(last), piece.align.eq(row_end)
                ]  # fmt: skip
        with m.If(wrong):  # its pieces go on until the machine is flushed: what they leave behind counts for nothing
            raise_fault(m, self.fault, ErrorCode.BAD_PATTERN, index)
        return m

    def _vectors(self, m: Module, start: Signal, step: Signal) -> tuple[Signal, Value, Value, Value]:
        """Rows in vectors of `lanes` bytes, the table in bus words: (address, bytes, row's end, load's end)."""
        row = Signal(load_layout(), reset_less=True)  # its `rows` and `first` count along
        addr, left = Signal(25, reset_less=True), Signal(20, reset_less=True)
        following, wrapped = Signal(26), Signal(25)
        table = Signal(reset_less=True)
        # Bytes of this piece, and of a row's first; the last piece of a row; rows of one piece; the last row.
        count, whole = (Signal(range(self._arch.lanes + 1), name=name, reset_less=True) for name in ("count", "whole"))
        row_end, short, last_row = (Signal(name=name, reset_less=True) for name in ("row_end", "short", "last_row"))
        size = Mux(table, self._arch.axi_bytes, self._arch.lanes)
        m.d.comb += [
            following.eq(row.first + row.step),
            wrapped.eq(Mux(following >= row.limit, following - row.wrap, following)),
        ]
        with m.If(step & row_end):
            m.d.sync += [row.rows.eq(row.rows - 1), row.first.eq(wrapped), addr.eq(wrapped), left.eq(row.row_bytes)]
            m.d.sync += [count.eq(whole), row_end.eq(short), last_row.eq(row.rows == 2)]
        with m.Elif(step):
            ends = left <= Mux(table, 2 * self._arch.axi_bytes, 2 * self._arch.lanes)
            m.d.sync += [addr.eq(addr + Mux(table, 1, size)), left.eq(left - size), row_end.eq(ends)]
            m.d.sync += count.eq(Mux(ends, (left - size)[: len(count)], size))
        with m.If(start):
            first = self.load.payload
            is_table = first.destination == Destination.TABLE
            first_size = Mux(is_table, self._arch.axi_bytes, self._arch.lanes)
            one, many = first.row_bytes <= first_size, Mux(first.row_bytes < first_size, first.row_bytes, first_size)
            m.d.sync += [row.eq(first), addr.eq(first.first), left.eq(first.row_bytes), table.eq(is_table)]
            m.d.sync += [count.eq(many), whole.eq(many), row_end.eq(one), short.eq(one), last_row.eq(first.rows == 1)]
        return addr, count, row_end, row_end & last_row
