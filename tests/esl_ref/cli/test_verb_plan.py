# SPDX-License-Identifier: Apache-2.0
"""`plan` on a model file: fronts, plan files that other verbs take, options that contradict each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from esl_ref.cli import main
from esl_ref.models import embedded_path

MODEL = str(embedded_path())


def run(*args: str) -> int:
    with pytest.raises(SystemExit) as leaving:
        main(list(args))
    return int(leaving.value.code or 0)


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    path = tmp_path_factory.mktemp("front") / "front.json"
    assert run("plan", MODEL, "--pareto", "--json", str(path), "--map", str(path.with_suffix(".svg"))) == 0
    return path, json.loads(path.read_text())


def test_a_point_of_the_front_is_what_the_other_verbs_build(
    front: tuple[Path, dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, record = front
    number = 1 + min(range(len(record["points"])), key=lambda n: record["points"][n]["on_chip"])
    point, plan = record["points"][number - 1], f"{path}:{number}"
    assert run("plan", MODEL, "--plan", plan, "--json", str(tmp_path / "plan.json")) == 0
    again = json.loads((tmp_path / "plan.json").read_text())
    assert (again["height"], again["cycles"]) == (point["arena"], point["cycles"])
    assert again["sram_bytes"]["with_scratch"] == again["sram_bytes"]["rtl_memories"] == point["on_chip"]
    machine = ("--executor", "machine", "--out", str(tmp_path / "sim"))
    assert run("sim", MODEL, "--plan", str(tmp_path / "plan.json"), *machine, "--json", str(tmp_path / "s.json")) == 0
    assert json.loads((tmp_path / "s.json").read_text())["predicted_cycles"] == point["cycles"]
    assert run("golden", MODEL, "--plan", plan, "--programs", "plain", "--out", str(tmp_path / "golden")) == 0
    assert again["arch_hash"] in capsys.readouterr().out


def test_picture_of_the_front(front: tuple[Path, dict[str, Any]]) -> None:
    path, record = front
    assert path.with_suffix(".svg").read_text().count("<circle") == len(record["points"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--pareto", "--sram", "4K"], "two questions"),
        (["--cycles-slack", "3", "--sram", "4K"], "two questions"),
        (["--pareto", "--method", "layerwise"], "joint method"),
        (["--plan", "x.json", "--pareto"], "nothing to choose"),
        (["--plan", "x.json"], "cannot read the plan"),
    ],
)
def test_contradictions(options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plan", MODEL, *options) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_smallest_budget_is_named_and_works(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plan", MODEL, "--sram", "1K") == 2
    said = " ".join(capsys.readouterr().err.split())
    least = said.rsplit("--sram ", 1)[1].split()[0]
    assert "alive together at the peak" in said
    assert run("plan", MODEL, "--sram", least) == 0
