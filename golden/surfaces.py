# SPDX-License-Identifier: Apache-2.0
"""Where a run's tensors lie in external memory, and the image around them, before and after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from esl_ref.compiler.views import map_shape
from esl_ref.program.commands import pack
from esl_ref.program.fields import Opcode
from esl_ref.program.image import CONSTANTS, SCRATCH, Bases, Program, Surface, default_bases

__all__ = ["FILL", "Block", "Placed", "blocks", "placed", "run_bases", "spill_range"]

Array = npt.NDArray[Any]

FILL = 0xA5
"""External memory that the Program does not define starts with this byte, so that forgotten stores show."""


@dataclass(frozen=True)
class Placed:
    """A surface at its absolute address. `layer` is the segment's operator that makes it, -1 for inputs."""

    surface: Surface
    address: int
    layer: int

    @property
    def nbytes(self) -> int:
        """Bytes in memory, rows filled up."""
        return self.surface.rows * self.surface.pitch

    @property
    def map(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return map_shape(self.surface.shape)

    def expected(self, value: Array) -> bytes:
        """The tensor as the accelerator leaves it: bytes that fill up a row's last bus word keep the fill."""
        raw = np.full((self.surface.rows, self.surface.pitch), FILL, np.uint8)
        dense = np.frombuffer(np.ascontiguousarray(value).tobytes(), np.uint8)
        raw[:, : self.surface.row_bytes] = dense.reshape(self.surface.rows, self.surface.row_bytes)
        return raw.tobytes()

    def dense(self, raw: bytes) -> bytes:
        """The inverse, and of inputs: the tensor's bytes in C order."""
        rows = np.frombuffer(raw, np.uint8, self.nbytes).reshape(self.surface.rows, self.surface.pitch)
        return np.ascontiguousarray(rows[:, : self.surface.row_bytes]).tobytes()

    def place(self, offset: int) -> str:
        """'tensor=conv y=1 x=2 channel=3' of the byte at `offset` of the surface, as the bench prints it."""
        row, column = divmod(offset, self.surface.pitch)
        if column >= self.surface.row_bytes:
            return f"tensor={self.surface.name} fill_byte_at=0x{self.address + offset:08x}"
        element = row * self.surface.row_bytes + column
        _, width, channels = self.map
        y, x, c = element // (width * channels), element // channels % width, element % channels
        return f"tensor={self.surface.name} y={y} x={x} channel={c}"


@dataclass(frozen=True)
class Block:
    """Bytes at an address of external memory: a `$readmemh` file of the package."""

    name: str
    address: int
    data: bytes


def run_bases(program: Program) -> Bases:
    """Where everything lies in a replay; profile records are off."""
    bases = default_bases(program)
    return Bases(bases.commands, bases.base, bases.size, 0)


def placed(program: Program, *directions: str) -> Iterator[Placed]:
    """Surfaces in the order in which the Program first touches them, so the first wrong one is the earliest."""
    bases = run_bases(program)
    order: dict[tuple[int, int], int] = {}
    made: dict[str, int] = {}
    for index, command in enumerate(program.commands):
        if command.opcode in (Opcode.LOAD_ROWS, Opcode.STORE_ROWS):
            order.setdefault((command["base"], command["offset"]), index)
        for name in program.info(index).writes:
            made.setdefault(name, program.info(index).layer)
    chosen = [s for s in program.surfaces if s.direction in directions]
    for s in sorted(chosen, key=lambda s: (order.get((s.base, s.offset), 1 << 30), s.base, s.offset)):
        yield Placed(s, bases.base[s.base] + s.offset, made.get(s.name, -1))


def blocks(program: Program) -> Iterator[Block]:
    """What is in memory whatever the inputs: the command stream, and the constants filled up to a whole bus word."""
    bases = run_bases(program)
    yield Block("commands", bases.commands, pack(program.commands))
    size = program.segment_bytes(CONSTANTS)
    if size:
        yield Block("constants", bases.base[CONSTANTS], program.constants.ljust(size, bytes([FILL])))


def spill_range(program: Program) -> tuple[int, int]:
    """Addresses that hold whatever the Program parks in external memory; tensors among them are compared by name."""
    low = run_bases(program).base[SCRATCH]
    return low, low + program.segment_bytes(SCRATCH)


def inputs_of(program: Program, tensors: Mapping[str, Array]) -> dict[str, Array]:
    """The Program's inputs among all tensors."""
    return {s.name: tensors[s.name] for s in program.surfaces_of("in")}
