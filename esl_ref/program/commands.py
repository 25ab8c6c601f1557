# SPDX-License-Identifier: Apache-2.0
"""Commands as values: `Command(Opcode.CONV, {...})` packs to bytes and back, with every field range-checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from esl_ref.errors import FieldError, ProgramError
from esl_ref.program.fields import COMMAND_BYTES, COMPUTE_OPCODES, LAYOUTS, LOAD_OPCODES, STORE_OPCODES, Opcode

__all__ = ["QUEUES", "Command", "decode", "pack", "queue_of", "unpack"]

QUEUES = ("load", "store", "compute")
"""The in-order queues by name, as `queue_of` and the `wait_` fields name them."""


_ZEROS = {opcode: {f.name: 0 for f in layout} for opcode, layout in LAYOUTS.items()}
_FIELDS = {opcode: {f.name: f for f in layout} for opcode, layout in LAYOUTS.items()}
_RANGES = {opcode: {f.name: (f.low, f.high) for f in layout} for opcode, layout in LAYOUTS.items()}


def _fitting(opcode: Opcode, given: Mapping[str, int]) -> dict[str, int]:
    """The values as plain integers; FieldError or ProgramError unless all are those of fields, and fit."""
    ranges = _RANGES[opcode]
    unknown = given.keys() - ranges.keys()
    if unknown:
        raise ProgramError(f"{opcode.name} has no field {', '.join(sorted(unknown))}")
    values = {name: int(value) for name, value in given.items()}
    for name, value in values.items():
        low, high = ranges[name]
        if not low <= value <= high:
            what = _FIELDS[opcode][name].doc.partition(";")[0]
            raise FieldError(f"{opcode.name}.{name} = {value} does not fit [{low}, {high}] ({what})")
    return values


@dataclass(frozen=True)
class Command:
    """One command: opcode and the values of its layout's fields (those not given are 0)."""

    opcode: Opcode
    fields: Mapping[str, int]

    def __post_init__(self) -> None:
        self._hold(_ZEROS[self.opcode] | _fitting(self.opcode, self.fields) | {"opcode": int(self.opcode)})

    def _hold(self, values: dict[str, int]) -> None:
        object.__setattr__(self, "fields", MappingProxyType(values))

    def __getitem__(self, name: str) -> int:
        return self.fields[name]

    def replace(self, **changes: int) -> Command:
        """A copy with some fields changed; those that stay are not checked again."""
        copy = object.__new__(Command)
        object.__setattr__(copy, "opcode", self.opcode)
        copy._hold({**self.fields, **_fitting(self.opcode, changes), "opcode": int(self.opcode)})
        return copy

    def encode(self) -> bytes:
        """COMMAND_BYTES bytes, little endian."""
        word = 0
        for f in LAYOUTS[self.opcode]:
            word |= (self.fields[f.name] & ((1 << f.width) - 1)) << f.offset
        return word.to_bytes(COMMAND_BYTES, "little")


def decode(data: bytes, index: int = 0) -> Command:
    """Bytes -> Command. ProgramError, naming the command index, for an unknown opcode. As in the RTL, bits of no
    field of the opcode are ignored."""
    word = int.from_bytes(data, "little")
    try:
        opcode = Opcode(word & 0xFF)
    except ValueError as error:
        raise ProgramError(f"unknown opcode 0x{word & 0xFF:02x}", where=f"command {index}") from error
    values = {}
    for f in LAYOUTS[opcode]:
        raw = (word >> f.offset) & ((1 << f.width) - 1)
        values[f.name] = raw - (1 << f.width) if f.signed and raw >> (f.width - 1) else raw
    return Command(opcode, values)


def pack(commands: Iterable[Command]) -> bytes:
    """The command stream as it lies in memory."""
    return b"".join(c.encode() for c in commands)


def unpack(stream: bytes) -> Iterator[Command]:
    """The commands of a stream; ProgramError if it is not a whole number of commands."""
    if len(stream) % COMMAND_BYTES:
        raise ProgramError(f"command stream of {len(stream)} bytes is not a multiple of {COMMAND_BYTES}")
    return (decode(stream[i : i + COMMAND_BYTES], i // COMMAND_BYTES) for i in range(0, len(stream), COMMAND_BYTES))


def queue_of(opcode: Opcode) -> str:
    """Which in-order queue runs a command: 'load', 'store', 'compute', or 'control' for HEADER and END."""
    if opcode in LOAD_OPCODES:
        return "load"
    if opcode in STORE_OPCODES:
        return "store"
    return "compute" if opcode in COMPUTE_OPCODES else "control"
