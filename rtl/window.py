# SPDX-License-Identifier: Apache-2.0
"""Depthwise operands: line buffers, and the tap register that gives each output lane the taps of its own channel."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from esl_ref.arch import Arch
from rtl.timing import LINE_AHEAD, WINDOW_LATENCY
from rtl.vectors import choose

__all__ = ["Window", "window_chunks"]


def window_chunks(arch: Arch) -> int:
    """Most array cycles of one firing: chunks of whole columns that make up `window_cols`."""
    return -(-arch.window_cols // arch.window_cols_per_chunk)


class Window(wiring.Component):
    """Tap register of `lanes` channels and `window_rows - 1` line buffers; takes one vector per cycle.

    In cycle t a visit's vector is shifted in; from cycle t + 1 (`WINDOW_LATENCY`) to the next shift `taps` holds it.
    The array is issued with `use_window` in cycles t + 1 + j with `chunk = j`; the next shift may come in the cycle of
    the last chunk. With `column`, the line buffers are read one cycle before the shift (`LINE_AHEAD`).

    Slots: with `column`, slot `s` is column age `s div window_rows`, row age `s mod window_rows`; else it is age `s`.
    Tap `i` of chunk `j` is slot `j * T + i`, T = window_rows * (lanes div window_rows). Taps i >= T of column mode, and
    those past the last slot, are bytes of some other slot: their weights are zero.

    Members
    -------
    line_read : in, cycle t - 1: read the line buffers; for `column` visits, each followed by its `shift`
    line_early : in, cycle t - 1: column index of the visit
    shift : in, cycle t: take the vector
    column : in, cycle t: 1 a column of `window_rows` bytes per channel, moving on the line buffers; 0 one byte each
    row_start : in, cycle t: first column of a pass, older columns become `pad`
    older_valid : in, cycle t: bit `a - 1` is 1 if the line buffers hold the row visited `a` passes ago and it lies
        inside the map; else row age `a` is `pad`
    vector : in, cycle t: `lanes` bytes, already `pad` outside the map
    pad : in, cycle t: the byte that stands for padding
    chunk : in, cycle t + 1 + j: which slots `taps` presents; 0 without `column`
    taps : out, byte `i * lanes + o` is tap `i` of channel `o`, combinational in `chunk`
    """

    LINE_AHEAD = LINE_AHEAD
    LATENCY = WINDOW_LATENCY

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        self.slots = max(arch.window_rows * arch.window_cols, arch.lanes)
        self.chunks = window_chunks(arch)
        super().__init__({
            "line_read": In(1), "line_early": In(bits_for(arch.line_depth - 1)),
            "shift": In(1), "column": In(1), "row_start": In(1), "older_valid": In(arch.window_rows - 1),
            "vector": In(8 * arch.lanes), "pad": In(8), "chunk": In(bits_for(self.chunks - 1)),
            "taps": Out(8 * arch.lanes * arch.lanes),
        })  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        m = Module()
        slots = [Signal(8 * self.arch.lanes, name=f"slot_{s}", reset_less=True) for s in range(self.slots)]
        older_rows = self._line_buffers(m, slots)
        self._shift(m, slots, older_rows)
        self._present(m, slots)
        return m

    def _line_buffers(self, m: Module, slots: list[Signal]) -> list[Value]:
        """Row ages 1.. of the visited column as they were stored, moved on by one line buffer.

        A visit reads in cycle t - 1 and writes in cycle t, so it finds what all but the visit just before it wrote. If
        that was of the same column (maps one column wide), its rows are those of the tap register's newest column.
        """
        depth, width = self.arch.line_depth, 8 * self.arch.lanes
        write_line = Signal(bits_for(depth - 1), reset_less=True)
        with m.If(self.line_read):
            m.d.sync += write_line.eq(self.line_early)
        moving_on = Signal()
        m.d.comb += moving_on.eq(self.shift & self.column)
        same_column = Signal(reset_less=True)
        with m.If(self.line_read):
            m.d.sync += same_column.eq(moving_on & (write_line == self.line_early))

        rows, newer = [], self.vector
        for age in range(1, self.arch.window_rows):
            m.submodules[f"line_buffer_{age - 1}"] = memory = Memory(shape=width, depth=depth, init=[])
            write, read = memory.write_port(), memory.read_port()
            row = Signal(width, name=f"row_{age}")
            m.d.comb += [
                read.en.eq(self.line_read), read.addr.eq(self.line_early),
                row.eq(Mux(same_column, slots[age - 1], read.data)),
                write.en.eq(moving_on), write.addr.eq(write_line), write.data.eq(newer),
            ]  # fmt: skip
            rows.append(row)
            newer = row
        return rows

    def _shift(self, m: Module, slots: list[Signal], older_rows: list[Value]) -> None:
        """The tap register: by a column or by one slot, padding what no row or column stands behind."""
        padding = Signal(8 * self.arch.lanes)
        m.d.comb += padding.eq(self.pad.replicate(self.arch.lanes))
        newest = [self.vector]
        newest += [Mux(valid, row, padding) for valid, row in zip(self.older_valid, older_rows, strict=True)]
        rows = self.arch.window_rows

        def column_source(slot: int) -> Value:
            return newest[slot] if slot < rows else Mux(self.row_start, padding, slots[slot - rows])

        def single_source(slot: int) -> Value:
            return self.vector if slot == 0 else Mux(self.row_start, padding, slots[slot - 1])

        for s, slot in enumerate(slots):
            with m.If(self.shift):
                if s >= rows * self.arch.window_cols:
                    m.d.sync += slot.eq(single_source(s))
                elif s >= self.arch.lanes:
                    m.d.sync += slot.eq(column_source(s))
                else:
                    m.d.sync += slot.eq(Mux(self.column, column_source(s), single_source(s)))

    def _present(self, m: Module, slots: list[Signal]) -> None:
        """Taps of the chunk asked for. Chunk 0 is the first `lanes` slots in both modes."""
        lanes = self.arch.lanes
        taps_per_chunk = self.arch.window_rows * self.arch.window_cols_per_chunk
        for i in range(lanes):
            choices = [slots[j * taps_per_chunk + i] for j in range(self.chunks) if j * taps_per_chunk + i < self.slots]
            m.d.comb += self.taps.word_select(i, 8 * lanes).eq(choose(m, self.chunk, choices, f"tap_{i}"))
