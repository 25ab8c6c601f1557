# SPDX-License-Identifier: Apache-2.0
"""Waits: a complete set runs, and dropping any one of them is a HazardError that names command and bytes."""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import pytest

from esl_ref.errors import HazardError, ProgramError
from esl_ref.machine import CommandHazard, execute
from esl_ref.program.commands import Command
from esl_ref.program.dense import load_command
from esl_ref.program.fields import Opcode
from esl_ref.program.image import CommandInfo, Program, SramBuffer, Surface, header_command
from tests.helpers.dense import whole_words
from tests.helpers.random_commands import SMALL as ARCH
from tests.helpers.random_commands import make_case

L = ARCH.lanes
MAP = 64  # bytes of the map that travels through the pipeline below
IDENTITY = {"low": -128, "high": 127, "groups": 1, "last_lanes": L, "ox_count": 1, "oy_count": MAP // L}


def rows(base: int, memory: int, **changes: int) -> dict[str, int]:
    return {"base": memory, "buf_base": base, "buf_wrap": MAP, "rows": 1, "row_bytes": MAP, **changes}


def copy(source: int, target: int, **changes: int) -> Command:
    """POOL 1 x 1: a MAP-byte copy in vectors of L."""
    return Command(Opcode.POOL, {
        **IDENTITY, "ifm_base": source, "ifm_wrap": MAP, "oy_step": L, "ifm_rows": 1, "ifm_row_bytes": L,
        "ky_count": 1, "kx_count": 1, "chunks": 1, "group_step": L, "ofm_base": target, "ofm_wrap": MAP,
        "ofm_row_step": L, "ofm_pix_step": L, **changes,
    })  # fmt: skip


def identity_weights() -> bytes:
    """Records that leave a value as it is: multiplier 2**30, left shift 1."""
    record = np.zeros((ARCH.header_words, L, L), np.int8)
    flat = record.transpose(1, 0, 2).reshape(L, -1).copy()
    flat[:, 7], flat[:, 8] = 0x40, 1
    return flat.reshape(L, ARCH.header_words, L).transpose(1, 0, 2).tobytes()


def pipeline(*commands: Command) -> Program:
    """Weights, then the given commands; input 'x' and output 'y' of MAP bytes, scratch of MAP bytes."""
    load = load_command(ARCH.header_words, whole_words(ARCH), ARCH)
    stream = (header_command(ARCH), load, *commands, Command(Opcode.END, {}))
    surfaces = (
        Surface("x", 1, 0, (MAP,), MAP, 1, MAP, direction="in"),
        Surface("y", 2, 0, (MAP,), MAP, 1, MAP, direction="out"),
    )
    debug = tuple(CommandInfo(op=f"op{i}") for i in range(len(stream)))
    return Program(
        ARCH, stream, identity_weights(), surfaces, scratch_bytes=MAP, debug=debug,
        sram_map=(SramBuffer("A", 0, MAP, 0, len(stream)), SramBuffer("B", MAP, MAP, 0, len(stream))),
    )  # fmt: skip


def wait(command: Command, **counts: int) -> Command:
    """wait(c, load=2): wait until two loads are complete."""
    return command.replace(**{f"need_{k}": 1 for k in counts}, **{f"wait_{k}": v for k, v in counts.items()})


X = np.arange(MAP, dtype=np.int8)

# A = x; B = copy of A; A = spill of B through scratch; y = B, A again = x, B = copy, y = B.
GOOD = (
    Command(Opcode.LOAD_ROWS, rows(0, 1)),  # load 2: A
    wait(copy(0, MAP), load=2),  # compute 1: A -> B
    wait(Command(Opcode.STORE_ROWS, rows(MAP, 3)), compute=1),  # store 1: B -> scratch
    wait(Command(Opcode.LOAD_ROWS, rows(0, 3)), compute=1, store=1),  # load 3: scratch -> A
    wait(copy(0, 2 * MAP), load=3),  # compute 2: A -> C
    wait(Command(Opcode.STORE_ROWS, rows(2 * MAP, 2)), compute=2),  # store 2: C -> y
    wait(Command(Opcode.LOAD_ROWS, rows(MAP, 1)), store=1),  # load 4: x -> B
    wait(copy(MAP, 2 * MAP), load=4, store=2),  # compute 3: B -> C
    wait(Command(Opcode.STORE_ROWS, rows(2 * MAP, 2)), compute=3),  # store 3: C -> y
)
WAITS = [
    (position, name)
    for position, command in enumerate(GOOD)
    for name in ("load", "store", "compute")
    if command[f"need_{name}"] and (position, name) not in ((3, "compute"), (6, "store"))
]
# Load 3 may skip its wait for compute 1, which store 1 knew complete; load 4 knows from load 3 that store 1 is.


def test_complete_waits_run():
    assert (execute(pipeline(*GOOD), {"x": X}).outputs["y"] == X).all()


@pytest.mark.parametrize(("position", "name"), WAITS)
def test_a_missing_wait_is_a_hazard(position, name):
    commands = list(GOOD)
    commands[position] = commands[position].replace(**{f"need_{name}": 0})
    with pytest.raises(HazardError, match="a wait is missing"):
        execute(pipeline(*commands), {"x": X})


def test_knowledge_is_transitive():
    commands = list(GOOD)
    commands[3] = commands[3].replace(need_compute=0)
    commands[6] = commands[6].replace(need_store=0)
    assert (execute(pipeline(*commands), {"x": X}).outputs["y"] == X).all()


def test_error_names_command_buffer_and_bytes():
    with pytest.raises(CommandHazard) as error:
        execute(pipeline(GOOD[0], GOOD[1].replace(need_load=0)), {"x": X})
    assert "command 3 POOL (op3)" in str(error.value) and "weight words 0..1" in str(error.value)
    with pytest.raises(CommandHazard) as error:
        execute(pipeline(GOOD[0], wait(copy(0, MAP), load=1)), {"x": X})
    assert error.value.index == 3 and error.value.other == 2
    assert (error.value.memory, error.value.first, error.value.last) == ("act", 0, MAP - 1)
    assert "reads act bytes 0..63 (A) while command 2 LOAD_ROWS (op2) may still be writing it" in str(error.value)


def test_never_written_bytes():
    with pytest.raises(HazardError, match=r"reads act bytes 60\.\.63 \(A\), which nothing has written"):
        execute(pipeline(Command(Opcode.LOAD_ROWS, rows(0, 1, row_bytes=60)), wait(copy(0, MAP), load=2)), {"x": X})
    with pytest.raises(HazardError, match="reads weight words 8..9, which nothing"):
        execute(pipeline(GOOD[0], wait(copy(0, MAP, wgt_header=8), load=2)), {"x": X})
    with pytest.raises(HazardError, match="reads the table, which nothing"):
        execute(pipeline(GOOD[0], wait(copy(0, MAP, table=1), load=2)), {"x": X})
    with pytest.raises(HazardError, match="loads external bytes .* which nothing has stored"):
        execute(pipeline(Command(Opcode.LOAD_ROWS, rows(0, 3))), {"x": X})


def test_waiting_for_a_later_command():
    with pytest.raises(HazardError, match="waits for load 3 but only 2 come before it"):
        execute(pipeline(GOOD[0], wait(copy(0, MAP), load=3)), {"x": X})


def test_reading_a_predecessors_result_needs_a_wait_but_overwriting_its_operands_does_not():
    first = wait(copy(0, MAP), load=2)
    with pytest.raises(HazardError, match="may still be writing"):
        execute(pipeline(GOOD[0], first, copy(MAP, 2 * MAP)), {"x": X})
    back = wait(copy(2 * MAP, 0), load=3)  # overwrites A, which `first` reads, and nobody waits for it
    other = Command(Opcode.LOAD_ROWS, rows(2 * MAP, 1))
    execute(pipeline(GOOD[0], other, wait(first, load=3), back), {"x": X})


def test_in_place_rule():
    execute(pipeline(GOOD[0], wait(copy(0, 0), load=2)), {"x": X})
    with pytest.raises(HazardError, match=r"writes act bytes .* which it also reads"):
        execute(pipeline(GOOD[0], wait(copy(0, L), load=2)), {"x": X})


def test_eltwise_in_place_on_one_operand():
    base = {**IDENTITY, "ifm_wrap": MAP, "oy_step": L, "ifm2_base": MAP, "ifm2_wrap": MAP, "ifm2_row_step": L,
            "ofm_wrap": MAP, "ofm_row_step": L, "mul_a": 1 << 30, "mul_b": 1 << 30, "shift_a": 20}  # fmt: skip
    loads = (GOOD[0], Command(Opcode.LOAD_ROWS, rows(MAP, 1)))
    add = wait(Command(Opcode.ELTWISE, base), load=3)
    execute(pipeline(*loads, add), {"x": X})
    execute(pipeline(*loads, add.replace(ofm_base=MAP)), {"x": X})
    with pytest.raises(HazardError, match="which it also reads"):
        execute(pipeline(*loads, add.replace(ofm_base=MAP, ofm_start=L)), {"x": X})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"oy_step": MAP}, "step 64 is not below its wrap"),
        ({"ifm_start": MAP - 1, "oy_step": 0}, "ifm buffer of 64 bytes"),
        ({"ofm_row_step": 1}, "writes a byte twice"),
        ({"groups": 0}, "0 groups"),
        ({"low": 5, "high": 4}, "clamp"),
        ({"rounding": 3}, "unknown rounding 3"),
        ({"ky_count": 0}, "impossible kernel"),
    ],
)
def test_inconsistent_fields_name_the_command(changes, message):
    with pytest.raises(ProgramError, match=message) as error:
        execute(pipeline(GOOD[0], wait(copy(0, MAP, **changes), load=2)), {"x": X})
    assert "command 3 POOL" in str(error.value)


