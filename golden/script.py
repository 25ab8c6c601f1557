# SPDX-License-Identifier: Apache-2.0
"""`replay.txt`: what the bench does, one statement per line. docs/golden.md lists the statements."""

from __future__ import annotations

from collections.abc import Iterator

from esl_ref.machine.timing import predict
from esl_ref.program.fields import COMMAND_BYTES
from esl_ref.program.image import BASES, Program
from esl_ref.registers import address
from golden.content import Content, Entry, Vector, safe_name
from golden.hexfile import sums
from golden.surfaces import FILL, blocks, placed, run_bases, spill_range

__all__ = [
    "FORMAT", "block_file", "bus_prefix", "expected_file", "input_file", "memory_bytes", "register_writes",
    "replay_script", "run_name",
]  # fmt: skip

FORMAT = 1
_PATIENCE, _LEAST_LIMIT = 16, 100_000
_DONE, _ENABLE_ALL = 2, 3


def run_name(entry: Entry, vector: Vector) -> str:
    """Of a Program with a vector."""
    return f"{entry.name}.{vector.name}"


def block_file(entry: Entry, block: str) -> str:
    """Where a block of a Program lies: commands, constants."""
    return f"programs/{entry.name}/{block}.hex"


def input_file(entry: Entry, vector: Vector, tensor: str) -> str:
    """Where an input of a run lies."""
    return f"vectors/{vector.name}/{entry.name}/input.{safe_name(tensor)}.hex"


def expected_file(entry: Entry, vector: Vector, tensor: str) -> str:
    """Where an expected tensor of a run lies."""
    return f"vectors/{vector.name}/{entry.name}/expected.{safe_name(tensor)}.hex"


def register_writes(program: Program) -> list[tuple[str, int]]:
    """(register, value) in order, up to but without the doorbell."""
    bases = run_bases(program)
    writes = [("IRQ_ENABLE", _ENABLE_ALL), ("PROG_ADDR", bases.commands), ("PROFILE_ADDR", 0)]
    return writes + [(f"BASE{i}", bases.base[i]) for i in range(BASES)]


def cycle_limit(program: Program) -> int:
    """Cycles without an interrupt that count as a hang: far beyond the prediction, for slow memories' sake."""
    return _LEAST_LIMIT + _PATIENCE * predict(program, run_bases(program)).cycles


def _file_line(verb: str, name: str, at: int, data: bytes, word: int) -> str:
    plain, weighted = sums(data, word)
    return f"{verb} {name} {at:08x} {-(-len(data) // word)} {plain:016x} {weighted:016x}"


def _run(content: Content, entry: Entry, vector: Vector, limit: int, bus: bool) -> Iterator[str]:
    program, word = entry.program, content.arch.axi_bytes
    bases = run_bases(program)
    yield f"run {run_name(entry, vector)}"
    yield f"fill {bases.size} {bytes([FILL] * word).hex()}"
    for p in placed(program, "out", "trace"):
        _, width, channels = p.map
        s = p.surface
        yield f"tensor {safe_name(s.name)} {p.address:08x} {s.rows} {s.row_bytes} {s.pitch} {width} {channels}"
    for block in blocks(program):
        yield _file_line("image", block_file(entry, block.name), block.address, block.data, word)
    for p in placed(program, "in"):
        data = p.surface.lay(vector.tensors[p.surface.name])
        yield _file_line("image", input_file(entry, vector, p.surface.name), p.address, data, word)
    for p in placed(program, "out", "trace"):
        data = p.expected(vector.tensors[p.surface.name])
        yield _file_line("expect", expected_file(entry, vector, p.surface.name), p.address, data, word)
    if bus:
        end = bases.commands + COMMAND_BYTES * len(program.commands)
        yield f"bus {bus_prefix(entry, vector)} {bases.commands:08x} {end:08x}"
    for name, value in register_writes(program):
        yield f"write {address(name):03x} {value:08x}"
    yield f"start {address('CTRL'):03x} {limit}"
    yield f"read {address('STATUS'):03x} 00000007 {_DONE:08x}"
    yield f"read {address('ERROR_CODE'):03x} ffffffff 00000000"
    yield f"write {address('IRQ_STATUS'):03x} {_ENABLE_ALL:08x}"
    low, high = spill_range(program)
    yield f"compare {bases.size} {low:08x} {high:08x}"


def bus_prefix(entry: Entry, vector: Vector) -> str:
    """What the names of a run's bus traces begin with."""
    return f"bus/{entry.name}.{vector.name}."


def replay_script(content: Content, *, bus: bool = False) -> str:
    """All runs one after another, without reset in between."""
    limits = {e.name: cycle_limit(e.program) for e in content.entries}
    lines = [f"package {FORMAT} {content.arch.hash():016x} {content.arch.axi_bytes}"]
    for entry, vector in content.runs():
        lines += _run(content, entry, vector, limits[entry.name], bus)
    return "\n".join([*lines, "end"]) + "\n"


def memory_bytes(content: Content) -> int:
    """External memory that the largest run needs."""
    return max(run_bases(e.program).size for e in content.entries)
