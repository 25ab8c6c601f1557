# SPDX-License-Identifier: Apache-2.0
"""Program images: layout of surfaces and segments, the file form, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import zipfile

import numpy as np
import pytest

from esl_ref import arch as arch_module
from esl_ref.errors import InputError, ProgramError
from esl_ref.program import archive
from esl_ref.program.commands import Command, pack
from esl_ref.program.fields import COMMAND_BYTES, Opcode
from esl_ref.program.image import (
    ALIGNMENT,
    CommandInfo,
    Program,
    SramBuffer,
    Surface,
    default_bases,
    header_command,
)  # fmt: skip

ARCH = arch_module.load("tiny")


def small_program(**changes) -> Program:
    """Loads a 3 x 5 map and stores it as an output; content does not matter here."""
    commands = (
        header_command(ARCH),
        Command(Opcode.LOAD_ROWS, {"base": 1, "buf_wrap": 15, "row_step": 5, "rows": 3, "row_bytes": 5}),
        Command(Opcode.STORE_ROWS, {"base": 2, "buf_wrap": 15, "row_step": 5, "rows": 3, "row_bytes": 5, "stamp": 1}),
        Command(Opcode.END, {}),
    )
    program = Program(
        arch=ARCH,
        commands=commands,
        constants=bytes(range(10)),
        surfaces=(
            Surface("x", 1, 0, (1, 3, 5, 1), 5, 3, 8, direction="in"),
            Surface("y", 2, 16, (1, 3, 5, 1), 5, 3, 8, direction="out"),
            Surface("t", 3, 0, (2, 2), 4, 1, 8, dtype="int8", direction="trace"),
        ),
        debug=tuple(CommandInfo(op=f"op{i}", reads=("x",), rows=(2 * i, 2)) for i in range(4)),
        sram_map=(SramBuffer("x", 0, 15, 1, 2),),
        name="small",
    )
    return dataclasses.replace(program, **changes)


X = np.arange(-7, 8, dtype=np.int8).reshape(1, 3, 5, 1)


def test_memory_image_lays_commands_constants_and_padded_rows():
    program = small_program()
    bases, memory = default_bases(program), program.memory_image({"x": X}, fill=0xA5)
    assert all(b % ALIGNMENT == 0 for b in (bases.commands, bases.profile, *bases.base))
    assert len(memory) == bases.size
    assert memory[bases.commands :][: 4 * COMMAND_BYTES] == pack(program.commands)
    assert memory[bases.base[0] :][:11] == bytes(range(10)) + b"\xa5"
    rows = np.frombuffer(memory, np.int8, 24, bases.base[1]).reshape(3, 8)
    assert (rows[:, :5] == X.reshape(3, 5)).all() and not rows[:, 5:].any()
    assert memory[bases.base[2] :][:40] == b"\xa5" * 40
    assert bases.profile > 0 and bases.base[7] == bases.size


def test_unstamped_program_has_no_profile_area():
    program = small_program()
    plain = dataclasses.replace(program, commands=tuple(c.replace(stamp=0) for c in program.commands))
    assert default_bases(plain).profile == 0


def test_read_outputs_takes_rows_out_of_their_pitch():
    program = small_program()
    bases, memory = default_bases(program), program.memory_image({"x": X})
    y = memory[bases.base[2] + 16 :]
    y[:24] = program.surfaces[0].lay(X)
    memory[bases.base[2] + 16 : bases.base[2] + 40] = y[:24]
    assert (program.read_outputs(memory)["y"] == X).all()
    assert set(program.read_outputs(memory, traces=True)) == {"y", "t"}


def test_wrong_inputs_are_refused():
    program = small_program()
    with pytest.raises(InputError, match="missing input x"):
        program.memory_image({})
    with pytest.raises(InputError, match="unknown input z"):
        program.memory_image({"x": X, "z": X})
    with pytest.raises(InputError, match=r"input 'x': is int8\[3, 5\]; int8\[1, 3, 5, 1\] is needed"):
        program.memory_image({"x": X.reshape(3, 5)})


def test_round_trip_is_exact_and_deterministic(tmp_path):
    program = small_program()
    archive.save(program, tmp_path / "a.prog")
    again = archive.load(tmp_path / "a.prog", ARCH)
    assert again == program
    archive.save(again, tmp_path / "b.prog")
    assert (tmp_path / "a.prog").read_bytes() == (tmp_path / "b.prog").read_bytes()


def test_other_architecture_is_refused_naming_both(tmp_path):
    archive.save(small_program(), tmp_path / "a.prog")
    other = arch_module.load("base")
    with pytest.raises(ProgramError) as error:
        archive.load(tmp_path / "a.prog", other)
    assert f"{ARCH.hash():016x}" in str(error.value) and f"{other.hash():016x}" in str(error.value)


def test_truncated_and_damaged_files_are_refused(tmp_path):
    path = tmp_path / "a.prog"
    archive.save(small_program(), path)
    whole = path.read_bytes()
    for cut in (0, 1, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(ProgramError, match="a.prog"):
            archive.load(path)
    with pytest.raises(ProgramError, match="no such file"):
        archive.load(tmp_path / "absent")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "esl-ref program 9"}, "schema 'esl-ref program 9'"),
        ({"sha256": {}}, "checksum"),
        ({"arch_hash": "0" * 16}, "hashes to"),
        ({"surfaces": [{}]}, "malformed"),
        ({"arch": {"profile": "odd"}}, "malformed"),
    ],
)
def test_inconsistent_descriptions_are_refused(tmp_path, change, message):
    path, bad = tmp_path / "a.prog", tmp_path / "bad.prog"
    archive.save(small_program(), path)
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(bad, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "program.json":
                data = json.dumps(json.loads(data) | change).encode()
            new.writestr(name, data)
    with pytest.raises(ProgramError, match=message):
        archive.load(bad)


def test_impossible_surfaces_are_refused():
    with pytest.raises(ProgramError, match="do not hold 15"):
        Surface("x", 1, 0, (3, 5), 4, 3, 8)
    with pytest.raises(ProgramError, match="pitch"):
        Surface("x", 1, 0, (3, 5), 5, 3, 4)
    with pytest.raises(ProgramError, match="not unique"):
        small_program(surfaces=2 * small_program().surfaces)


def test_where_names_the_command_in_the_words_of_the_network():
    assert small_program().where(2) == "command 2 STORE_ROWS (op2 rows 4..5)"
    assert small_program(debug=()).where(3) == "command 3 END"
