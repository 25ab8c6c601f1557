# SPDX-License-Identifier: Apache-2.0
"""Models no verb can use: each verb that takes one ends with exit code 2 and one sentence naming the file and why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from esl_ref.cli import main
from esl_ref.frontends.tflite_writer import TFLiteWriter
from tests.conftest import ROOT

EMBEDDED = ROOT / "esl_ref" / "models" / "embedded" / "embedded.tflite"
VERBS = ("inspect", "run", "plan", "rtl", "sim", "golden export")


def call(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str]:
    """(exit code, standard error)."""
    with pytest.raises(SystemExit) as stop:
        main(list(args))
    return int(stop.value.code or 0), capsys.readouterr().err


def relu(code: str = "RELU", **changes: object) -> bytes:
    """x -> one operator -> y, with anything about x changed."""
    x = {"shape": (1, 4, 4, 2), "dtype": "int8", "scale": 0.5} | changes
    w = TFLiteWriter(checked=False)
    shape = x.pop("shape")
    w.add_tensor("x", shape, x.pop("dtype"), **x)  # type: ignore[arg-type]
    w.add_tensor("y", shape, "int8", scale=0.5)  # type: ignore[arg-type]
    w.add_op(code, [0], [1])
    return w.finish([0], [1])


def cyclic() -> bytes:
    w = TFLiteWriter(checked=False)
    for name in "xab":
        w.add_tensor(name, (1, 4), "int8", scale=0.5)
    w.add_op("ADD", [0, 2], [1])
    w.add_op("ADD", [0, 1], [2])
    return w.finish([0], [2])


def overflowing() -> bytes:
    """A fully connected layer whose scales ask for a multiplier above 2**30."""
    w = TFLiteWriter(checked=False)
    x = w.add_tensor("x", (1, 4), "int8", scale=0.5)
    k = w.add_tensor("k", (3, 4), "int8", data=np.ones((3, 4), np.int8), scale=1e30)
    y = w.add_tensor("y", (1, 3), "int8", scale=0.5)
    w.add_op("FULLY_CONNECTED", [x, k, -1], [y])
    return w.finish([x], [y])


def pooled(*shape: int) -> bytes:
    w = TFLiteWriter(checked=False)
    for name in "xy":
        w.add_tensor(name, shape, "int8", scale=0.5)
    w.add_op("MAX_POOL_2D", [0], [1], filter_width=1, filter_height=1, stride_w=1, stride_h=1, padding="VALID")
    return w.finish([0], [1])


def added(*shape: int) -> bytes:
    w = TFLiteWriter(checked=False)
    for name in "aby":
        w.add_tensor(name, shape, "int8", scale=0.5)
    w.add_op("ADD", [0, 1], [2])
    return w.finish([0, 1], [2])


BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "truncated": (lambda: EMBEDDED.read_bytes()[:5000], "damaged"),
    "garbage": (lambda: b"\x1c\0\0\0TFL3" + bytes(range(256)) * 8, "damaged"),
    "oversized": (lambda: relu(shape=(1, 1 << 15, 1 << 15, 4)), "at most 67108864 are supported"),
    "cyclic": (cyclic, "reads tensor 'b' before anything produced it"),
    "operator": (lambda: relu("custom:Magic"), "unsupported operators: CUSTOM(Magic) (1x); supported: ADD, "),
    "type": (lambda: relu(dtype="int16"), "INT16"),
    "rank": (lambda: pooled(1, 2, 2, 2, 2), "an input of shape [1, 2, 2, 2, 2]; NHWC maps with batch 1 are supported"),
    "scale zero": (lambda: relu(scale=0.0), "scale 0.0; scales must be finite and positive"),
    "scale nan": (lambda: relu(scale=float("nan")), "scale nan; scales must be finite and positive"),
    "scale overflow": (overflowing, "at most 30 is possible"),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("what", BAD)
def test_one_sentence_and_exit_code_2(
    what: str, verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make, complaint = BAD[what]
    model, out = tmp_path / "net.tflite", tmp_path / "out"
    model.write_bytes(make())
    wants_out = ["--out", str(out)] if verb in ("rtl", "sim", "golden export") else []
    code, err = call(capsys, *verb.split(), str(model), *wants_out)
    assert code == 2
    assert err.startswith(f"esl-ref: {model}") and complaint in err and err.count("\n") == 1, err
    assert not out.exists()


def test_a_rank_that_only_golden_has_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "net.tflite"
    model.write_bytes(added(1, 2, 2, 2, 2))
    with pytest.raises(SystemExit) as stop:
        main(["inspect", str(model)])
    assert not stop.value.code and "host     (rank above 4)" in capsys.readouterr().out
    said = "model 'net': no operator runs on the accelerator; `esl-ref inspect FILE` says of each operator why"
    assert call(capsys, "plan", str(model)) == (2, f"esl-ref: {said}\n")


@pytest.mark.parametrize("verb", ("plan", "sim"))
def test_too_large_for_the_sram_says_by_how_much_and_what_fits(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "out")] if verb != "plan" else []
    code, err = call(capsys, verb, str(EMBEDDED), "--sram", "1000", *out)
    assert code == 2
    needed = int(err.split("needs ")[1].split()[0])
    assert f"{needed - 1000} more than the 1000 allowed" in err and f"--sram {needed} fits" in err
    if verb == "plan":
        assert call(capsys, verb, str(EMBEDDED), "--sram", str(needed))[0] == 0
