# SPDX-License-Identifier: Apache-2.0
"""Bit layout of the commands: one table, from which packing, the RTL's decoder and the documentation derive.

A command is COMMAND_WORDS little-endian 64-bit words. No field straddles a word.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = [
    "COMMAND_BYTES", "COMMAND_WORDS", "COMPUTE_OPCODES", "FORMAT_VERSION", "LAYOUTS", "LOAD_OPCODES", "MAGIC",
    "OLDER_ROWS", "STORE_OPCODES", "TABLE_BYTES", "ErrorCode", "Field", "Opcode", "Rounding",
]  # fmt: skip

COMMAND_WORDS = 12
COMMAND_BYTES = 8 * COMMAND_WORDS
MAGIC = 0x524C5345  # "ESLR", little endian
FORMAT_VERSION = 3
TABLE_BYTES = 256  # an image for every int8 value
OLDER_ROWS = 8  # row ages that a window command can take from line buffers


class Opcode(enum.IntEnum):
    """What a command does; see docs/program.md."""

    HEADER = 0x01
    END = 0x02
    LOAD_WEIGHTS = 0x10
    LOAD_TABLE = 0x11
    LOAD_ROWS = 0x12
    STORE_ROWS = 0x20
    CONV = 0x30
    DEPTHWISE_WINDOW = 0x31
    DEPTHWISE_TAPS = 0x32
    POOL = 0x33
    ELTWISE = 0x34


LOAD_OPCODES = frozenset({Opcode.LOAD_WEIGHTS, Opcode.LOAD_TABLE, Opcode.LOAD_ROWS})
STORE_OPCODES = frozenset({Opcode.STORE_ROWS})
COMPUTE_OPCODES = frozenset({Opcode.CONV, Opcode.DEPTHWISE_WINDOW, Opcode.DEPTHWISE_TAPS, Opcode.POOL, Opcode.ELTWISE})


class Rounding(enum.IntEnum):
    """How the post-processor of one command rounds."""

    PROFILE = 0
    """The numeric profile the RTL was generated for."""
    AVERAGE = 1
    """Sign and magnitude division by a reciprocal: (|acc| + bias) * multiplier, floored, sign restored."""
    ONCE = 2
    """One rounding, half up, on a machine whose profile is TFLITE, which rounds twice."""


class ErrorCode(enum.IntEnum):
    """Value of the ERROR_CODE register."""

    NONE = 0
    BAD_MAGIC = 1
    BAD_VERSION = 2
    WRONG_ARCH = 3
    BAD_OPCODE = 4
    BAD_ADDRESS = 5
    FETCH_BUS = 6
    LOAD_BUS = 7
    STORE_BUS = 8
    DEADLOCK = 9
    PROFILE_BUS = 10
    BAD_PATTERN = 11


@dataclass(frozen=True)
class Field:
    """`width` bits from bit `lsb` of 64-bit word `word`; two's complement when `signed`."""

    name: str
    word: int
    lsb: int
    width: int
    signed: bool
    doc: str

    @property
    def offset(self) -> int:
        """Bit position within the whole command."""
        return 64 * self.word + self.lsb

    @property
    def low(self) -> int:
        """Smallest value."""
        return -(1 << (self.width - 1)) if self.signed else 0

    @property
    def high(self) -> int:
        """Largest value."""
        return (1 << (self.width - self.signed)) - 1


def _word(word: int, *specs: tuple[str, int, str], lsb: int = 0) -> tuple[Field, ...]:
    """Fields of one word from bit `lsb` up; a negative width means a signed field."""
    fields = []
    for name, width, doc in specs:
        fields.append(Field(name, word, lsb, abs(width), width < 0, doc))
        lsb += abs(width)
    if lsb > 64:
        raise ValueError(f"word {word} holds {lsb} bits")
    return tuple(fields)


_COMMON = _word(
    0,
    ("opcode", 8, "what to do"),
    ("need_load", 1, "wait until `wait_load` load commands are complete"),
    ("need_store", 1, "wait until `wait_store` store commands are complete"),
    ("need_compute", 1, "wait until `wait_compute` compute commands are complete"),
    ("stamp", 1, "on completion write a profile record (when profiling is enabled)"),
    ("reserved", 4, "zero"),
    ("wait_load", 16, "completed load commands, modulo 2**16"),
    ("wait_store", 16, "completed store commands, modulo 2**16"),
    ("wait_compute", 16, "completed compute commands, modulo 2**16"),
)

