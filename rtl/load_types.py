# SPDX-License-Identifier: Apache-2.0
"""What passes between the address side and the data side of the loader."""

from __future__ import annotations

from amaranth.hdl import unsigned
from amaranth.lib import data, enum

__all__ = ["Destination", "load_layout"]


class Destination(enum.Enum, shape=2):
    """Which memory a load fills."""

    ROWS = 0
    WEIGHTS = 1
    TABLE = 2
    NOTHING = 3
    """A load of no bytes: complete when its turn comes."""


def load_layout() -> data.StructLayout:
    """One load, as rows whatever it is: weight words are rows of lanes * lanes bytes, the table is one row.

    first        SRAM byte address, weight word, or 0, of the first row
    step         from row to row, in the same unit
    limit, wrap  where a row's address would reach `limit`, `wrap` is taken off it
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
    })
