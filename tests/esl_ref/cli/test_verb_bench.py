# SPDX-License-Identifier: Apache-2.0
"""`bench` joins the planner's tables with what other packages measure."""

from __future__ import annotations

import json

import click
import pytest
from click.testing import CliRunner

import esl_ref.cli as command_line
from esl_ref.cli.verb_bench import command


def test_both_halves_are_listed():
    said = CliRunner().invoke(command, ["--help"]).output
    assert "planner" in said and "rtl" in said


def test_rtl_is_the_registered_command():
    with click.Context(command) as ctx:
        assert command.get_command(ctx, "rtl") is command_line.registered("bench")
        assert {"only", "repeats"} <= {p.name for p in command.get_command(ctx, "rtl").params}


def test_a_verb_that_nobody_registers_is_none():
    assert command_line.registered("no-such-verb") is None


def test_an_unknown_table_is_named(capsys):
    with pytest.raises(SystemExit) as stop:
        command_line.main(["bench", "planner", "--table", "nonsense"])
    assert stop.value.code == 2 and "no table 'nonsense'" in capsys.readouterr().err


def test_memory_of_a_network(data_dir, tmp_path, capsys):
    report = tmp_path / "memory.json"
    with pytest.raises(SystemExit) as stop:
        command_line.main(["bench", "memory", "--data", str(data_dir), "--only", "go", "--repeat", "1",
                           "--json", str(report)])  # fmt: skip
    assert not stop.value.code and "mean measured" in capsys.readouterr().out
    (row,) = json.loads(report.read_text())["memory"]["rows"]
    assert row["cfg"] == "go" and row["measured by layer"] < row["measured all"] / 4
