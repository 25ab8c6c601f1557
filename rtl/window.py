# SPDX-License-Identifier: Apache-2.0
"""Depthwise operand storage: line buffers and the tap register that feeds each output lane the taps of its own channel."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from esl_ref.arch import Arch
from rtl.timing import LINE_AHEAD, WINDOW_LATENCY

__all__ = ["Window"]


class Window(wiring.Component):
    """Tap register of `lanes` channels, `window_rows - 1` line buffers; one vector per cycle.

    In cycle t the vector of a visit is shifted in, in cycle t + 1 (`WINDOW_LATENCY`) and until the next shift `taps` holds it:
    the array is issued with `use_window` in cycles t + 1 + j, `chunk = j`; the next shift may come in the cycle of the last
    chunk. With `column`, the column's line buffer words are read one cycle earlier (`LINE_AHEAD`).

    Slots: `column = 1`: slot `s` is column age `s div window_rows`, row age `s mod window_rows`; `column = 0`: slot `s` is age `s`.
    Tap `i` of chunk `j` is slot `j * T + i`, T = window_rows * (lanes div window_rows); taps i >= T of column mode are any slot's
    bytes (their weights are zero), and so are taps past the last slot.

    Members
    -------
    line_read : in, cycle t - 1: read the line buffers (only for `column` visits; each is followed by its `shift`)
    line_early : in, cycle t - 1: column index of the visit
    shift : in, cycle t: take the vector
    column : in, cycle t: 1 a column of `window_rows` bytes per channel, and cascade the line buffers; 0 one byte per channel
    row_start : in, cycle t: first column of a pass, older columns become `pad`
    older_valid : in, cycle t: bit `a - 1` is 1 if the row visited `a` passes ago is a row of the map visited in this group,
        else row age `a` becomes `pad`
    vector : in, cycle t: `lanes` bytes, already `pad` outside the map
    pad : in, cycle t: the byte that stands for padding
    chunk : in, cycle t + 1 + j: which slots `taps` presents; 0 when `column = 0`
    taps : out, byte `i * lanes + o` is tap `i` of channel `o`, combinational in `chunk`
    """

    LINE_AHEAD = LINE_AHEAD
    LATENCY = WINDOW_LATENCY

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        self.slots = max(arch.window_rows * arch.window_cols, arch.lanes)
        self.chunks = -(-arch.window_cols // arch.window_cols_per_chunk)
        super().__init__({
            "line_read": In(1), "line_early": In(bits_for(arch.line_depth - 1)),
            "shift": In(1), "column": In(1), "row_start": In(1), "older_valid": In(arch.window_rows - 1),
            "vector": In(8 * arch.lanes), "pad": In(8), "chunk": In(bits_for(self.chunks - 1)),
            "taps": Out(8 * arch.lanes * arch.lanes),
        })  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        m = Module()
        return m
