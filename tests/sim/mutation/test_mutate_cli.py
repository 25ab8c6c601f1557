# SPDX-License-Identifier: Apache-2.0
"""The verb `mutate` on RTL with mutants in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sim.mutate_cli import command
from sim.mutation.verdict import CHECKS

pytestmark = pytest.mark.cosim


def mutate(folder: Path, *options: str) -> tuple[int, str, dict[str, Any]]:
    report = folder / "report.json"
    done = CliRunner().invoke(command, ["--out", str(folder), "--json", str(report), *options])
    return done.exit_code, done.output, json.loads(report.read_text())


def test_a_few_mutants_of_tiny(tmp_path: Path) -> None:
    """Drawn so that they lie in many units; the least score is more than can be had if anything survives."""
    status, text, record = mutate(tmp_path, "--arch", "tiny", "--mutants", "12", "--layers", "4", "--least", "100")
    assert record["mutants"] == len(record["fates"]) == 12 and len(record["units"]) > 8
    assert record["killed"] >= 10 and len(record["killed_by"]) >= 3 and set(record["killed_by"]) <= set(CHECKS)
    assert record["runs_with_exact_cycles"] == record["runs_with_predicted_cycles"] > 20
    assert all(fate["source"].startswith(("rtl/", "amaranth/")) for fate in record["fates"])
    assert status == (record["score_percent"] < 100), text
    assert f"score {record['score_percent']:.1f} %" in text


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_hundreds_of_mutants_with_coverage(tmp_path: Path) -> None:
    options = ["--arch", "tiny", "--mutants", "300", "--layers", "40", "--coverage", "--least", "80"]
    status, text, record = mutate(tmp_path, *options)
    assert status == 0, text
    assert {"rtl/requantise.py", "rtl/walk.py", "rtl/registers.py"} <= {unit["unit"] for unit in record["units"]}
    points = sum(unit["points"] for unit in record["coverage"].values())
    assert sum(unit["covered"] for unit in record["coverage"].values()) > 0.9 * points > 500