_HEADER = (
    *_word(1, ("magic", 32, "0x524C5345"), ("version", 16, "format version")),
    *_word(2, ("arch_hash", 64, "content hash of the architecture the Program was built for")),
)

_DRAM = _word(
    1,
    ("tag", 16, "layer number, for reports; not used by the machine"),
    ("base", 3, "which BASE register the address is relative to"),
    ("reserved1", 13, "zero"),
    ("offset", 32, "bytes from BASE, a multiple of the bus width"),
)

_LOAD_WEIGHTS = (
    *_DRAM,
    *_word(
        2,
        ("word", 17, "first weight word written"),
        ("words", 17, "weight words to load"),
        ("size", 27, "bytes in memory"),
    ),
    *_word(
        3,
        ("group_words", 17, "words of a group"),
        ("record_words", 8, "words at the start of a group that hold requantisation records"),
        ("run_words", 13, "words of a run of weights"),
        ("inner_bytes", 7, "bytes of a lane in memory, in words of a run but its last"),
        ("last_bytes", 7, "bytes of a lane in memory, in the last word of a run"),
        ("last_lanes", 7, "lanes in memory in the last group"),
    ),
)

_ROWS = (
    *_DRAM,
    *_word(2, ("buf_base", 24, "SRAM byte address of the buffer"), ("buf_wrap", 25, "bytes of the buffer")),
    *_word(
        3,
        ("buf_start", 24, "offset of the first row in the buffer"),
        ("row_step", 24, "offset from row to row, modulo buf_wrap"),
    ),
    *_word(
        4, ("rows", 14, "rows to move"), ("row_bytes", 20, "bytes of a row; in memory each row starts on a bus word")
    ),
)

_IFM = (
    *_word(
        1,
        ("tag", 16, "layer number, for reports; not used by the machine"),
        ("pad_value", -8, "byte read outside the map"),
        ("zero_out", -8, "output zero point"),
        ("low", -8, "clamp, lower bound"),
        ("high", -8, "clamp, upper bound"),
        ("rounding", 2, "0 numeric profile, 1 average, 2 once instead of twice"),
        ("table", 1, "pass results through the table"),
        ("pool_sum", 1, "POOL: 1 sums, 0 takes the largest"),
        ("column", 1, "DEPTHWISE_WINDOW: 1 columns of window_rows rows through line buffers, 0 one row"),
        ("elt_mul", 1, "ELTWISE: 1 multiplies, 0 adds"),
        ("elt_sub", 1, "ELTWISE: 1 subtracts the second operand"),
        ("acc_in", 1, "add the accumulator slots to the results before post-processing"),
        ("acc_out", 1, "put the results into the accumulator slots instead of writing bytes"),
        ("acc_base", 7, "accumulator slot of the first result"),
    ),
    *_word(
        2,
        ("ifm_base", 24, "SRAM byte address of the ifm buffer"),
        ("ifm_wrap", 25, "bytes of the ifm buffer"),
        ("groups", 13, "groups of `lanes` output channels"),
    ),
    *_word(
        3,
        ("ifm_start", 24, "offset in the buffer of row ifm_y0"),
        ("group_step", 8, "ifm bytes from group to group"),
        ("last_lanes", 7, "channels of the last group"),
    ),
    *_word(
        6,
        ("ox_count", 14, "output columns"),
        ("ox_step", 20, "ifm bytes from output column to output column"),
        ("oy_count", 14, "output rows"),
        ("oy_rows", 8, "ifm rows from output row to output row"),
    ),
    *_word(
        7,
        ("oy_step", 24, "ifm offset from output row to output row, modulo ifm_wrap"),
        ("ofm_base", 24, "SRAM byte address of the ofm buffer"),
        ("wgt_step", 16, "weight words from group to group"),
    ),
    *_word(8, ("ofm_wrap", 25, "bytes of the ofm buffer"), ("ofm_start", 24, "offset of the first output row")),
    *_word(
        9,
        ("ofm_row_step", 24, "ofm offset from row to row, modulo ofm_wrap"),
        ("ofm_pix_step", 20, "ofm bytes from column to column"),
        ("wgt_header", 16, "weight word of the first group's requantisation records"),
    ),
)

