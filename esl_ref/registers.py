# SPDX-License-Identifier: Apache-2.0
"""The register map, once: RTL, C header, Markdown, SystemRDL and the drivers derive from this table."""

from __future__ import annotations

import enum
from dataclasses import dataclass

__all__ = ["COUNTERS", "DEVICE_ID", "DEVICE_VERSION", "REGISTERS", "Access", "BitField", "Register", "address"]

DEVICE_ID = 0x45534C31  # "ESL1"
DEVICE_VERSION = 1
BASES = 8


class Access(enum.Enum):
    """What software may do."""

    RO = "read only"
    RW = "read, write; writes while busy are refused with SLVERR"
    W1C = "read, write 1 to clear"
    WO = "write only; refused with SLVERR while busy"
    RWA = "read, write at any time"


@dataclass(frozen=True)
class BitField:
    """`width` bits from `lsb`."""

    name: str
    lsb: int
    width: int
    doc: str


@dataclass(frozen=True)
class Register:
    """One 32-bit register at byte `offset`."""

    name: str
    offset: int
    access: Access
    doc: str
    reset: int = 0
    fields: tuple[BitField, ...] = ()


COUNTERS: tuple[tuple[str, str], ...] = (
    ("CYCLES", "cycles from doorbell to done"),
    ("MAC_ACTIVE", "cycles in which the array took operands"),
    ("VECTOR_ACTIVE", "cycles in which pooling, elementwise or a window fill took an operand instead"),
    ("OVERHEAD", "cycles of command set-up, record loading and result spacing"),
    ("STALL_WEIGHTS", "compute waited while weights or tables arrived"),
    ("STALL_ACTIVATIONS", "compute waited while feature-map rows arrived"),
    ("STALL_MEMORY", "compute waited for a load and no data arrived: latency, or a stalling memory"),
    ("STALL_WRITE_BACK", "compute, or the end of the Program, waited for a store"),
    ("STALL_DMA", "a store took the SRAM read port"),
    ("STALL_DEPENDENCY", "compute waited for its own earlier results"),
    ("STALL_FETCH", "no command to execute yet"),
    ("READ_BEATS", "data beats read from memory"),
    ("WRITE_BEATS", "data beats written to memory"),
    ("COMMANDS", "commands completed"),
)
"""Counters in register and profile-record order. The first 11: CYCLES is the sum of the 10 that follow it."""

_FIXED = (
    Register("ID", 0x000, Access.RO, "device id, 'ESL1'", DEVICE_ID),
    Register("VERSION", 0x004, Access.RO, "Program format version (high half) and device version", DEVICE_VERSION),
    Register("ARCH_HASH_LO", 0x008, Access.RO, "architecture hash, low half"),
    Register("ARCH_HASH_HI", 0x00C, Access.RO, "architecture hash, high half"),
    Register("CTRL", 0x010, Access.WO, "doorbell", 0, (BitField("start", 0, 1, "1 runs the Program at PROG_ADDR"),)),
    Register("STATUS", 0x014, Access.RO, "state of the engine", 0, (
        BitField("busy", 0, 1, "a Program is running"),
        BitField("done", 1, 1, "the last Program reached END"),
        BitField("error", 2, 1, "the last Program stopped with ERROR_CODE"),
        BitField("refused", 3, 1, "a register write was refused since the last doorbell"),
    )),
    Register("ERROR_CODE", 0x018, Access.RO, "first error of the last Program; see ErrorCode"),
    Register("ERROR_INDEX", 0x01C, Access.RO, "index in the stream of the command that failed"),
    Register("IRQ_ENABLE", 0x020, Access.RWA, "interrupt enable", 0, (
        BitField("done", 0, 1, "on done"), BitField("error", 1, 1, "on error"),
    )),
    Register("IRQ_STATUS", 0x024, Access.W1C, "interrupt pending", 0, (
        BitField("done", 0, 1, "done"), BitField("error", 1, 1, "error"),
    )),
    Register("PROG_ADDR", 0x028, Access.RW, "address of the command stream, a multiple of 16"),
    Register("PROFILE_ADDR", 0x02C, Access.RW, "where profile records go, a multiple of 64; 0 turns them off"),
)  # fmt: skip

REGISTERS: tuple[Register, ...] = (
    *_FIXED,
    *(Register(f"BASE{i}", 0x040 + 4 * i, Access.RW, f"base address {i}, a multiple of 16") for i in range(BASES)),
    *(Register(name, 0x080 + 4 * i, Access.RO, doc) for i, (name, doc) in enumerate(COUNTERS)),
)

PROFILE_RECORD_BYTES = 64
"""A profile record: 16 little-endian 32-bit words: command index, tag, then COUNTERS as they stood at completion."""


def address(name: str) -> int:
    """Byte offset of a register."""
    return next(r.offset for r in REGISTERS if r.name == name)
