# SPDX-License-Identifier: Apache-2.0
"""What passes between the parts of the loader."""

from __future__ import annotations

from amaranth.hdl import unsigned
from amaranth.lib import data, enum

from esl_ref.arch import Arch

__all__ = ["Destination", "arriving_layout", "load_layout", "piece_layout", "placed_layout"]


class Destination(enum.Enum, shape=2):
    """Which memory a load fills."""

    ROWS = 0
    WEIGHTS = 1
    TABLE = 2
    NOTHING = 3
    """A load of no bytes: complete when its turn comes."""


def load_layout() -> data.StructLayout:
    """One load, taken apart into pieces: vectors of rows, lanes of weight words, bus words of the table.

    first           SRAM byte address, weight word, or 0
    rows, row_bytes ROWS: as in the command; WEIGHTS: weight words in `rows`
    step            ROWS: from row to row
    limit, wrap     ROWS: where a row's address would reach `limit`, `wrap` is taken off it
    size            WEIGHTS: bytes of the load
    the others      WEIGHTS: as in the command
    """
    return data.StructLayout({
        "destination": Destination,
        "rows": unsigned(17),
        "row_bytes": unsigned(20),
        "first": unsigned(25),
        "step": unsigned(24),
        "limit": unsigned(26),
        "wrap": unsigned(25),
        "index": unsigned(32),
        "size": unsigned(27),
        "group_words": unsigned(17),
        "record_words": unsigned(8),
        "run_words": unsigned(13),
        "inner_bytes": unsigned(7),
        "last_bytes": unsigned(7),
        "last_lanes": unsigned(7),
    })


def arriving_layout() -> data.StructLayout:
    """How many bus words belong to a load, and whose they are."""
    return data.StructLayout({"destination": Destination, "beats": unsigned(32), "index": unsigned(32)})


def _place(arch: Arch) -> dict[str, object]:
    """Where a piece goes.

    addr   ROWS: SRAM byte address; WEIGHTS: word; TABLE: bus word
    lane   WEIGHTS: output lane
    count  bytes of the piece
    last   the load's last piece
    """
    return {
        "destination": Destination,
        "addr": unsigned(25),
        "lane": range(arch.lanes),
        "count": range(arch.lanes + 1),
        "last": 1,
    }


def piece_layout(arch: Arch) -> data.StructLayout:
    """A piece to be taken out of the buffer; with `align` the rest of its bus word is dropped."""
    return data.StructLayout({**_place(arch), "align": 1})


def placed_layout(arch: Arch) -> data.StructLayout:
    """A piece on its way to its memory, bytes beyond `count` zero."""
    return data.StructLayout({**_place(arch), "data": 8 * arch.lanes})
