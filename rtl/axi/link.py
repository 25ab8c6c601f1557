# SPDX-License-Identifier: Apache-2.0
"""Layouts and signatures of the AXI4 link and of the transfers its masters take from their clients."""

from __future__ import annotations

from amaranth.hdl import unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = [
    "INCR",
    "PAGE_BYTES",
    "PROTECTION",
    "address_layout",
    "full_size",
    "read_beat_layout",
    "read_client",
    "read_link",
    "response_layout",
    "transfer_layout",
    "write_beat_layout",
    "write_client",
    "write_link",
]

INCR = 1
"""AxBURST of an incrementing burst, the only kind used."""

PROTECTION = 0b010
"""AxPROT: unprivileged, non-secure, data (AXI4, A4.7). A system that tells secure memory apart keeps Programs out of
it."""

PAGE_BYTES = 4096
"""No burst may cross a boundary of this many bytes (AXI4, A3.4.1)."""


def full_size(axi_bytes: int) -> int:
    """AxSIZE of beats as wide as the bus."""
    return axi_bytes.bit_length() - 1


def address_layout() -> data.StructLayout:
    """Payload of AR and AW; AxLEN is `beats - 1`. Size, burst type, protection, ID are constants of the top level."""
    return data.StructLayout({"addr": unsigned(32), "len": unsigned(8)})


def read_beat_layout(axi_bytes: int) -> data.StructLayout:
    """Payload of R."""
    return data.StructLayout({"data": unsigned(8 * axi_bytes), "resp": unsigned(2), "last": unsigned(1)})


def write_beat_layout(axi_bytes: int) -> data.StructLayout:
    """Payload of W."""
    return data.StructLayout({
        "data": unsigned(8 * axi_bytes), "strb": unsigned(axi_bytes), "last": unsigned(1)
    })  # fmt: skip


def response_layout() -> data.StructLayout:
    """Payload of B."""
    return data.StructLayout({"resp": unsigned(2)})


def read_link(axi_bytes: int) -> wiring.Signature:
    """AR and R, seen from the master."""
    return wiring.Signature({
        "ar": Out(stream.Signature(address_layout())),
        "r": In(stream.Signature(read_beat_layout(axi_bytes))),
    })


def write_link(axi_bytes: int) -> wiring.Signature:
    """AW, W and B, seen from the master."""
    return wiring.Signature({
        "aw": Out(stream.Signature(address_layout())),
        "w": Out(stream.Signature(write_beat_layout(axi_bytes))),
        "b": In(stream.Signature(response_layout())),
    })


def transfer_layout() -> data.StructLayout:
    """A linear range: byte address on a bus word, and bus beats (1 to 2**32 - 1)."""
    return data.StructLayout({"addr": unsigned(32), "beats": unsigned(32)})


def read_client(axi_bytes: int) -> wiring.Signature:
    """Seen from the client: transfers out; their beats, in order, in. `error` replaces SLVERR and DECERR."""
    return wiring.Signature({
        "request": Out(stream.Signature(transfer_layout())),
        "data": In(stream.Signature(data.StructLayout({"data": unsigned(8 * axi_bytes), "error": unsigned(1)}))),
    })


def write_client(axi_bytes: int) -> wiring.Signature:
    """Seen from the client: transfers and their beats out; in, a pulse for each answered transfer.

    done   pulse: the last write response of the oldest transfer has arrived
    error  pulse: a write response of the oldest transfer was SLVERR or DECERR
    """
    beat = data.StructLayout({"data": unsigned(8 * axi_bytes), "strb": unsigned(axi_bytes)})
    return wiring.Signature({
        "request": Out(stream.Signature(transfer_layout())),
        "data": Out(stream.Signature(beat)),
        "done": In(1),
        "error": In(1),
    })
