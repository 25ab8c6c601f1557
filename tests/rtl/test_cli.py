# SPDX-License-Identifier: Apache-2.0
"""The verb `rtl`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from esl_ref.errors import ArchError, InputError
from rtl.cli import command


def test_depths_reach_the_rtl(tmp_path: Path) -> None:
    arguments = ["--sram", "4096", "--arch", "tiny", "--out", str(tmp_path / "rtl"), "--json", str(tmp_path / "s.json")]
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert "act_sram         2 x    256 x   64 bits      4096 bytes" in result.output
    assert json.loads((tmp_path / "s.json").read_text()) == json.loads((tmp_path / "rtl/esl_accel.json").read_text())


@pytest.mark.parametrize("arguments", [[], ["model.tflite", "--sram", "4096"]])
def test_model_or_size(tmp_path: Path, arguments: list[str]) -> None:
    with pytest.raises(InputError, match="either a MODEL or --sram"):
        CliRunner().invoke(command, [*arguments, "--out", str(tmp_path)], catch_exceptions=False)


def test_impossible_size(tmp_path: Path) -> None:
    with pytest.raises(ArchError, match="act_bytes"):
        CliRunner().invoke(command, ["--sram", "1000", "--out", str(tmp_path)], catch_exceptions=False)
