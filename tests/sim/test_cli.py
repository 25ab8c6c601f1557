# SPDX-License-Identifier: Apache-2.0
"""The verbs `sim` and `fuzz` as a user types them."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from esl_ref.models import embedded_path
from sim.cli import command as sim
from sim.fuzz_cli import command as fuzz

MODEL = str(embedded_path())


def run(command: Any, *args: str) -> Result:
    return CliRunner().invoke(command, list(args), catch_exceptions=False)


def test_machine_only(tmp_path: Path) -> None:
    out, report = tmp_path / "out", tmp_path / "r.json"
    result = run(sim, MODEL, "--executor", "machine", "--out", str(out), "--json", str(report))
    assert result.exit_code == 0, result.output
    assert "bit exact: golden = ESL machine," in result.output
    record = json.loads(report.read_text())
    assert record == json.loads((out / "report.json").read_text())
    assert record["executors"] == ["ESL machine"]
    assert "bit exact" in (out / "report.txt").read_text()
    assert "ESL machine ..." in result.stderr
    assert record["build_seconds"] is None
    assert record["memory"] == {"latency": 32, "gap": 0, "stall": 0.0, "seed": 1}


def test_repeat_command_repeats(tmp_path: Path) -> None:
    args = ["--executor", "machine", "--seed", "7", "--latency", "50", "--fixed", "--out", str(tmp_path / "a")]
    assert run(sim, MODEL, *args).exit_code == 0
    first = json.loads((tmp_path / "a" / "report.json").read_text())
    words = shlex.split(first["repeat_command"])
    assert words[:3] == ["esl-ref", "sim", MODEL]
    assert run(sim, *words[2:]).exit_code == 0
    again = json.loads((tmp_path / "a" / "report.json").read_text())
    for record in (first, again):
        for one in record["runs"]:
            one.pop("seconds")
    assert first == again


def test_json_on_standard_output_is_all_there_is(tmp_path: Path) -> None:
    result = run(sim, MODEL, "--executor", "machine", "--out", str(tmp_path), "--json", "-")
    assert json.loads(result.stdout)["bit_exact"] is True


@pytest.mark.parametrize("option", [("--stall", "1.5"), ("--latency", "1"), ("--repeat", "0"), ("--sram", "lots")])
def test_impossible_options_are_usage_errors(option: tuple[str, str], tmp_path: Path) -> None:
    assert run(sim, MODEL, *option, "--out", str(tmp_path)).exit_code == 2


def test_fuzz_on_the_machine(tmp_path: Path) -> None:
    report = tmp_path / "fuzz.json"
    result = run(fuzz, "--layers", "10", "--seed", "77", "--executor", "machine", "--json", str(report))
    assert result.exit_code == 0
    assert "10 layers compared on base, 0 failures" in result.output
    assert json.loads(report.read_text())["failures"] == []


@pytest.mark.cosim
@pytest.mark.xdist_group("base")
def test_a_mismatch_is_exit_code_1_and_located(tmp_path: Path) -> None:
    """With the build that `test_cosim.py` shares."""
    result = run(sim, MODEL, "--fixed", "--flip", "0", "--out", str(tmp_path))
    assert result.exit_code == 1
    for said in ("MISMATCH", "tensor 'conv1'", "channel 0", "expected", "the RTL departs", "--flip 0"):
        assert said in result.output
    record = json.loads((tmp_path / "report.json").read_text())
    assert record["divergence"]["mismatch"]["tensor"] == "conv1"
    assert record["sram_bytes"]["with_scratch"] == record["sram_bytes"]["rtl_memories"]
    assert record["sim_cycles_per_second"] > 1000
    assert (tmp_path / "rtl" / "esl_accel.v").is_file()
