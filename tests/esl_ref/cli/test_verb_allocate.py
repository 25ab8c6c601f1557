# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import pytest

from esl_ref.cli import main

INSTANCE = "id,lower,upper,size\nb1,0,3,4\nb2,3,9,4\nb3,0,9,4\nb4,9,21,4\nb5,0,21,4\n"


def run(*args: str) -> int:
    with pytest.raises(SystemExit) as leaving:
        main(["allocate", *args])
    return int(leaving.value.code or 0)


@pytest.fixture
def instance(tmp_path: Path) -> Path:
    path = tmp_path / "input.12.csv"
    path.write_text(INSTANCE)
    return path


def test_prints_height_bound_and_proof(instance: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(instance)) == 0
    assert "5 buffers, height 12, liveness bound 12, optimal" in capsys.readouterr().out


def test_writes_offsets_and_report(instance: Path, tmp_path: Path) -> None:
    assert (
        run(str(instance), "--capacity", "12", "--out", str(tmp_path / "o.csv"), "--json", str(tmp_path / "r.json"))
        == 0
    )
    report = json.loads((tmp_path / "r.json").read_text())
    assert (report["height"], report["bound"], report["proved_optimal"]) == (12, 12, True)
    assert set(report["offsets"]) == {"b1", "b2", "b3", "b4", "b5"}
    assert (tmp_path / "o.csv").read_text().startswith("id,lower,upper,size,offset\nb1,0,3,4,")


def test_too_small_a_capacity_is_exit_code_2(instance: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(instance), "--capacity", "11") == 2
    assert "liveness bound 12" in capsys.readouterr().err


def test_capacity_without_a_unit_it_knows_is_refused(instance: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(instance), "--capacity", "12bits") == 2
    assert "is not a size" in capsys.readouterr().err
