# SPDX-License-Identifier: Apache-2.0
"""The same data as C headers: one array per Program block, input and expected tensor, and an index of the runs."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from esl_ref.registers import REGISTERS
from golden.content import Content, Entry, Vector, safe_name
from golden.script import register_writes
from golden.surfaces import blocks, placed
from golden.writer import PackageWriter

__all__ = ["c_array", "write_headers"]

_PER_LINE = 32


def _identifier(*words: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]", "_", "_".join(words))


def c_array(name: str, data: bytes, kind: str = "int8_t") -> Iterator[str]:
    """Lines of `static const KIND NAME[n] = {...};`."""
    values = np.frombuffer(data, np.int8 if kind == "int8_t" else np.uint8).tolist()
    yield f"static const {kind} {name}[{len(values)}] = {{\n"
    for at in range(0, len(values), _PER_LINE):
        yield " ".join(f"{v}," for v in values[at : at + _PER_LINE]) + "\n"
    yield "};\n"


def _guarded(writer: PackageWriter, name: str, body: Iterator[str]) -> None:
    guard = f"GOLDEN_{_identifier(name).upper()}"
    with writer.open(name) as file:
        file.write(f"#ifndef {guard}\n#define {guard}\n#include <stdint.h>\n")
        for line in body:
            file.write(line)
        file.write("#endif\n")


def _program(entry: Entry) -> Iterator[str]:
    yield f"/* Program {entry.name}: {entry.kind}, segment {entry.segment}. */\n"
    for block in blocks(entry.program):
        yield f"#define {_identifier(entry.name, block.name).upper()}_ADDRESS 0x{block.address:08x}u\n"
        yield from c_array(_identifier(entry.name, block.name), block.data, "uint8_t")
    offsets = {r.name: r.offset for r in REGISTERS}
    writes = [*register_writes(entry.program), ("CTRL", 1)]
    yield f"static const uint32_t {_identifier(entry.name, 'registers')}[{len(writes)}][2] = {{\n"
    for name, value in writes:
        yield f"{{0x{offsets[name]:03x}, 0x{value:08x}}}, /* {name} */\n"
    yield "};\n"


def _run(entry: Entry, vector: Vector) -> Iterator[str]:
    """Tensors in C order, dense; surfaces in external memory have rows filled up to the bus word (see PITCH)."""
    for p in placed(entry.program, "in", "out", "trace"):
        s = p.surface
        name = _identifier(entry.name, vector.name, "input" if s.direction == "in" else "expected", safe_name(s.name))
        for what, value in (("ADDRESS", p.address), ("ROWS", s.rows), ("ROW_BYTES", s.row_bytes), ("PITCH", s.pitch)):
            yield f"#define {name.upper()}_{what} {value}u\n"
        yield from c_array(name, np.ascontiguousarray(vector.tensors[s.name]).tobytes())


def write_headers(writer: PackageWriter, content: Content) -> None:
    """C headers of every Program and every run."""
    for entry in content.entries:
        _guarded(writer, f"c/{entry.name}.h", _program(entry))
    for entry, vector in content.runs():
        _guarded(writer, f"c/{entry.name}.{vector.name}.h", _run(entry, vector))
