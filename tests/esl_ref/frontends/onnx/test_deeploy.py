# SPDX-License-Identifier: Apache-2.0
"""Deeploy's networks and kernels: outputs and intermediate tensors as shipped, every number equal."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from esl_ref import inference, ir
from esl_ref.errors import UnsupportedError
from esl_ref.executor import run
from esl_ref.frontends import load
from esl_ref.frontends.onnx import load_file
from esl_ref.ir import Act
from esl_ref.numerics import INT32_MAX, INT32_MIN, Profile, Requant
from esl_ref.ops import lookup
from esl_ref.stimulus import as_in_file, read_inputs
from tests.helpers.onnx_cases import Array, model, node

KERNELS = ["Add/Regular", "Conv/DW_2D_RQ", "Conv/PW_2D_RQ/Regular_RQ", "Conv/Regular_2D_RQ",
           "Conv/StriddedPadded_2D_RQ", "GEMM/Regular_RQPerRow", "MaxPool/Regular_2D"]  # fmt: skip
NETWORKS = ["Models/miniMobileNet", "Models/miniMobileNetv2", "Models/MLPerf/ImageClassification"]
CASES = [f"Kernels/Integer/{kernel}" for kernel in KERNELS] + NETWORKS


@pytest.fixture
def deeploy(data_dir: Path) -> Path:
    folder = data_dir / "onnx" / "deeploy"
    if not folder.is_dir():
        pytest.skip(f"no Deeploy networks at {folder}")
    return folder


def inputs_of(graph: ir.Graph, folder: Path) -> dict[str, Array]:
    """The shipped inputs; files of kernels hold the weights, too, as a further array."""
    path = folder / "inputs.npz"
    with np.load(path) as arrays:
        if len(arrays.files) == len(graph.inputs):
            return read_inputs(graph, path)[0]
        return {name: read_one(graph, name, arrays[key]) for name, key in zip(graph.inputs, arrays.files, strict=False)}


def read_one(graph: ir.Graph, name: str, values: Array) -> Array:
    from esl_ref.stimulus import fit

    return fit(values, graph.tensors[name], name)[0]


def expected(folder: Path) -> Array:
    with np.load(folder / "outputs.npz") as arrays:
        return np.asarray(arrays[arrays.files[0]], np.int64)


@pytest.mark.parametrize("case", CASES)
def test_outputs_are_exact(case: str, deeploy: Path) -> None:
    graph = load(deeploy / case / "network.onnx")
    (name,) = graph.outputs
    made = as_in_file(graph, run(graph, inputs_of(graph, deeploy / case)))[name]
    assert made.shape == expected(deeploy / case).shape
    assert np.array_equal(made, expected(deeploy / case))


@pytest.mark.parametrize("case", [c for c in CASES if "Add/" not in c])
def test_the_machine_agrees(case: str, deeploy: Path) -> None:
    """The sum without RequantShift gives int32, which stays on the host; all others run on the accelerator."""
    graph = load(deeploy / case / "network.onnx")
    inputs = inputs_of(graph, deeploy / case)
    golden, machine = run(graph, inputs), inference.run(graph, inputs, arch="base", keep="outputs")
    assert all(np.array_equal(machine[name], golden[name]) for name in graph.outputs)


def accumulators(op: Any, values: dict[str, Array], shape: tuple[int, ...]) -> Array:
    """Sums before the RequantShift: the same operator with a scale of one and no clamp."""
    one = Requant(np.ones(1, np.int64), np.zeros(1, np.int64), Profile.MUL_ADD_SHIFT, np.zeros(1, np.int64))
    bare = dataclasses.replace(op, requant=one, act=Act(0, INT32_MIN, INT32_MAX))
    out = ir.Tensor("sums", shape, np.dtype(np.int64))
    return lookup(bare).fast(bare, [values[name] for name in op.inputs], out)


@pytest.mark.parametrize("case", NETWORKS[:2])
def test_every_intermediate_is_exact(case: str, deeploy: Path) -> None:
    """`activations.npz` has each convolution's sums and each requantised tensor, in order."""
    graph = load(deeploy / case / "network.onnx")
    values = run(graph, inputs_of(graph, deeploy / case), keep="all")
    file_values = as_in_file(graph, values)
    with np.load(deeploy / case / "activations.npz") as arrays:
        shipped = {name: np.asarray(arrays[name], np.int64) for name in arrays.files}
    ours: list[Array] = []
    for op in graph.ops:
        if isinstance(op, ir.Conv2D | ir.DepthwiseConv2D):
            sums = accumulators(op, values, graph.tensors[op.outputs[0]].shape)
            ours.append(sums.transpose(0, 3, 1, 2))
        if isinstance(op, ir.Conv2D | ir.DepthwiseConv2D | ir.FullyConnected | ir.Table | ir.Add):
            ours.append(file_values[op.outputs[0]].astype(np.int64))
    keys = {(a.shape, a.tobytes()) for a in (np.ascontiguousarray(v, np.int64) for v in ours)}
    missing = [name for name, value in shipped.items() if (value.shape, value.tobytes()) not in keys]
    # Dense layers ship their sums with the bias, which is inside the addend here; everything else must be there.
    assert all("pact_lin" in name for name in missing), missing
    assert len(shipped) - len(missing) >= 8


