# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from esl_ref.errors import CheckFailed, EslError, InputError
from esl_ref.models import embedded_path
from golden.cli import command

MODEL = str(embedded_path())


def _run(*words: str | Path) -> str:
    result = CliRunner().invoke(command, [str(w) for w in words])
    if isinstance(result.exception, EslError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_model_without_a_subcommand_exports(tmp_path: Path) -> None:
    out = tmp_path / "p"
    said = _run(
        MODEL, "--arch", "tiny", "--layers", "13", "--format", "hex", "--out", out, "--json", tmp_path / "r.json"
    )
    record = json.loads((tmp_path / "r.json").read_text())
    assert f"{record['files']} files" in said and (out / "replay.txt").is_file()
    assert "sound, 2 runs re-derived" in _run("check", out)
    assert "equal" in _run("check", out, "--against", out)


@pytest.mark.parametrize("options", [["--format", "vhdl"], ["--programs", "x"], ["--layers", "40:50"]])
def test_wrong_options_leave_nothing_behind(tmp_path: Path, options: list[str]) -> None:
    with pytest.raises(InputError, match="unknown|layers"):
        _run(MODEL, *options, "--out", tmp_path / "p")
    assert list(tmp_path.iterdir()) == []


def test_unit_packages_are_exported_but_not_replayed_on_a_whole_design(tmp_path: Path) -> None:
    assert "cycles for the unit requantise" in _run("unit", "requantise", "--arch", "tiny", "--out", tmp_path / "u")
    assert "sound" in _run("check", tmp_path / "u")
    with pytest.raises(InputError, match="is a unit package"):
        _run("replay", tmp_path / "u", "--rtl", tmp_path)


def test_export_needs_a_place() -> None:
    with pytest.raises(InputError, match="--out"):
        _run(MODEL)


def test_check_prints_problems_and_fails(tmp_path: Path) -> None:
    _run(MODEL, "--arch", "tiny", "--layers", "13", "--format", "hex", "--out", tmp_path / "p")
    (tmp_path / "p/replay.txt").write_text("package 1\n")
    result = CliRunner().invoke(command, ["check", str(tmp_path / "p")])
    assert isinstance(result.exception, CheckFailed) and "replay.txt: is not what was exported" in result.stdout


def test_replay_refuses_rtl_of_another_architecture(head_package: Path, tmp_path: Path) -> None:
    (tmp_path / "esl_accel.json").write_text('{"arch_hash": "0123456789abcdef"}')
    with pytest.raises(EslError, match="is for architecture .*0123456789abcdef"):
        _run("replay", head_package, "--rtl", tmp_path)


def test_replay_of_a_damaged_package_is_refused(head_package: Path, tmp_path: Path, copied) -> None:
    folder = copied(head_package)
    (folder / "replay.txt").write_text("")
    with pytest.raises(InputError, match="1 files are damaged, the first is replay.txt"):
        _run("replay", folder, "--rtl", tmp_path)