def test_unused_weights_must_be_zero():
    case = next(
        c for c in (make_case("conv", random.Random(s).randint, s) for s in range(50)) if c.command["last_bytes"] < L
    )
    spoiled = bytearray(case.weights)
    word = case.command["wgt_first"] + case.command["chunks"] - 1
    spoiled[word * L * L + L - 1] = 1
    with pytest.raises(ProgramError, match="weights of unused bytes"):
        execute(dataclasses.replace(case, weights=bytes(spoiled)).program(), case.inputs())


def test_window_counts_must_agree_with_firing():
    cases = (make_case("window", random.Random(s).randint, s) for s in range(50))
    case = next(c for c in cases if c.command["oy_count"] > 1)
    wrong = dataclasses.replace(case, command=case.command.replace(oy_count=case.command["oy_count"] - 1))
    with pytest.raises(ProgramError, match="declares"):
        execute(wrong.program(), case.inputs())


def test_a_machine_without_table_refuses_results_through_it():
    program = pipeline(GOOD[0], wait(copy(0, MAP, table=1), load=2))
    bare = ARCH.with_depths(tables=0)
    program = dataclasses.replace(program, arch=bare, commands=(header_command(bare), *program.commands[1:]))
    with pytest.raises(ProgramError, match="command 3 POOL .*: passes results through a table, which this machine"):
        execute(program, {"x": X})
