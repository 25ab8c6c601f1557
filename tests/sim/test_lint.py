# SPDX-License-Identifier: Apache-2.0
"""Lint: the harness and the generated accelerators are clean, and what is not clean is seen."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from esl_ref.arch import load
from sim import lint_cli
from sim.lint import LintMessage, lint_verilog
from sim.lint_cli import lint_arch
from sim.runner import HARNESS

UNUSED = "module m(input clk, output q);\n  wire spare = clk;\n  assign q = clk;\nendmodule\n"


def test_memory_harness_is_clean():
    sources = [HARNESS / name for name in ("axi_memory.sv", "axi_checker.sv", "tb_memory.sv")]
    assert lint_verilog("tb_memory", sources, waivers=HARNESS / "waivers.vlt") == ()


@pytest.mark.parametrize("preset", ["tiny", "base", pytest.param("wide", marks=pytest.mark.slow)])
def test_accelerator_is_clean_alone_and_in_its_harness(preset):
    assert [str(message) for message in lint_arch(load(preset))] == []


def test_findings_are_read(tmp_path):
    source = tmp_path / "m.v"
    source.write_text(UNUSED)
    (finding,) = lint_verilog("m", [source])
    assert (finding.rule, finding.file, finding.line) == ("UNUSEDSIGNAL", "m.v", 2) and "spare" in finding.text


def test_waivers_take_findings_away(tmp_path):
    source, waivers = tmp_path / "m.v", tmp_path / "waivers.vlt"
    source.write_text(UNUSED)
    waivers.write_text("`verilator_config\nlint_off -rule UNUSEDSIGNAL -file \"*\" -match \"*'spare'\"\n")
    assert lint_verilog("m", [source], waivers=waivers) == ()


def test_syntax_errors_are_findings(tmp_path):
    source = tmp_path / "m.v"
    source.write_text("module m(input clk; endmodule\n")
    finding = lint_verilog("m", [source])[0]
    assert finding.rule == "" and "syntax error" in finding.text


@pytest.mark.parametrize("messages, status", [((), 0), ((LintMessage("WIDTH", "x.v", 3, "too wide"),), 1)])
def test_verb_exit_code_and_json(monkeypatch, tmp_path, messages, status):
    from click.testing import CliRunner

    from esl_ref.errors import CheckFailed

    monkeypatch.setattr(lint_cli, "lint_arch", lambda arch: messages)
    report = tmp_path / "lint.json"
    result = CliRunner().invoke(lint_cli.command, ["--arch", "tiny", "--json", str(report)])
    assert json.loads(report.read_text()) == {"tiny": [str(message) for message in messages]}
    assert (result.exit_code == 0) == (status == 0)
    assert status == 0 or isinstance(result.exception, CheckFailed)


def test_unknown_architecture_is_one_sentence():
    done = subprocess.run(
        [sys.executable, "-c", "from esl_ref.cli import main; main()", "lint", "--arch", "nope"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "no architecture 'nope'" in done.stderr