_KERNEL = (
    *_word(
        4,
        ("ifm_y0", -15, "row index of output row 0, kernel row 0; negative in the padding"),
        ("ifm_rows", 14, "rows of the map"),
        ("ifm_row_bytes", 20, "bytes of a row of the map"),
        ("ky_rows", 6, "ifm rows from kernel row to kernel row"),
        ("ky_count", 8, "kernel rows"),
    ),
    *_word(
        5,
        ("ifm_x0", -21, "byte position in the row of output column 0, kernel column 0"),
        ("kx_step", 20, "ifm bytes from run to run"),
        ("kx_count", 8, "runs per kernel row"),
        ("chunks", 13, "accesses per run"),
    ),
    *_word(
        10,
        ("ky_step", 24, "ifm offset from kernel row to kernel row, modulo ifm_wrap"),
        ("wgt_first", 16, "weight word of the first group's first weights"),
        ("last_bytes", 7, "bytes used of a run's last access"),
    ),
)

_WINDOW = (
    *_word(
        11,
        ("passes", 14, "ifm rows visited"),
        ("cols", 14, "ifm columns visited per row"),
        ("fire_row", 8, "first visited row that completes a window"),
        ("fire_col", 8, "first visited column that completes a window"),
        ("col_stride", 8, "columns from window to window"),
        ("spread", 3, "lane l takes byte l >> spread of an access: 2**spread output channels for an ifm channel"),
    ),
    *_word(
        10,
        ("line_base", 14, "first line buffer column"),
        ("line_keep", 1, "1 gives every group line buffer columns of its own"),
        lsb=47,
    ),
    *_word(
        8,
        (
            "older",
            OLDER_ROWS,
            "bit a - 1: the line buffers hold, as row age a, a row of the map visited by an earlier command",
        ),
        lsb=49,
    ),
)

_OPERANDS = (
    *_word(4, ("mul_a", 31, "multiplier of the first operand"), ("mul_b", 31, "multiplier of the second operand")),
    *_word(
        5,
        ("zero_a", -8, "zero point of the first operand"),
        ("zero_b", -8, "zero point of the second operand"),
        ("shift_a", 6, "right shift of the first operand"),
        ("shift_b", 6, "right shift of the second operand"),
        ("ifm2_pix_step", 20, "second operand's bytes from column to column"),
    ),
    *_word(
        10,
        ("ifm2_base", 24, "SRAM byte address of the second operand's buffer"),
        ("ifm2_wrap", 25, "bytes of that buffer"),
    ),
    *_word(
        11,
        ("ifm2_start", 24, "offset of its first row"),
        ("ifm2_row_step", 24, "offset from row to row, modulo ifm2_wrap"),
        ("ifm2_group_step", 8, "its bytes from group to group"),
    ),
)

LAYOUTS: Mapping[Opcode, tuple[Field, ...]] = {
    Opcode.HEADER: (*_COMMON, *_HEADER),
    Opcode.END: _COMMON,
    Opcode.LOAD_WEIGHTS: (*_COMMON, *_LOAD_WEIGHTS),
    Opcode.LOAD_TABLE: (*_COMMON, *_DRAM),
    Opcode.LOAD_ROWS: (*_COMMON, *_ROWS),
    Opcode.STORE_ROWS: (*_COMMON, *_ROWS),
    Opcode.CONV: (*_COMMON, *_IFM, *_KERNEL),
    Opcode.DEPTHWISE_WINDOW: (*_COMMON, *_IFM, *_KERNEL, *_WINDOW),
    Opcode.DEPTHWISE_TAPS: (*_COMMON, *_IFM, *_KERNEL),
    Opcode.POOL: (*_COMMON, *_IFM, *_KERNEL),
    Opcode.ELTWISE: (*_COMMON, *_IFM, *_OPERANDS),
}
