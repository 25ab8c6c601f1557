# SPDX-License-Identifier: Apache-2.0
"""The verb `rtl`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import esl_ref.models
from esl_ref import frontends
from esl_ref.arch import load
from esl_ref.cli.verb_plan import command as plan_command
from esl_ref.errors import ArchError, InputError
from esl_ref.pipeline import compile_model
from rtl.cli import command


def test_depths_reach_the_rtl(tmp_path: Path) -> None:
    arguments = ["--sram", "4096", "--arch", "tiny", "--out", str(tmp_path / "rtl"), "--json", str(tmp_path / "s.json")]
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert "act_sram         2 x    256 x   64 bits      4096 bytes" in result.output
    assert json.loads((tmp_path / "s.json").read_text()) == json.loads((tmp_path / "rtl/esl_accel.json").read_text())


def test_model_or_size(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a MODEL or --sram"):
        CliRunner().invoke(command, ["--out", str(tmp_path)], catch_exceptions=False)


def test_a_model_sets_the_depths(tmp_path: Path) -> None:
    model = Path(esl_ref.models.__file__).parent / "embedded" / "embedded.tflite"
    arguments = [str(model), "--arch", "tiny", "--out", str(tmp_path / "rtl")]
    CliRunner().invoke(command, arguments, catch_exceptions=False)
    arch = json.loads((tmp_path / "rtl/esl_accel.json").read_text())["arch"]
    assert arch == compile_model(frontends.load(model), load("tiny")).arch.to_dict()
    assert arch["act_bytes"] < load("tiny").act_bytes


def test_impossible_size(tmp_path: Path) -> None:
    with pytest.raises(ArchError, match="act_bytes"):
        CliRunner().invoke(command, ["--sram", "1000", "--out", str(tmp_path)], catch_exceptions=False)


def test_a_plan_brings_the_size_it_was_made_for(tmp_path: Path) -> None:
    """Larger than its arena: plan and RTL have the same memories."""
    model = Path(esl_ref.models.__file__).parent / "embedded" / "embedded.tflite"
    plan = tmp_path / "plan.json"
    arguments = [str(model), "--arch", "tiny", "--sram", "20001", "--json", str(plan)]
    CliRunner().invoke(plan_command, arguments, catch_exceptions=False)
    arguments = [str(model), "--arch", "tiny", "--plan", str(plan), "--out", str(tmp_path / "rtl")]
    CliRunner().invoke(command, arguments, catch_exceptions=False)
    sidecar = json.loads((tmp_path / "rtl/esl_accel.json").read_text())
    assert sidecar["arch"]["act_bytes"] == 20016
    assert sidecar["memory_bytes"] == json.loads(plan.read_text())["sram_bytes"]["rtl_memories"]
