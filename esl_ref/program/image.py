# SPDX-License-Identifier: Apache-2.0
"""A whole Program: commands, constants, the surfaces it reads and writes, and what the reports need to name things.

`default_bases` places everything in one linear external memory, so that ESL machine and RTL run the very same image.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from esl_ref.arch import Arch
from esl_ref.errors import InputError, ProgramError
from esl_ref.program.commands import Command, pack
from esl_ref.program.fields import COMMAND_BYTES, FORMAT_VERSION, MAGIC, Opcode

__all__ = [
    "ADDRESS_SPACE", "ALIGNMENT", "BASES", "CONSTANTS", "INPUTS", "OUTPUTS", "PROFILE_RECORD", "SCRATCH", "Bases",
    "CommandInfo", "Direction", "Program", "SramBuffer", "Surface", "default_bases", "header_command",
]  # fmt: skip

Array = npt.NDArray[Any]
Direction = Literal["in", "out", "scratch", "trace"]

BASES = 8
CONSTANTS, INPUTS, OUTPUTS, SCRATCH = 0, 1, 2, 3
ADDRESS_SPACE = 1 << 32  # bytes that the AXI4 master can name
ALIGNMENT = 4096
"""Every segment starts on an AXI4 4 KiB boundary, so the first burst of a surface is never split by it."""
PROFILE_RECORD = 64


@dataclass(frozen=True)
class Surface:
    """A tensor in external memory: `rows` rows of `row_bytes` bytes, `pitch` bytes apart, from BASE[base] + offset.

    `shape` and `dtype` describe the tensor, whose bytes in C order are the rows' bytes one after the other.
    """

    name: str
    base: int
    offset: int
    shape: tuple[int, ...]
    row_bytes: int
    rows: int
    pitch: int
    dtype: str = "int8"
    direction: Direction = "in"

    def __post_init__(self) -> None:
        tensor_bytes = int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize
        where = f"surface '{self.name}'"
        if self.rows * self.row_bytes != tensor_bytes:
            raise ProgramError(f"{self.rows} rows of {self.row_bytes} bytes do not hold {tensor_bytes}", where=where)
        if self.pitch < self.row_bytes or not 0 <= self.base < BASES or self.offset < 0:
            raise ProgramError(f"impossible base {self.base}, offset {self.offset} or pitch {self.pitch}", where=where)

    @property
    def end(self) -> int:
        """Offset just past the last row, padding included."""
        return self.offset + self.rows * self.pitch

    def lay(self, value: Array) -> bytes:
        """The tensor's bytes as they lie in memory, rows filled up with zeros."""
        value = np.ascontiguousarray(value)
        if value.shape != self.shape or value.dtype != np.dtype(self.dtype):
            raise InputError(
                f"is {value.dtype}{list(value.shape)}",
                where=f"input '{self.name}'",
                hint=f"{self.dtype}{list(self.shape)} is needed",
            )
        rows = np.zeros((self.rows, self.pitch), np.uint8)
        rows[:, : self.row_bytes] = np.frombuffer(value.tobytes(), np.uint8).reshape(self.rows, self.row_bytes)
        return rows.tobytes()

    def pick(self, segment: bytes | bytearray | memoryview) -> Array:
        """The inverse: the tensor from the bytes of its segment."""
        raw = np.frombuffer(segment, np.uint8, self.rows * self.pitch, self.offset).reshape(self.rows, self.pitch)
        dense = np.ascontiguousarray(raw[:, : self.row_bytes]).tobytes()
        return np.frombuffer(dense, self.dtype).reshape(self.shape).copy()


@dataclass(frozen=True)
class CommandInfo:
    """What a command is for, in the words of the network: for reports and errors only.

    op: operator; reads, writes: tensor names; rows, columns, channels: (first, count) of the tensor written.
    """

    op: str = ""
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    rows: tuple[int, int] = (0, 0)
    columns: tuple[int, int] = (0, 0)
    channels: tuple[int, int] = (0, 0)
    layer: int = -1
    note: str = ""

    def __str__(self) -> str:
        strip = f" rows {self.rows[0]}..{self.rows[0] + self.rows[1] - 1}" if self.rows[1] else ""
        return f"{self.op or '-'}{strip}{' ' + self.note if self.note else ''}"


@dataclass(frozen=True)
class SramBuffer:
    """A named range of on-chip memory and the commands between which it is in use.

    memory: 'act' (base and bytes count bytes) or 'weight' (base in weight words, bytes still bytes).
    """

    name: str
    base: int
    bytes: int
    first: int
    last: int
    memory: str = "act"


@dataclass(frozen=True)
class Bases:
    """Addresses in one linear external memory of `size` bytes: command stream, BASE registers, profile records.

    `profile` is 0 (off) when no command is stamped.
    """

    commands: int
    base: tuple[int, ...]
    size: int
    profile: int = 0