def requant_shift(mul: Any, add: Any, **attributes: float) -> bytes:
    given = {"div": 256.0, "n_levels_out": 256.0, "signed": 1.0} | attributes
    nodes = [
        node("Conv", ["x", "w"], ["sums"]),
        node("RequantShift", ["sums", "m", "a"], ["y"], **given),
    ]
    weights = np.arange(-4, 4, dtype=np.float32).reshape(2, 4, 1, 1)
    constants = {"w": weights, "m": np.float32(mul), "a": np.float32(add)}
    return model(nodes, {"x": ((1, 4, 3, 3), np.float32)}, ["y"], constants)


@pytest.mark.parametrize(("signed", "levels"), [(1.0, 256.0), (0.0, 256.0), (1.0, 16.0), (0.0, 8.0)])
def test_the_rule_on_random_inputs(signed: float, levels: float, tmp_path: Path) -> None:
    """clip(floor((x * mul + add) / div + 0.5)), in floats that hold every integer here exactly."""
    path = tmp_path / "net.onnx"
    mul, add = np.array([[[37]], [[-91]]]), np.array([[[1000]], [[-77]]])
    path.write_bytes(requant_shift(mul, add, signed=signed, n_levels_out=levels))
    graph = load_file(path, {"x": np.uint8})
    assert isinstance(graph, ir.Graph)
    x = np.random.default_rng(1).integers(0, 256, (1, 4, 3, 3))
    made = as_in_file(graph, run(graph, {"x": read_one(graph, "x", x)}))["y"]
    weights = np.arange(-4, 4).reshape(2, 4)
    sums = np.einsum("oc,nchw->nohw", weights, x)
    low = -levels / 2 if signed else 0
    exact = np.clip(np.floor((sums * mul + add) / 256 + 0.5), low, low + levels - 1)
    assert np.array_equal(made, exact)


def test_inputs_beside_the_model_say_the_types(tmp_path: Path) -> None:
    """Only small integers, and only for models on integers, count; a float model beside them stays one."""
    path = tmp_path / "network.onnx"
    path.write_bytes(requant_shift(1.0, 0.0))
    for values, offset in ((np.full((1, 4, 3, 3), 200), 128), (np.full((1, 4, 3, 3), -3.0), 0)):
        np.savez(tmp_path / "inputs.npz", x=values)
        graph = load_file(path)
        assert isinstance(graph, ir.Graph) and graph.tensors["x"].file_offset == offset
        assert "inputs.npz beside the model" in graph.notes[0]
    for values in (np.full((1, 4, 3, 3), 0.5), np.full((1, 4, 3, 3), 300), np.array([-1, 200])):
        np.savez(tmp_path / "inputs.npz", x=values)
        graph = load_file(path)
        assert isinstance(graph, ir.Graph) and graph.tensors["x"].file_offset == 0
        assert "int8 is taken" in graph.notes[0]
    (tmp_path / "inputs.npz").write_bytes(b"PK damaged")
    load_file(path)
    np.savez(tmp_path / "inputs.npz", x=np.full((1, 4, 3, 3), 200))
    weights = np.full((2, 4, 1, 1), 0.25, np.float32)
    path.write_bytes(model([node("Conv", ["x", "w"], ["y"])], {"x": ((1, 4, 3, 3), np.float32)}, ["y"], {"w": weights}))
    assert not isinstance(load_file(path), ir.Graph)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"div": 100.0}, "div 100.0; powers of two"),
        ({"n_levels_out": 1024.0}, "1024.0 levels"),
        ({"signed": 2.0}, "signed 2.0"),
    ],
)
def test_what_the_profile_cannot_do_is_refused(change: dict[str, float], complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(requant_shift(1.0, 0.0, **change))
    with pytest.raises(UnsupportedError, match=complaint) as caught:
        load_file(path)
    assert "RequantShift" in str(caught.value)


def test_factors_that_are_no_integers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(requant_shift(1.5, 0.0))
    with pytest.raises(UnsupportedError, match="factors that are not int32 numbers"):
        load_file(path)
