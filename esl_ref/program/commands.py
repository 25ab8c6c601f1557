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


@dataclass(frozen=True)
class Command:
    """One command: opcode and the values of its layout's fields (those not given are 0)."""

    opcode: Opcode
    fields: Mapping[str, int]

    def __post_init__(self) -> None:
        layout = {f.name: f for f in LAYOUTS[self.opcode]}
        unknown = self.fields.keys() - layout.keys()
        if unknown:
            raise ProgramError(f"{self.opcode.name} has no field {', '.join(sorted(unknown))}")
        values = {name: int(self.fields.get(name, 0)) for name in layout}
        values["opcode"] = int(self.opcode)
        for name, value in values.items():
            if not layout[name].low <= value <= layout[name].high:
                span = f"[{layout[name].low}, {layout[name].high}]"
                what = layout[name].doc.partition(";")[0]
                raise FieldError(f"{self.opcode.name}.{name} = {value} does not fit {span} ({what})")
        object.__setattr__(self, "fields", MappingProxyType(values))

    def __getitem__(self, name: str) -> int:
        return self.fields[name]

    def replace(self, **changes: int) -> Command:
        """A copy with some fields changed."""
        return Command(self.opcode, {**self.fields, **changes})

    def encode(self) -> bytes:
        """COMMAND_BYTES bytes, little endian."""
        word = 0
        for f in LAYOUTS[self.opcode]:
            word |= (self.fields[f.name] & ((1 << f.width) - 1)) << f.offset
        return word.to_bytes(COMMAND_BYTES, "little")


def decode(data: bytes, index: int = 0) -> Command:
    """Bytes -> Command. ProgramError, naming the command index, for an unknown opcode or set reserved bits."""
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
