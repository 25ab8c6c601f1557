# SPDX-License-Identifier: Apache-2.0
"""Files that are truncated, oversized, inconsistent or garbage: one typed error each, naming file and place."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tflite

from esl_ref.errors import EslError, ModelError, UnsupportedError
from esl_ref.frontends import load
from esl_ref.frontends.tflite import load_bytes, reader
from esl_ref.frontends.tflite_writer import TFLiteWriter
from tests.conftest import ROOT

EMBEDDED = ROOT / "esl_ref" / "models" / "embedded" / "embedded.tflite"


def relu(**changes: Any) -> bytes:
    """x -> RELU -> y with anything about x changed, consistent or not."""
    x = {"shape": (1, 4, 4, 2), "dtype": "int8", "scale": 0.5, "zero_point": 3} | changes
    w = TFLiteWriter(checked=False)
    w.add_tensor("x", x.pop("shape"), x.pop("dtype"), **x)
    w.add_tensor("y", changes.get("shape", (1, 4, 4, 2)), "int8", scale=0.5, zero_point=3)
    w.add_op("RELU", [0], [1])
    return w.finish([0], [1])


def dense(**changes: Any) -> bytes:
    """A fully connected layer with anything about its weights or bias changed."""
    given = {"w": np.ones((3, 4), np.int8), "shape": (3, 4), "scale": 0.25, "zero_point": 0, "type": "int8", "axis": 0,
             "bias": np.ones(3, np.int32)} | changes  # fmt: skip
    w = TFLiteWriter(checked=False)
    w.add_tensor("x", (1, 4), "int8", scale=0.5)
    w.add_tensor("w", given["shape"], given["type"], data=given["w"], scale=given["scale"],
                 zero_point=given["zero_point"], axis=given["axis"])  # fmt: skip
    w.add_tensor("b", (len(given["bias"]),), "int32", data=given["bias"], scale=0.125)
    w.add_tensor("y", changes.get("out", (1, 3)), "int8", scale=0.5)
    w.add_op("FULLY_CONNECTED", [0, 1, 2], [3])
    return w.finish([0], [3])


def test_the_samples_themselves_are_good() -> None:
    assert [op.kind for op in load_bytes(relu()).ops] == ["Table"]
    assert [op.kind for op in load_bytes(dense()).ops] == ["FullyConnected"]


@pytest.mark.parametrize(
    "model, error, complaint",
    [
        (relu(scale=None), ModelError, "operator #0 RELU: tensor 'x' has no quantisation"),
        (relu(scale=0.0), ModelError, "scale 0.0; scales must be finite and positive"),
        (relu(scale=-1.0), ModelError, r"scale -1\.0"),
        (relu(scale=float("nan")), ModelError, "scale nan"),
        (relu(scale=float("inf")), ModelError, "scale inf"),
        (relu(scale=3e38), EslError, "operator #0 RELU"),
        (relu(scale=1e-38), None, ""),
        (relu(scale=[0.5, 0.25]), UnsupportedError, "2 scales"),
        (relu(zero_point=128), ModelError, "zero point outside -128..127"),
        (relu(zero_point=-129), ModelError, "zero point outside"),
        (relu(dtype="int16"), UnsupportedError, "INT16 to INT8"),
        (relu(dtype="string"), UnsupportedError, "STRING"),
        (relu(shape=(1, 1 << 15, 1 << 15, 4)), ModelError, r"4294967296 elements; at most 67108864"),
        (relu(shape=(1, 1 << 30, 1 << 30, 1 << 30)), ModelError, "elements"),
        (relu(shape=(1, 0, 4, 2)), ModelError, "no elements"),
        (relu(shape=(1, -3, 4, 2)), ModelError, "shape"),
        (relu(shape=(1,) * 9), ModelError, "9 dimensions"),
        (relu(shape=(2, 4, 4, 2)), UnsupportedError, "leading batch dimension of 1"),
        (relu(shape=()), UnsupportedError, "leading batch dimension"),
        (dense(w=b"\x01" * 11), ModelError, r"tensor #1 'w' INT8\[3, 4\] needs 12 bytes of data, its buffer has 11"),
        (dense(w=b"\x01" * 13), ModelError, "needs 12 bytes of data, its buffer has 13"),
        (dense(shape=(3, 4, 1)), ModelError, "weights 'w' have 3 dimensions, not 2"),
        (dense(shape=(4, 3)), ModelError, "rows of 3"),
        (dense(bias=np.ones(2, np.int32)), ModelError, "bias 'b' has 2 entries for 3 channels"),
        (dense(bias=np.full(3, (1 << 31) - 1, np.int32)), EslError, "int32 cannot hold"),
        (dense(out=(1, 5)), ModelError, r"output 'y' is declared \[1, 5\] but computes to \[1, 3\]"),
        (dense(scale=[0.1, 0.2]), ModelError, "2 scales for 3 units"),
        (dense(scale=[0.1, 0.2, 0.3], zero_point=[0, 1, 2]), UnsupportedError, "differ per channel"),
        (dense(type="float32", w=np.ones((3, 4), np.float32)), UnsupportedError, "is FLOAT32"),
        (dense(w=None), UnsupportedError, "weights 'w' are not constant"),
        (dense(scale=1e30), EslError, "operator #0 FULLY_CONNECTED"),
    ],
)  # fmt: skip
def test_inconsistent_models(model: bytes, error: type[EslError] | None, complaint: str) -> None:
    if error is None:
        load_bytes(model)
        return
    with pytest.raises(error, match=complaint) as caught:
        load_bytes(model, "net.tflite")
    assert "net.tflite" in str(caught.value)


def test_a_cycle_is_refused() -> None:
    """Two operators that read each other's results."""
    w = TFLiteWriter(checked=False)
    for name in ("x", "a", "b"):
        w.add_tensor(name, (1, 4), "int8", scale=0.5)
    w.add_op("ADD", [0, 2], [1])
    w.add_op("ADD", [0, 1], [2])
    with pytest.raises(ModelError, match="net.tflite.*reads tensor 'b' before anything produced it"):
        load_bytes(w.finish([0], [2]), "net.tflite")


