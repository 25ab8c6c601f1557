# SPDX-License-Identifier: Apache-2.0
"""What stops the hardware stops the machine with the same code and command index."""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import pytest

from esl_ref.machine import BusFault, Machine, MachineFault
from esl_ref.program.fields import COMMAND_BYTES, Opcode
from esl_ref.program.fields import ErrorCode as E
from esl_ref.program.image import default_bases
from tests.helpers.random_commands import SMALL as ARCH
from tests.helpers.random_commands import make_case

CASE = make_case("pool", lambda low, high: low, 1)
PROGRAM, INPUTS = CASE.program(), CASE.inputs()
BASES = default_bases(PROGRAM)
# HEADER, weights, table, rows, pool, store, END
LOAD_ROWS, COMPUTE, STORE = 3, 4, 5


def run(program=PROGRAM, memory=None, **options):
    memory = PROGRAM.memory_image(INPUTS, BASES) if memory is None else memory
    return Machine(ARCH).run(program, memory, BASES, **options)


def assert_stops(code: E, index: int, *args, **options) -> None:
    with pytest.raises(MachineFault) as fault:
        run(*args, **options)
    assert (fault.value.code, fault.value.index) == (code, index)
    assert code.name in str(fault.value) and f"command {index}" in str(fault.value)


@pytest.mark.parametrize(
    ("offset", "value", "code", "index"),
    [
        (0, 0x02, E.BAD_MAGIC, 0),
        (8, 0x00, E.BAD_MAGIC, 0),
        (12, 0x07, E.BAD_VERSION, 0),
        (16, ARCH.hash() & 0xFF ^ 1, E.WRONG_ARCH, 0),
        (LOAD_ROWS * COMMAND_BYTES, 0x77, E.BAD_OPCODE, LOAD_ROWS),
        (COMPUTE * COMMAND_BYTES, Opcode.HEADER, E.BAD_OPCODE, COMPUTE),
    ],
)
def test_corrupt_stream(offset, value, code, index):
    memory = PROGRAM.memory_image(INPUTS, BASES)
    memory[BASES.commands + offset] = value
    assert_stops(code, index, memory=memory)


def altered(index: int, **changes: int):
    commands = list(PROGRAM.commands)
    commands[index] = commands[index].replace(**changes)
    program = dataclasses.replace(PROGRAM, commands=tuple(commands))
    return {"program": program, "memory": program.memory_image(INPUTS, BASES)}


@pytest.mark.parametrize(
    ("index", "changes"),
    [
        (1, {"word": 1}),
        (LOAD_ROWS, {"buf_base": 16}),
        (LOAD_ROWS, {"offset": ARCH.axi_bytes - 1}),
        (COMPUTE, {"ifm_base": ARCH.act_bytes - 1, "ifm_wrap": 2}),
        (COMPUTE, {"ofm_base": ARCH.act_bytes - 1, "ofm_wrap": 2}),
        (COMPUTE, {"wgt_header": ARCH.weight_words}),
        (STORE, {"buf_wrap": ARCH.act_bytes + 1}),
    ],
)
def test_bad_address(index, changes):
    assert_stops(E.BAD_ADDRESS, index, **altered(index, **changes))


@pytest.mark.parametrize("seed", range(20))
def test_line_buffer_columns(seed):
    """The last column there is may be used, the one behind it not."""
    case = make_case("window", random.Random(seed).randint, seed)
    program, inputs = case.program(), case.inputs()
    index, command = next((i, c) for i, c in enumerate(program.commands) if c.opcode is Opcode.DEPTHWISE_WINDOW)
    used = command["cols"] * (command["groups"] if command["line_keep"] else 1)
    for base in (ARCH.line_depth - used, ARCH.line_depth - used + 1):
        commands = list(program.commands)
        commands[index] = command.replace(line_base=base)
        moved = dataclasses.replace(program, commands=tuple(commands))
        memory = moved.memory_image(inputs, default_bases(moved))
        if base + used <= ARCH.line_depth or not command["column"]:
            Machine(ARCH).run(moved, memory)
            continue
        with pytest.raises(MachineFault, match=f"columns up to {base + used} of {ARCH.line_depth}") as fault:
            Machine(ARCH).run(moved, memory)
        assert (fault.value.code, fault.value.index) == (E.BAD_ADDRESS, index)


@pytest.mark.parametrize(
    ("address", "code", "index"),
    [
        (BASES.commands + 4 * COMMAND_BYTES, E.FETCH_BUS, 4),
        (BASES.base[0], E.LOAD_BUS, 1),
        (BASES.base[0] + len(CASE.weights), E.LOAD_BUS, 2),
        (BASES.base[1] + 100, E.LOAD_BUS, 3),
        (BASES.base[2] + 100, E.STORE_BUS, 5),
    ],
)
def test_bus_errors(address, code, index):
    assert_stops(code, index, faults=[BusFault(address, address)])


def test_faults_can_be_for_one_direction():
    """A fault of writes leaves the loads from there alone; one of reads does not."""
    result = run(faults=[BusFault(BASES.base[1], BASES.base[1], reads=False)])
    assert result.commands == len(PROGRAM.commands)
    assert_stops(E.LOAD_BUS, LOAD_ROWS, faults=[BusFault(BASES.base[1], BASES.base[1])])


def test_no_end_and_no_memory_behind():
    stream = COMMAND_BYTES * (len(PROGRAM.commands) - 1)
    memory = PROGRAM.memory_image(INPUTS, BASES)[: BASES.commands + stream]
    with pytest.raises(MachineFault):
        run(memory=memory)


def test_program_runs_after_a_fault():
    memory = PROGRAM.memory_image(INPUTS, BASES)
    machine = Machine(ARCH)
    with pytest.raises(MachineFault):
        machine.run(PROGRAM, memory, BASES, faults=[BusFault(BASES.base[2], BASES.base[2])])
    assert machine.run(PROGRAM, memory, BASES).commands == len(PROGRAM.commands)


def test_hook_sees_every_byte_written():
    memory = PROGRAM.memory_image(INPUTS, BASES)
    before, seen, stored = bytes(memory), {}, {}
    result = Machine(ARCH).run(PROGRAM, memory, BASES, on_command=lambda i, c, w: seen.__setitem__(i, (c.opcode, w)))
    assert result.commands == len(PROGRAM.commands)
    assert {i: o for i, (o, _) in seen.items()} == {
        1: Opcode.LOAD_WEIGHTS, 2: Opcode.LOAD_TABLE, 3: Opcode.LOAD_ROWS, 4: Opcode.POOL, 5: Opcode.STORE_ROWS,
    }  # fmt: skip
    assert [w.memory for _, w in seen.values()] == ["weight", "table", "act", "act", "external"]
    stored = seen[STORE][1]
    rebuilt = np.frombuffer(before, np.int8).copy()
    rebuilt[stored.addresses] = stored.data
    assert rebuilt.tobytes() == bytes(memory)


def test_bits_of_no_field_are_ignored():
    memory = PROGRAM.memory_image(INPUTS, BASES)
    last = BASES.commands + (COMPUTE + 1) * COMMAND_BYTES - 1  # of a POOL: word 11 has no field
    memory[last] = 0xFF
    expected = PROGRAM.memory_image(INPUTS, BASES)
    run(memory=expected)
    run(memory=memory)
    memory[last] = 0
    assert memory == expected
