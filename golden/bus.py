# SPDX-License-Identifier: Apache-2.0
"""The `bus` level: AXI4 bursts and AXI4-Lite accesses that a Program means, derived from it and not from the RTL.

Command fetches, loads and stores are listed apart: each kind has one order, how they interleave depends on the memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from esl_ref.arch import Arch
from esl_ref.machine import WriteSet
from esl_ref.machine.transfers import transfer_of
from esl_ref.program.commands import Command
from esl_ref.program.fields import COMMAND_BYTES, LOAD_OPCODES, STORE_OPCODES
from esl_ref.registers import address
from golden.commands import run_machine
from golden.content import Content, Entry, Vector
from golden.script import bus_prefix, register_writes
from golden.surfaces import run_bases
from golden.writer import PackageWriter

__all__ = ["bursts", "lite_lines", "read_lines", "write_bus"]

_PAGE = 4096


def bursts(start: int, nbytes: int, arch: Arch) -> Iterator[tuple[int, int]]:
    """(address, beats) of a linear transfer: cut at `burst_beats` and at 4 KiB boundaries (AXI4, A3.4.1)."""
    while nbytes > 0:
        size = min(nbytes, arch.burst_beats * arch.axi_bytes, _PAGE - start % _PAGE)
        yield start, size // arch.axi_bytes
        start, nbytes = start + size, nbytes - size


def read_lines(entry: Entry, kind: str) -> Iterator[str]:
    """`AR address len` of the command fetches (`fetch`) or of the loads (`load`)."""
    bases, arch = run_bases(entry.program), entry.program.arch
    for index, command in enumerate(entry.program.commands):
        if kind == "fetch":
            span = (bases.commands + COMMAND_BYTES * index, COMMAND_BYTES)
        elif command.opcode in LOAD_OPCODES:
            t = transfer_of(command, arch)
            span = (bases.base[command["base"]] + t.offset, t.nbytes)
        else:
            continue
        for start, beats in bursts(*span, arch):
            yield f"AR {start:08x} {beats - 1:02x}"


def lite_lines(entry: Entry) -> Iterator[str]:
    """AXI4-Lite: `W offset data register` up to the doorbell, then `IRQ` and `R offset mask data register`."""
    for name, value in [*register_writes(entry.program), ("CTRL", 1)]:
        yield f"W {address(name):03x} {value:08x} {name}"
    yield "IRQ"
    for name, mask, value in (("STATUS", 7, 2), ("ERROR_CODE", 0xFFFFFFFF, 0)):
        yield f"R {address(name):03x} {mask:08x} {value:08x} {name}"
    yield f"W {address('IRQ_STATUS'):03x} {3:08x} IRQ_STATUS"


def _store_beats(command: Command, written: WriteSet, arch: Arch) -> Iterator[tuple[str, int]]:
    """(data, strobes) of every beat of a store; bytes that are not written are zero here."""
    word, rows = arch.axi_bytes, written.data.reshape(written.shape)
    for row in rows:
        raw = row.tobytes()
        for at in range(0, len(raw), word):
            part = raw[at : at + word]
            yield part.ljust(word, b"\0")[::-1].hex(), (1 << len(part)) - 1


def write_bus(writer: PackageWriter, content: Content, progress: Callable[[str], None]) -> None:
    """Lists of every run; the store data come from a run on the ESL machine."""
    for entry, vector in content.runs():
        prefix = bus_prefix(entry, vector)
        progress(f"bus lists {prefix}")
        for kind in ("fetch", "load"):
            with writer.open(f"{prefix}{kind}.txt") as file:
                for line in read_lines(entry, kind):
                    file.write(line + "\n")
        writer.write(f"{prefix}lite.txt", "".join(f"{line}\n" for line in lite_lines(entry)))
        _write_stores(writer, entry, vector, prefix)


def _write_stores(writer: PackageWriter, entry: Entry, vector: Vector, prefix: str) -> None:
    arch, bases = entry.program.arch, run_bases(entry.program)
    with writer.open(f"{prefix}store.txt") as addresses, writer.open(f"{prefix}wdata.txt") as data:

        def record(_: int, command: Command, written: WriteSet) -> None:
            if command.opcode not in STORE_OPCODES:
                return
            t = transfer_of(command, arch)
            beats = _store_beats(command, written, arch)
            for start, count in bursts(bases.base[command["base"]] + t.offset, t.nbytes, arch):
                addresses.write(f"AW {start:08x} {count - 1:02x}\n")
                for beat in range(count):
                    value, strobes = next(beats)
                    data.write(f"W {value} {strobes:x} {int(beat == count - 1)}\n")

        run_machine(entry, vector, record)