@dataclass(frozen=True)
class Program:
    """All an executor needs, and names for the reports. `commands` include HEADER and END; `debug` parallels them."""

    arch: Arch
    commands: tuple[Command, ...]
    constants: bytes = b""
    surfaces: tuple[Surface, ...] = ()
    scratch_bytes: int = 0
    debug: tuple[CommandInfo, ...] = ()
    sram_map: tuple[SramBuffer, ...] = ()
    name: str = ""

    def __post_init__(self) -> None:
        if self.debug and len(self.debug) != len(self.commands):
            raise ProgramError(f"{len(self.debug)} debug records for {len(self.commands)} commands", where=self.name)
        names = [s.name for s in self.surfaces]
        if len(set(names)) != len(names):
            raise ProgramError(f"surface names are not unique: {', '.join(names)}", where=self.name)

    def info(self, index: int) -> CommandInfo:
        """Debug record of a command; an empty one if the Program carries none."""
        return self.debug[index] if self.debug else CommandInfo()

    def where(self, index: int) -> str:
        """'command 12 CONV (conv_3 rows 4..7)': how errors name a command."""
        opcode = f" {self.commands[index].opcode.name}" if 0 <= index < len(self.commands) else ""
        info = str(self.info(index)) if 0 <= index < len(self.commands) else "-"
        return f"command {index}{opcode}{'' if info == '-' else f' ({info})'}"

    def surfaces_of(self, *directions: Direction) -> Iterator[Surface]:
        """Surfaces of these directions, in order."""
        return (s for s in self.surfaces if s.direction in directions)

    def stamped(self) -> int:
        """Commands that write a profile record."""
        return sum(c["stamp"] for c in self.commands)

    def segment_bytes(self, base: int) -> int:
        """Bytes of external memory behind one BASE register."""
        sizes = [s.end for s in self.surfaces if s.base == base]
        if base == CONSTANTS:
            # The last transfer may read up to a whole bus word.
            sizes.append(_round_up(len(self.constants), self.arch.axi_bytes))
        if base == SCRATCH:
            sizes.append(self.scratch_bytes)
        return max(sizes, default=0)

    def segments(self, inputs: Mapping[str, Array], fill: int = 0) -> dict[int, bytes]:
        """BASE register -> initial bytes: constants, inputs laid out, `fill` elsewhere. InputError for wrong inputs."""
        self._check_inputs(inputs)
        data = {b: bytearray([fill]) * self.segment_bytes(b) for b in range(BASES)}
        data[CONSTANTS][: len(self.constants)] = self.constants
        for surface in self.surfaces_of("in"):
            data[surface.base][surface.offset : surface.end] = surface.lay(inputs[surface.name])
        return {b: bytes(d) for b, d in data.items() if d}

    def _check_inputs(self, inputs: Mapping[str, Array]) -> None:
        wanted = {s.name for s in self.surfaces_of("in")}
        for problem, names in (("missing", wanted - inputs.keys()), ("unknown", inputs.keys() - wanted)):
            if names:
                raise InputError(
                    f"{problem} input {', '.join(sorted(names))}",
                    where=f"program '{self.name}'",
                    hint=f"its inputs are {', '.join(sorted(wanted))}",
                )

    def memory_image(self, inputs: Mapping[str, Array], bases: Bases | None = None, fill: int = 0) -> bytearray:
        """The linear memory before the doorbell. Outputs, scratch and gaps hold `fill`."""
        bases = bases or default_bases(self)
        memory = bytearray([fill]) * bases.size
        stream = pack(self.commands)
        memory[bases.commands : bases.commands + len(stream)] = stream
        for base, data in self.segments(inputs, fill).items():
            memory[bases.base[base] : bases.base[base] + len(data)] = data
        return memory

    def read_outputs(
        self, memory: bytes | bytearray | memoryview, bases: Bases | None = None, *, traces: bool = False
    ) -> dict[str, Array]:
        """Output tensors (and trace tensors, if asked for) from the linear memory after done."""
        bases = bases or default_bases(self)
        view, wanted = memoryview(memory), ("out", "trace") if traces else ("out",)
        return {
            s.name: s.pick(view[bases.base[s.base] :]) for s in self.surfaces if s.direction in wanted
        }


def default_bases(program: Program, start: int = 0) -> Bases:
    """Commands, then BASE0..7, then profile records, each ALIGNMENT-aligned, in one linear memory from `start`.

    Unused BASE registers point at the end, so that a stray access is out of range and not somebody's data.
    """
    cursor = _round_up(start, ALIGNMENT)
    commands, cursor = cursor, _round_up(cursor + COMMAND_BYTES * len(program.commands), ALIGNMENT)
    base = []
    for index in range(BASES):
        size = program.segment_bytes(index)
        base.append(cursor if size else -1)
        cursor = _round_up(cursor + size, ALIGNMENT)
    profile, records = 0, PROFILE_RECORD * program.stamped()
    if records:
        profile, cursor = cursor, _round_up(cursor + records, ALIGNMENT)
    if cursor >= 1 << 32:
        raise ProgramError(f"needs {cursor} bytes of external memory; addresses have 32 bits", where=program.name)
    return Bases(commands, tuple(cursor if b < 0 else b for b in base), cursor, profile)


def header_command(arch: Arch) -> Command:
    """The HEADER every Program for `arch` starts with."""
    return Command(Opcode.HEADER, {"magic": MAGIC, "version": FORMAT_VERSION, "arch_hash": arch.hash()})


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
