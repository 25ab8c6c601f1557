# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from esl_ref.errors import CheckFailed
from esl_ref.machine import WriteSet
from esl_ref.machine.executor import Executor
from esl_ref.machine.memory import ExternalMemory
from golden.commands import change_lines, check_outputs, run_machine
from golden.content import Content
from golden.surfaces import FILL, inputs_of, run_bases


def _write(addresses: list[int], data: list[int]) -> WriteSet:
    return WriteSet("act", np.array(addresses, np.int64), np.array(data, np.int8), (len(data),))


def test_addresses_that_follow_each_other_are_one_record() -> None:
    lines = list(change_lines(_write([18, 16, 17, 40], [3, 1, 2, -1])))
    assert lines == ["act 10 010203", "act 28 ff"]
    assert list(change_lines(_write([], []))) == []


def test_records_replayed_give_what_golden_expects(embedded: Content, embedded_package: Path) -> None:
    """Whoever applies the records command by command sees every tensor, and the outputs in external memory."""
    entry, vector = embedded.entries[1], embedded.vectors[0]
    memory, seen = {}, Counter()
    for line in (embedded_package / "commands/t0.v0.txt").read_text().splitlines():
        words = line.split()
        if words[0] == "command":
            seen[words[2]] += 1
            assert int(words[1]) < len(entry.program.commands)
            continue
        raw = bytes.fromhex(words[2])
        for i, value in enumerate(raw):
            memory[words[0], int(words[1], 16) + i] = value
    external = run_machine(entry, vector)
    assert seen["STORE_ROWS"] and seen["CONV"] and seen["LOAD_WEIGHTS"]
    stored = {a: v for (where, a), v in memory.items() if where == "external"}
    assert stored and all(external[a] == v for a, v in stored.items())


@pytest.mark.parametrize("number", [0, 1])
def test_records_up_to_a_command_are_the_memories_after_it(
    number: int, embedded: Content, embedded_package: Path
) -> None:
    """Activation SRAM, weight SRAM and table, byte for byte, after every command."""
    entry, vector = embedded.entries[number], embedded.vectors[0]
    program, bases = entry.program, run_bases(entry.program)
    image = program.memory_image(inputs_of(program, vector.tensors), bases, FILL)
    machine = Executor(program.arch, program, ExternalMemory(image, ()), bases)
    shadow = {"act": np.zeros_like(machine.act), "weight": np.zeros(machine.weight.size, np.int8),
              "table": np.zeros_like(machine.table), "external": np.frombuffer(image, np.int8).copy()}  # fmt: skip
    blocks = (embedded_package / f"commands/{entry.name}.v0.txt").read_text().split("command ")[1:]
    records = {int(block.split()[0]): block.splitlines()[1:] for block in blocks}
    for index, command in enumerate(program.commands):
        machine.step(index, command)
        for line in records.get(index, ()):
            where, address, raw = line.split()
            data = np.frombuffer(bytes.fromhex(raw), np.int8)
            shadow[where][int(address, 16) : int(address, 16) + data.size] = data
        now = {"act": machine.act, "weight": machine.weight.ravel(), "table": machine.table,
               "external": np.frombuffer(image, np.int8)}  # fmt: skip
        for name, want in now.items():
            np.testing.assert_array_equal(shadow[name], want, err_msg=f"{name} after command {index}")


def test_a_machine_that_departs_from_golden_is_no_package(head: Content) -> None:
    entry, vector = next(head.runs())
    memory = run_machine(entry, vector)
    check_outputs(entry, vector, memory)
    at = next(s for s in entry.program.surfaces_of("out"))
    from golden.surfaces import placed

    where = next(p for p in placed(entry.program, "out") if p.surface.name == at.name)
    memory[where.address + 3] ^= 1
    with pytest.raises(CheckFailed, match="channel=3"):
        check_outputs(entry, vector, memory)
