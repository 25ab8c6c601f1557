# SPDX-License-Identifier: Apache-2.0
"""External memory with bus errors: what a transfer returns, or that it was refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["BusError", "BusFault", "ExternalMemory"]


class BusError(Exception):
    """A transfer was answered with SLVERR or DECERR."""

    def __init__(self, address: int) -> None:
        self.address = address
        super().__init__(f"bus error at 0x{address:08x}")


@dataclass(frozen=True)
class BusFault:
    """Accesses to [first, last] are refused; `reads` / `writes` say which."""

    first: int
    last: int
    reads: bool = True
    writes: bool = True


@dataclass
class ExternalMemory:
    """`data` from address 0; everything past its end, and every fault, answers with an error."""

    data: bytearray
    faults: Sequence[BusFault] = field(default_factory=tuple)

    def read(self, address: int, count: int) -> bytes:
        """BusError if any byte of the range is refused."""
        self._check(address, count, reading=True)
        return bytes(self.data[address : address + count])

    def write(self, address: int, value: bytes) -> None:
        """BusError if any byte of the range is refused; then nothing is written."""
        self._check(address, len(value), reading=False)
        self.data[address : address + len(value)] = value

    def _check(self, address: int, count: int, *, reading: bool) -> None:
        for fault in self.faults:
            if (fault.reads if reading else fault.writes) and address <= fault.last and fault.first < address + count:
                raise BusError(max(address, fault.first))
        if address + count > len(self.data):
            raise BusError(max(address, len(self.data)))
