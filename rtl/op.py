# SPDX-License-Identifier: Apache-2.0
"""What the walkers hand to the pipeline: one `Op` per issue slot."""

from __future__ import annotations

from amaranth.hdl import signed, unsigned
from amaranth.lib import data, enum
from amaranth.utils import bits_for

from esl_ref.arch import Arch

__all__ = ["Cause", "Masking", "POSITION", "WEIGHT_BITS", "op_layout"]

POSITION = signed(24)
"""Byte positions in a row, negative in the left padding. Rows have at most 2**20 bytes: valid commands stay inside."""

WEIGHT_BITS = 18
"""Weight word addresses: wide enough that a step past the end is seen before anything wraps."""


class Cause(enum.Enum, shape=4):
    """What the issue slot of one cycle went to; exactly one per cycle."""

    NONE = 0
    """No command in the queue (or the engine has stopped with an error)."""
    MAC = 1
    """An operand, window or weight word was issued to the array."""
    VECTOR = 2
    """A pooling or elementwise operand, or a window fill that fires nothing, was issued."""
    OVERHEAD = 3
    """Command set-up, a record word, spacing between results."""
    WAIT_LOAD = 4
    """The command at the head waits for `loads_done`."""
    WAIT_STORE = 5
    """It waits for `stores_done`."""
    WAIT_COMPUTE = 6
    """It waits for `computes_done`."""
    DMA = 7
    """A store read took the SRAM read port."""


class Masking(enum.Enum, shape=2):
    """Which bytes of a vector are replaced by `pad_value`."""

    NONE = 0
    """None (elementwise operands)."""
    BYTES = 1
    """Each byte whose position is outside the row, or past the last byte used (convolution)."""
    WHOLE = 2
    """All or nothing, by the position of the first (one pixel's channels)."""


def op_layout(arch: Arch) -> data.StructLayout:
    """One issue slot's work, in the cycle of issue.

    read             reads the vector at base + offset + position of the activation SRAM
    row_valid        its row is a row of the map
    last_access      it is the last access of a run, of which `last_bytes` count
    array            the array takes operands, from the window or the vector, with weight word `weight`
    pool             the pooling unit takes the vector
    operand_a, _b    the elementwise unit takes it
    first, last      of one result (array, pool)
    shift            the window takes the vector: column `column` of a pass, its first if `row_start`
    column_outside   that column is beyond the line buffers, which the command uses
    older_valid      bit a - 1: the row visited `a` passes ago was a row of the map
    chunk            which of the window's slots the array takes
    emit             this issue completes a result vector, written to out_base + out_offset + out_x
    adds             that result is added to what an accumulator slot holds
    group_last       it belongs to the last group
    next_group       last issue of a group that is not the last
    end              last issue of the command
    """
    return data.StructLayout({
        "read": 1,
        "base": 24,
        "offset": 24,
        "position": POSITION,
        "row_valid": 1,
        "last_access": 1,
        "masking": Masking,
        "array": 1,
        "use_window": 1,
        "weight": WEIGHT_BITS,
        "pool": 1,
        "operand_a": 1,
        "operand_b": 1,
        "first": 1,
        "last": 1,
        "shift": 1,
        "column": bits_for(arch.line_depth - 1),
        "column_outside": 1,
        "row_start": 1,
        "older_valid": unsigned(arch.window_rows - 1),
        "chunk": bits_for(-(-arch.window_cols // arch.window_cols_per_chunk) - 1),
        "emit": 1,
        "adds": 1,
        "out_base": 24,
        "out_offset": 24,
        "out_x": 24,
        "group_last": 1,
        "next_group": 1,
        "end": 1,
    })
