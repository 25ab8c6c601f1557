# SPDX-License-Identifier: Apache-2.0
"""Bytes of loads between bus and memories: bus words in, pieces of up to `lanes` bytes out, aligned to bit 0."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from esl_ref.arch import Arch
from rtl.load_types import piece_layout, placed_layout
from rtl.vectors import choose, elements

__all__ = ["LoadAlign"]


class LoadAlign(wiring.Component):
    """A ring of 2 * lanes bytes, and two stages of alignment: first to the bus word, then to the byte.

    Members
    -------
    beats : In stream of 8 * axi_bytes bits
    piece : In stream of piece_layout()
        Taken when all its bytes are there.
    placed : Out stream of placed_layout(), two cycles later unless it is held up
    """

    def __init__(self, arch: Arch):
        self._arch = arch
        super().__init__({
            "beats": In(stream.Signature(8 * arch.axi_bytes)),
            "piece": In(stream.Signature(piece_layout(arch))),
            "placed": Out(stream.Signature(placed_layout(arch))),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        rough_valid, rough_room, fine_room = Signal(), Signal(), Signal()
        m.d.comb += [
            fine_room.eq(~self.placed.valid | self.placed.ready),
            rough_room.eq(~rough_valid | fine_room),
        ]
        words, at, taken = self._ring(m, rough_room)
        with m.If(rough_room):
            m.d.sync += rough_valid.eq(taken)
        with m.If(fine_room):
            m.d.sync += self.placed.valid.eq(rough_valid)
        piece, vector, offset = self._rough(m, words, at, rough_room)
        with m.If(fine_room):
            self._fine(m, piece, vector, offset)
        return m

    def _ring(self, m: Module, room: Signal) -> tuple[list[Signal], Signal, Signal]:
        """(bus words, byte at which the next piece begins, whether it is taken)"""
        axi, size = self._arch.axi_bytes, 2 * self._arch.lanes
        words = [Signal(8 * axi, name=f"word_{i}", reset_less=True) for i in range(size // axi)]
        put, at, have = Signal(range(len(words))), Signal(range(size)), Signal(range(size + 1))
        piece, low = self.piece.payload, (axi - 1).bit_length()
        end, whole, used = (Signal(range(2 * size), name=name) for name in ("end", "whole", "used"))
        taken, accepted = Signal(), Signal()
        m.d.comb += [
            self.beats.ready.eq(have <= size - axi),
            self.piece.ready.eq(room & (have >= piece.count)),
            accepted.eq(self.beats.valid & self.beats.ready),
            taken.eq(self.piece.valid & self.piece.ready),
            end.eq(at + piece.count),
            whole.eq(Cat(Const(0, low), (end + (axi - 1))[low : len(end)])),
            used.eq(Mux(piece.align, whole, end) - at),
        ]
        with m.If(accepted):
            m.d.sync += put.eq(put + 1)
            with m.Switch(put):
                for i, word in enumerate(words):
                    with m.Case(i):
                        m.d.sync += word.eq(self.beats.payload)
        with m.If(taken):
            m.d.sync += at.eq(at + used)
        m.d.sync += have.eq(have + Mux(accepted, axi, 0) - Mux(taken, used, 0))
        return words, at, taken

    def _rough(self, m: Module, words: list[Signal], at: Signal, room: Signal) -> tuple[Signal, Signal, Signal]:
        """(the piece, bus words from the one it begins in, byte in that)"""
        axi, lanes = self._arch.axi_bytes, self._arch.lanes
        low = (axi - 1).bit_length()
        piece = Signal(piece_layout(self._arch), name="rough_piece", reset_less=True)
        vector = Signal(8 * (lanes + axi), name="rough", reset_less=True)
        offset = Signal(low, name="rough_offset", reset_less=True)
        chosen = [choose(m, at[low:], words[i:] + words[:i], f"chosen_{i}") for i in range(lanes // axi + 1)]
        with m.If(room):
            m.d.sync += [piece.eq(self.piece.payload), vector.eq(Cat(chosen)), offset.eq(at[:low])]
        return piece, vector, offset

    def _fine(self, m: Module, piece: Signal, vector: Value, offset: Signal) -> None:
        """The piece's bytes, zeros behind them."""
        placed = self.placed.payload
        for bit in reversed(range(len(offset))):
            vector = Mux(offset[bit], vector >> (8 << bit), vector)
        aligned = elements(vector[: 8 * self._arch.lanes], 8)
        m.d.sync += [
            *(placed[name].eq(piece[name]) for name in ("destination", "addr", "lane", "count", "last")),
            placed.data.eq(Cat(Mux(piece.count > i, byte, 0) for i, byte in enumerate(aligned))),
        ]
