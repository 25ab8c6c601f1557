# SPDX-License-Identifier: Apache-2.0
"""`esl-ref inspect` as a person types it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from esl_ref.cli import main
from esl_ref.frontends.tflite_writer import TFLiteWriter
from tests.conftest import ROOT
from tests.helpers.onnx_cases import model, node

EMBEDDED = str(ROOT / "esl_ref" / "models" / "embedded" / "embedded.tflite")


def call(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    """(exit code, standard output, standard error)."""
    with pytest.raises(SystemExit) as stop:
        main(list(args))
    captured = capsys.readouterr()
    return int(stop.value.code or 0), captured.out, captured.err


def test_shows_every_operator(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "inspect", EMBEDDED)
    assert code == 0
    assert "input 'image' 1x28x28x1 int8" in out
    for word in ("Conv2D", "DepthwiseConv2D", "Add", "MaxPool", "AveragePool", "FullyConnected", "accelerator", "host"):
        assert word in out
    assert "15 operators (14 accelerator, 1 host), 873,432 MACs, 16,882 parameters" in out
    rows = [line for line in out.splitlines() if line[:3].strip().isdigit() and " operators " not in line]
    assert len(rows) == 15 and all(("accelerator" in row) != ("host" in row.split("(")[0]) for row in rows)


def test_json_holds_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "net.json"
    assert call(capsys, "inspect", EMBEDDED, "--json", str(report))[0] == 0
    data: dict[str, Any] = json.loads(report.read_text())
    assert data["supported"] and data["macs"] == 873432 and data["parameters"] == 16882
    first = data["operators"][0]
    assert first["kind"] == "Conv2D" and first["where"] == "accelerator" and first["reason"] == ""
    assert first["inputs"][0]["shape"] == [1, 28, 28, 1] and first["output"]["scale"] > 0
    assert data["operators"][-1]["where"] == "host" and data["operators"][-1]["reason"]
    code, out, _ = call(capsys, "inspect", EMBEDDED, "--json", "-")
    assert code == 0 and json.loads(out) == data


def test_unsupported_operators_are_listed_with_the_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    w = TFLiteWriter()
    x, y, z = (w.add_tensor(n, (1, 4), "int8", scale=0.5) for n in "xyz")
    w.add_op("RELU", [x], [y])
    w.add_op("custom:Magic", [y], [z])
    path, report = tmp_path / "net.tflite", tmp_path / "net.json"
    path.write_bytes(w.finish([x], [z]))
    code, out, err = call(capsys, "inspect", str(path), "--json", str(report))
    assert code == 2
    assert "0 RELU" in out and "supported" in out and "not at all" in out
    assert "unsupported operators: CUSTOM(Magic) (1x)" in err
    assert json.loads(report.read_text())["supported"] is False


def test_nodes_of_an_onnx_file_are_listed_with_the_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    constants = {"s": np.float32(0.1), "z": np.int8(0), "w": np.full((3, 3, 1, 1), 0.3, np.float32)}
    before = [node("QuantizeLinear", ["x", "s", "z"], ["q"]), node("DequantizeLinear", ["q", "s", "z"], ["r"])]
    path = tmp_path / "net.onnx"

    def shown(*nodes: Any) -> str:
        path.write_bytes(model([*before, *nodes], {"x": ((1, 3, 6, 6), np.float32)}, ["y"], constants))
        code, out, err = call(capsys, "inspect", str(path))
        assert code == 2 and str(path) in err
        return out

    pool = node("MaxPool", ["r"], ["m"], kernel_shape=[2, 2], dilations=[2, 2])
    out = shown(pool, node("Relu", ["m"], ["a"]), node("Fancy", ["r"], ["b"]), node("Relu", ["r"], ["y"]))
    lines = [line.split(maxsplit=2) for line in out.splitlines()]
    assert [line[1] for line in lines] == ["QuantizeLinear", "DequantizeLinear", "MaxPool", "Relu", "Fancy", "Relu"]
    assert [line[2].split(":")[0] for line in lines] == [
        "supported", "supported", "not at all", "not judged", "not at all", "supported",
    ]  # fmt: skip
    assert "2 Conv                         not at all: float weights" in shown(node("Conv", ["r", "w"], ["y"]))


@pytest.mark.parametrize("content", [None, b"", b"text"])
def test_bad_files_exit_with_two_and_one_sentence(
    content: bytes | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "net.tflite"
    if content is not None:
        path.write_bytes(content)
    code, out, err = call(capsys, "inspect", str(path))
    assert code == 2 and out == "" and err.count("\n") == 1 and str(path) in err


def test_help_teaches() -> None:
    from esl_ref.cli.verb_inspect import command

    text = CliRunner().invoke(command, ["--help"]).output
    assert "esl-ref inspect net.tflite" in text and "--json FILE" in text


def test_a_layer_without_an_integer_form_is_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cfg = tmp_path / "net.cfg"
    cfg.write_text("[net]\nheight=6\nwidth=6\nchannels=3\n[local]\nfilters=2\nsize=3\npad=1\nactivation=leaky\n")
    code, out, _ = call(capsys, "inspect", str(cfg))
    assert code == 0 and "note: layer 'local0' (Local) has no integer form: the network runs in float" in out
