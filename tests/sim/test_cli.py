# SPDX-License-Identifier: Apache-2.0
"""The verbs `sim` and `fuzz` as a user types them."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from esl_ref.arch import load
from esl_ref.cli import main
from esl_ref.errors import CheckFailed, InputError
from esl_ref.models import embedded_path
from rtl.generate import Generated, ports
from sim import accelerator
from sim.build import BuildSpec, build_model
from sim.cli import command as sim
from sim.fuzz_cli import command as fuzz
from sim.runner import Accelerator, Run, run_programs
from tests.helpers.disk import no_file_above

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


def test_fuzz_that_compares_nothing_is_not_green(tmp_path: Path) -> None:
    report = tmp_path / "fuzz.json"
    args = ("--layers", "3", "--executor", "machine", "--arch", "tiny,act_bytes=16", "--json", str(report))
    with pytest.raises(CheckFailed, match="^tiny,act_bytes=16: nothing was compared: .* refused all 3 layers; give a"):
        run(fuzz, *args)
    assert json.loads(report.read_text())["left_out"] == 3


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


@pytest.mark.parametrize("verb", ["sim", "rtl", "fuzz"])
@pytest.mark.parametrize("place", ["/dev/null", "/dev/null/x", "/proc/1/x"])
def test_impossible_folders_are_exit_code_2(verb: str, place: str, capsys: pytest.CaptureFixture[str]) -> None:
    args = {"sim": ("--executor", "machine"), "rtl": (), "fuzz": ("--layers", "1", "--executor", "machine")}[verb]
    if (verb, place) == ("fuzz", "/proc/1/x"):
        pytest.skip("without the RTL nothing is written there")
    with pytest.raises(SystemExit) as stop:
        main([verb, *([] if verb == "fuzz" else [MODEL]), *args, "--out", place])
    err = capsys.readouterr().err
    assert stop.value.code == 2 and place in err and "Traceback" not in err
    assert len([line for line in err.splitlines() if not line.endswith(" ...")]) in (1, 4), err  # 4: click's usage


@pytest.mark.parametrize(
    "make",
    [
        lambda: accelerator.generated_folder(load("tiny")),
        lambda: build_model(BuildSpec("t", (), texts={"t.v": "module t; endmodule"})),
    ],
)
def test_an_impossible_folder_for_builds(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESL_REF_BUILD", "/dev/null/x")
    with pytest.raises(InputError, match="^/dev/null/x/models: .*Not a directory; ESL_REF_BUILD names another folder"):
        make()


def test_no_room_for_the_generated_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = load("tiny")
    monkeypatch.setenv("ESL_REF_BUILD", str(tmp_path))
    monkeypatch.setattr(accelerator, "generate", lambda arch: Generated(arch, "x" * (1 << 20), ports(arch), ()))
    with no_file_above(1 << 18), pytest.raises(InputError, match="cannot write the Verilog: File too large"):
        accelerator.generated_folder(tiny)
    assert not list((tmp_path / "models").iterdir())


def test_no_room_for_a_simulation(tmp_path: Path) -> None:
    unbuilt: Any = None
    run = Run([], 1, np.zeros(1 << 20, np.uint8))
    with no_file_above(1 << 18), pytest.raises(InputError, match=f"^{tmp_path}: cannot write the simulation's files: "):
        run_programs(Accelerator(unbuilt, 8, 1 << 22), [run], folder=tmp_path)
