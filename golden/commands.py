# SPDX-License-Identifier: Apache-2.0
"""The `command` level: what every command writes, as change records streamed from the ESL machine.

Nothing is held but the run the records come from, so the size of the export does not show in the memory it takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from esl_ref.errors import CheckFailed
from esl_ref.machine import Machine, WriteSet
from esl_ref.machine.executor import OnCommand
from esl_ref.program.commands import Command
from golden.content import Content, Entry, Vector
from golden.script import run_name
from golden.surfaces import FILL, inputs_of, placed, run_bases
from golden.writer import HashedFile, PackageWriter

__all__ = ["change_lines", "commands_file", "run_machine", "write_commands"]

_EVERY = 256


def commands_file(entry: Entry, vector: Vector) -> str:
    """Where a run says what each command writes."""
    return f"commands/{run_name(entry, vector)}.txt"


def change_lines(written: WriteSet) -> Iterator[str]:
    """`MEMORY ADDRESS HEXBYTES` for every run of addresses that follow each other, by rising address."""
    if not written.addresses.size:
        return
    order = np.argsort(written.addresses, kind="stable")
    addresses, data = written.addresses[order], written.data[order]
    cuts = np.flatnonzero(np.diff(addresses) != 1) + 1
    starts = np.concatenate([[0], cuts])
    ends = np.concatenate([cuts, [addresses.size]])
    for first, end in zip(starts.tolist(), ends.tolist(), strict=True):
        yield f"{written.memory} {int(addresses[first]):x} {data[first:end].tobytes().hex()}"


def run_machine(entry: Entry, vector: Vector, on_command: OnCommand | None = None) -> bytearray:
    """External memory after the run of a Program on the ESL machine."""
    bases = run_bases(entry.program)
    memory = entry.program.memory_image(inputs_of(entry.program, vector.tensors), bases, FILL)
    Machine(entry.program.arch).run(entry.program, memory, bases, on_command=on_command)
    return memory


def check_outputs(entry: Entry, vector: Vector, memory: bytearray) -> None:
    """CheckFailed if the machine left other bytes than golden says: a defect that no package may carry."""
    for p in placed(entry.program, "out", "trace"):
        raw = bytes(memory[p.address : p.address + p.nbytes])
        want = p.expected(vector.tensors[p.surface.name])
        if raw != want:
            at = next(i for i, (a, b) in enumerate(zip(raw, want, strict=True)) if a != b)
            raise CheckFailed(f"the ESL machine and golden part at {p.place(at)}", where=run_name(entry, vector))


def write_commands(writer: PackageWriter, content: Content, progress: Callable[[str], None]) -> None:
    """One file of change records per run."""
    for entry, vector in content.runs():
        with writer.open(commands_file(entry, vector)) as file:
            memory = run_machine(entry, vector, _recorder(file, entry, run_name(entry, vector), progress))
        check_outputs(entry, vector, memory)


def _recorder(file: HashedFile, entry: Entry, name: str, progress: Callable[[str], None]) -> OnCommand:
    """Writes each command's records as it ends."""
    total = len(entry.program.commands)

    def record(index: int, command: Command, written: WriteSet) -> None:
        file.write(f"command {index} {command.opcode.name} layer {entry.program.info(index).layer}\n")
        for line in change_lines(written):
            file.write(line + "\n")
        if index % _EVERY == 0:
            progress(f"{name}: command {index} of {total}")

    return record
