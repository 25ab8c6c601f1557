# SPDX-License-Identifier: Apache-2.0
"""`plan` on built-in workloads and by methods that reckon on shapes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from esl_ref.cli import main


def run(*args: str) -> int:
    with pytest.raises(SystemExit) as leaving:
        main(["plan", *args])
    return int(leaving.value.code or 0)


def test_built_in_workload(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run("mw", "--json", str(tmp_path / "p.json")) == 0
    assert "mw 62,016 MACs, 4,300 parameters, topology " in capsys.readouterr().out
    report = json.loads((tmp_path / "p.json").read_text())
    assert (report["method"], report["tensors"]) == ("joint", 372)


def test_budget_and_method(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("cif", "--method", "rows", "--sram", "1K") == 2
    assert "is the least it finds" in capsys.readouterr().err
    assert run("txt", "--method", "mafat") == 2
    assert "mafat does not apply" in capsys.readouterr().err


def test_more_sram_than_there_are_addresses_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("cif", "--sram", "17M") == 2
    assert "more than the 16M that the machine can address" in capsys.readouterr().err


def test_options_that_need_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("mw", "--pareto") == 2
    assert "need a model file" in capsys.readouterr().err


def test_method_on_a_model_file(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = data_dir / "mlperf_tiny" / "models" / "ic_resnet8_int8.tflite"
    assert run(str(model), "--method", "ilp") == 0
    assert "ilp: " in capsys.readouterr().out
    assert run(str(model), "--method", "restructure") == 0  # this one runs
    shown = capsys.readouterr().out
    assert "16 slices" in shown and "predicted cycles by term" in shown


def test_a_wrong_name_lists_the_right_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(["plan", "inception"])
    said = capsys.readouterr().err
    assert leaving.value.code == 2 and "no built-in workload" in said and "inception_v3" in said and "yolo_v2" in said


@pytest.mark.parametrize("name, meant", [("SqueezeNet", "squeezenet11"), ("yolov2-tiny", "tiny_yolo_v2")])
def test_usual_names_of_workloads(name: str, meant: str) -> None:
    from esl_ref.workloads import named

    assert named(name) == meant