def test_a_tensor_written_twice_is_refused() -> None:
    w = TFLiteWriter(checked=False)
    w.add_tensor("x", (1, 4), "int8", scale=0.5)
    w.add_tensor("y", (1, 4), "int8", scale=0.5)
    w.add_op("RELU", [0], [1])
    w.add_op("RELU", [0], [1])
    with pytest.raises(ModelError, match="produced twice"):
        load_bytes(w.finish([0], [1]))


def test_an_output_nothing_writes_is_refused() -> None:
    w = TFLiteWriter(checked=False)
    for name in ("x", "y", "z"):
        w.add_tensor(name, (1, 4), "int8", scale=0.5)
    w.add_op("RELU", [0], [1])
    with pytest.raises(ModelError, match="'z' is never produced"):
        load_bytes(w.finish([0], [2]))


@pytest.mark.parametrize(
    "inputs, outputs", [([7], [1]), ([-1], [1]), ([0], [99]), ([0], [-2])], ids=["in", "in-", "out", "out-"]
)
def test_operands_out_of_range(inputs: list[int], outputs: list[int]) -> None:
    w = TFLiteWriter(checked=False)
    w.add_tensor("x", (1, 4), "int8", scale=0.5)
    w.add_tensor("y", (1, 4), "int8", scale=0.5)
    w.add_op("RELU", inputs, outputs)
    with pytest.raises(ModelError):
        load_bytes(w.finish([0], [1]))


@pytest.mark.parametrize("inputs, outputs", [([5], [1]), ([0], [5]), ([], [1]), ([0], [])])
def test_interfaces_out_of_range(inputs: list[int], outputs: list[int]) -> None:
    w = TFLiteWriter(checked=False)
    w.add_tensor("x", (1, 4), "int8", scale=0.5)
    w.add_tensor("y", (1, 4), "int8", scale=0.5)
    w.add_op("RELU", [0], [1])
    with pytest.raises(ModelError):
        load_bytes(w.finish(inputs, outputs))


@pytest.mark.parametrize("data", [b"", b"TFL3", b"\0" * 8, b"\x1c\0\0\0TFL3", b"\xff\xff\xff\xffTFL3" + b"\xff" * 64])
def test_garbage(data: bytes) -> None:
    with pytest.raises(ModelError, match="net.tflite"):
        load_bytes(data, "net.tflite")


def test_every_truncation_of_the_header_region_and_many_others() -> None:
    data = EMBEDDED.read_bytes()
    for size in [*range(0, 64), *range(64, len(data), 997)]:
        with pytest.raises(EslError):
            load_bytes(data[:size])


def test_overlapping_structures_do_not_blow_up() -> None:
    """4000 operators that are all the same table with 1000 inputs: 160 KiB of file that would be read as 4 million."""
    count, operands = 4000, 1000
    w = TFLiteWriter(checked=False)
    w.add_tensor("x", (1, 4), "int8", scale=0.5)
    w.add_tensor("y", (1, 4), "int8", scale=0.5)
    for k in range(count):
        w.add_op("RELU", [0] * (operands if k == count - 1 else 1), [1])
    data = bytearray(w.finish([0], [1]))
    graph = tflite.Model.GetRootAs(bytes(data)).Subgraphs(0)
    vector = graph._tab.Vector(graph._tab.Offset(10))
    tables = [graph._tab.Indirect(vector + 4 * k) for k in range(count)]
    for k in range(count):
        data[vector + 4 * k : vector + 4 * k + 4] = struct.pack("<I", tables[-1] - (vector + 4 * k))
    assert tflite.Model.GetRootAs(bytes(data)).Subgraphs(0).Operators(0).InputsLength() == operands
    with pytest.raises(ModelError, match="structures overlap"):
        load_bytes(bytes(data))


def test_a_file_too_large_is_refused_unread(tmp_path: Path) -> None:
    big = tmp_path / "big.tflite"
    with big.open("wb") as file:
        file.write(EMBEDDED.read_bytes()[:64])
        os.ftruncate(file.fileno(), reader.MAX_FILE_BYTES + 1)  # sparse
    with pytest.raises(ModelError, match="at most 1073741824 are supported"):
        load(big)


@pytest.mark.parametrize(
    "make, error, complaint",
    [
        (lambda p: None, ModelError, "cannot be read"),
        (lambda p: p.mkdir(), ModelError, "cannot be read"),
        (lambda p: p.write_bytes(b""), ModelError, "no 'TFL3' identifier"),
        (lambda p: p.write_text("hello, this is no model"), ModelError, "no 'TFL3' identifier"),
    ],
    ids=["absent", "folder", "empty", "text"],
)
def test_paths_that_are_no_model(
    make: Callable[[Path], Any], error: type[EslError], complaint: str, tmp_path: Path
) -> None:
    path = tmp_path / "net.tflite"
    make(path)
    with pytest.raises(error, match=complaint):
        load(path)


def test_other_kinds_of_files(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello, this is no model")
    with pytest.raises(UnsupportedError, match="no model file of a known kind"):
        load(path)


def test_content_decides_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(relu())
    assert len(load(path).ops) == 1
