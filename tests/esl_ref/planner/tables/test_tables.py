# SPDX-License-Identifier: Apache-2.0
"""The quick tables from end to end through the command line; the figures themselves are tested with their methods."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from esl_ref.cli import main
from esl_ref.planner.tables import TABLES
from esl_ref.planner.tables.table import Settings, Table, percent


def run(*args: str) -> int:
    with pytest.raises(SystemExit) as leaving:
        main(["bench", "planner", *args])
    return int(leaving.value.code or 0)


def test_arenas_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "r.json"
    assert run("--table", "arenas", "--time", "10", "--json", str(target)) == 0
    table = json.loads(target.read_text())["arenas"]
    assert [row["network"] for row in table["rows"]] == ["kws", "resnet8", "vww", "mobilenet_v2_035_144"]
    assert all(row["rows"] < row["TinyTS"] and row["faults"] == 0 for row in table["rows"])
    assert "Smallest arenas" in capsys.readouterr().out


def test_mafat_table() -> None:
    table = TABLES["mafat"](Settings(Path("."), 10.0), lambda what: None)
    by_config = {row["configuration"]: row for row in table.records()}
    assert by_config["5x5/8/2x2"]["MACs x"] == 1.137
    assert all(row["predicted MiB"] == row["executed MiB"] for row in table.records())
    assert table.summary["rows, MiB"] <= 6.5


@pytest.mark.slow
def test_allocation_table(data_dir: Path) -> None:
    table = TABLES["allocation"](Settings(data_dir), lambda what: None)
    assert len(table.rows) == 9
    assert all(row["legal"] and row["gap %"] <= 1 for row in table.records())


def test_unknown_table_and_absent_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--table", "none") == 2
    assert "there are: allocation, arenas" in capsys.readouterr().err
    assert run("--table", "mdfi", "--data", str(tmp_path)) == 2
    assert "ESL_REF_DATA" in capsys.readouterr().err


def test_records_name_every_value() -> None:
    table = Table("t", "T", ("a", "b"), ((1, 2),))
    assert table.records() == [{"a": 1, "b": 2}]
    assert percent(1, 4) == 75.0
