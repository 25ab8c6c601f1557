# SPDX-License-Identifier: Apache-2.0
"""`esl-ref run` as a person types it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from esl_ref.cli import main
from esl_ref.executor import random_inputs, run
from esl_ref.frontends import load
from tests.conftest import ROOT

EMBEDDED = str(ROOT / "esl_ref" / "models" / "embedded" / "embedded.tflite")


def call(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    """(exit code, standard output, standard error)."""
    with pytest.raises(SystemExit) as stop:
        main(list(args))
    captured = capsys.readouterr()
    return int(stop.value.code or 0), captured.out, captured.err


def test_random_input_is_seeded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    graph = load(EMBEDDED)
    expected = run(graph, random_inputs(graph, 7))["probability"]
    out = tmp_path / "out.npz"
    code, text, _ = call(capsys, "run", EMBEDDED, "--seed", "7", "--output", str(out))
    assert code == 0 and "input 'image': random, seed 7" in text and "1 tensors in" in text
    np.testing.assert_array_equal(np.load(out)["probability"], expected)


def test_all_tensors_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    graph = load(EMBEDDED)
    out, report = tmp_path / "out.npz", tmp_path / "run.json"
    code, _, _ = call(capsys, "run", EMBEDDED, "--all-tensors", "--output", str(out), "--json", str(report))
    assert code == 0
    tensors, data = np.load(out), json.loads(report.read_text())
    assert set(tensors.files) == set(data["tensors"]) == {t.name for t in graph.activations()}
    assert data["seed"] == 0 and data["executor"] == "golden" and len(data["tensors"]["probability"]["values"]) == 10


def test_arrays_and_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (28, 28), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "digit.png")
    np.save(tmp_path / "digit.npy", (pixels.astype(np.int16) - 128).astype(np.int8)[..., None])
    results = []
    for name in ("digit.png", "digit.npy"):
        code, text, _ = call(
            capsys, "run", EMBEDDED, "--input", str(tmp_path / name), "--json", str(tmp_path / "r.json")
        )
        assert code == 0 and "top [" in text
        results.append(json.loads((tmp_path / "r.json").read_text())["tensors"])
    assert results[0] == results[1]


def test_the_machine_gives_the_same_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tensors = {}
    for executor in ("golden", "machine"):
        out = tmp_path / f"{executor}.npz"
        args = ["run", EMBEDDED, "--executor", executor, "--all-tensors", "--output", str(out)]
        assert call(capsys, *args)[0] == 0
        tensors[executor] = np.load(out)
    common = set(tensors["golden"].files) & set(tensors["machine"].files)
    assert "probability" in common and len(common) >= 10
    for name in common:
        np.testing.assert_array_equal(tensors["machine"][name], tensors["golden"][name], err_msg=name)


def test_uint8_models_speak_uint8(data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded = np.load(data_dir / "golden_io" / "coral_mobilenet_v1_025_128_u8__random.npz")
    np.save(tmp_path / "x.npy", recorded["x0_0"])
    model, out = str(data_dir / "tflite" / "coral_mobilenet_v1_025_128_u8.tflite"), tmp_path / "out.npz"
    code, text, _ = call(capsys, "run", model, "--input", str(tmp_path / "x.npy"), "--output", str(out))
    assert code == 0 and "re-biased by -128" in text and "uint8" in text
    (result,) = np.load(out).values()
    np.testing.assert_array_equal(result, recorded["y0_0"])


@pytest.mark.parametrize(
    "args, complaint",
    [
        (["/nonexistent.tflite"], "cannot be read"),
        ([EMBEDDED, "--input", "/nonexistent.npy"], "no such file"),
        ([EMBEDDED, "--output", "/nonexistent/out.npz"], "cannot write the results"),
        ([EMBEDDED, "--executor", "abacus"], "abacus"),
        ([EMBEDDED, "--seed", "-1"], "-1"),
        ([EMBEDDED, "--executor", "machine", "--arch", "abacus"], "abacus"),
        ([EMBEDDED, "--arch", "abacus"], "no architecture 'abacus'"),
    ],
)
def test_bad_use_exits_with_two(args: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "run", *args)
    assert code == 2 and complaint in err and "Traceback" not in err


def test_help_teaches() -> None:
    from esl_ref.cli.verb_run import command

    text = CliRunner().invoke(command, ["--help"]).output
    assert "esl-ref run net.tflite --input cat.jpg" in text and "pixel - 128" in text


def test_built_in_topologies_run_on_seeded_weights(capsys: pytest.CaptureFixture[str]) -> None:
    code, text, _ = call(capsys, "run", "resnet8", "--weights", "random", "--executor", "machine")
    assert code == 0 and "operators on the machine executor" in text
    code, _, err = call(capsys, "run", "resnet8")
    assert code == 2 and "built-in topology, which has no weights; add --weights random" in " ".join(err.split())
