# SPDX-License-Identifier: Apache-2.0
"""`esl-ref quantise` as a person types it, and float models at the other verbs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from esl_ref import models
from esl_ref.cli import main
from esl_ref.frontends import load
from esl_ref.models.embedded_export import export_float


def call(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    """(exit code, standard output, standard error)."""
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in args])
    captured = capsys.readouterr()
    return int(stop.value.code or 0), captured.out, captured.err


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded model in float, and some digits."""
    here = tmp_path_factory.mktemp("quantise")
    (here / "float.tflite").write_bytes(export_float(models.embedded_float()))
    np.save(here / "digits.npy", models.embedded_calibration()[:12] / 255)
    return here


CFG = """
[net]
height=8
width=8
channels=3
[convolutional]
filters=4
size=3
stride=2
pad=1
activation=leaky
[maxpool]
size=2
stride=2
[connected]
output=5
activation=linear
"""


@pytest.fixture(scope="module")
def cfg(folder: Path) -> Path:
    (folder / "small.cfg").write_text(CFG)
    return folder / "small.cfg"


def test_writes_a_model_that_runs_and_says_what_it_cost(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, report = folder / "int8.tflite", folder / "report.json"
    given = ("--calibrate", folder / "digits.npy", "--out", out, "--json", report)
    code, text, _ = call(capsys, "quantise", folder / "float.tflite", *given)
    assert code == 0 and "12 of 12 samples" in text and "own dB" in text and "cosine" in text
    said = json.loads(report.read_text())
    assert said["bytes"] == out.stat().st_size and len(said["layers"]) == 15 and said["samples"] == 10
    assert said["outputs"][0]["cosine"] > 0.99 and said["options"]["method"] == "MSE"
    own = {layer["name"]: layer["own"] for layer in said["layers"]}
    assert said["costly"] == sorted(own, key=lambda name: own[name])[:10]
    graph = load(out)
    assert graph.inputs == ("image",)
    code, text, _ = call(capsys, "run", out, "--seed", "1")
    assert code == 0 and "on the golden executor" in text


def test_every_layer_and_json_on_standard_output(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ("--calibrate", folder / "digits.npy", "--out", folder / "x.tflite", "--method", "minmax", "--samples", "2")
    code, text, _ = call(capsys, "quantise", folder / "float.tflite", *given, "--layers")
    assert code == 0 and all(f" {name} " in text for name in ("conv1", "add4", "probability"))
    code, text, _ = call(capsys, "quantise", folder / "float.tflite", *given, "--no-equalise", "--json", "-")
    said = json.loads(text)
    assert said["equalised"] == 0 and said["options"]["method"] == "MINMAX" and said["samples"] == 2


def test_bad_input_is_one_sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    int8, out = models.embedded_path(), folder / "never.tflite"
    cases = {
        ("quantise", int8, "--calibrate", folder / "digits.npy", "--out", out): "is quantised already",
        ("quantise", folder / "float.tflite", "--calibrate", folder / "absent", "--out", out): "no such file",
        ("quantise", folder / "float.tflite", "--calibrate", folder, "--out", out): "holds no pictures",
        ("quantise", folder / "float.tflite", "--calibrate", folder / "digits.npy", "--out", out, "--weights", "w"):
            "goes with a Darknet .cfg",
        ("quantise", folder / "float.tflite", "--calibrate", folder / "digits.npy", "--out", folder / "no" / "x"):
            "cannot write the model",
    }  # fmt: skip
    for words, complaint in cases.items():
        code, _, err = call(capsys, *words)
        assert code == 2 and complaint in err and err.strip().count("\n") == 0, err
    assert not out.exists()


def test_float_models_at_the_other_verbs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, digits = folder / "float.tflite", folder / "digits.npy"
    code, text, _ = call(capsys, "inspect", model)
    assert code == 0 and "floating point" in text and "873,432 MACs" in text
    code, text, err = call(capsys, "inspect", model, "--calibrate", digits)
    assert code == 0 and "rounding profile tflite" in text and "accelerator" in text and "random" not in err
    code, text, _ = call(capsys, "run", model)
    assert code == 0 and "on the float executor" in text
    code, text, err = call(capsys, "run", model, "--executor", "machine", "--arch", "tiny")
    assert code == 0 and "on the machine executor" in text and "accuracy is not" in err
    code, text, _ = call(capsys, "run", model, "--calibrate", digits)
    assert code == 0 and "on the golden executor" in text
    code, text, err = call(capsys, "plan", model, "--method", "layerwise")
    assert code == 0 and "cycles" in text and "one random input" in err


def test_a_cfg_without_weights(cfg: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its shapes are shown and planned; what needs numbers asks for them, or makes them up when told to."""
    code, text, _ = call(capsys, "inspect", cfg)
    assert code == 0 and "1x4x4x4" in text
    code, _, err = call(capsys, "run", cfg)
    assert code == 2 and "--weights" in err
    first = call(capsys, "run", cfg, "--weights", "random")
    assert first[0] == 0 and "float executor" in first[1]
    assert call(capsys, "run", cfg, "--weights", "random")[1].splitlines()[:2] == first[1].splitlines()[:2]
    code, text, err = call(capsys, "plan", cfg, "--weights", "random", "--arch", "tiny", "--method", "layerwise")
    assert code == 0 and "liveness" in text, err
