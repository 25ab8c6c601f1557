# SPDX-License-Identifier: Apache-2.0
"""Float models against ONNX Runtime."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from esl_ref.axes import in_file_order, in_graph_order
from esl_ref.errors import ModelError, UnsupportedError
from esl_ref.floating import FloatGraph
from esl_ref.floating.executor import run
from esl_ref.frontends import load
from esl_ref.frontends.onnx import load_bytes, load_file
from esl_ref.workloads import workload
from esl_ref.workloads.floats import float_shape_graph
from tests.helpers.onnx_cases import Array, model, node, run_onnx


def weights(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).normal(0, 0.3, shape).astype(np.float32)


def compare(nodes: list[Any], shape: tuple[int, ...], constants: dict[str, Any], opset: int = 17) -> FloatGraph:
    """The float graph, equal on a random input 'x' at its output 'y'."""
    data = model(nodes, {"x": (shape, np.float32)}, ["y"], constants, opset)
    graph, x = load_bytes(data, "net.onnx"), weights(9, *shape)
    assert isinstance(graph, FloatGraph)
    made = in_file_order(run(graph, {"x": in_graph_order(x, graph.file_axes["x"])})["y"], graph.file_axes.get("y", ()))
    expected = run_onnx(data, {"x": x})["y"]
    assert made.shape == expected.shape
    np.testing.assert_allclose(made, expected, rtol=1e-5, atol=1e-5)
    return graph


def kinds(graph: FloatGraph) -> list[str]:
    return [op.kind for op in graph.ops]


def test_batch_norm_and_activation_join_the_convolution() -> None:
    constants = {"w": weights(1, 5, 3, 3, 3), "g": weights(2, 5), "b": weights(3, 5), "m": weights(4, 5),
                 "v": np.abs(weights(5, 5)) + 0.1}  # fmt: skip
    nodes = [node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]), node("BatchNormalization", ["c", *"gbmv"], ["n"]),
             node("LeakyRelu", ["n"], ["y"], alpha=0.3)]  # fmt: skip
    assert kinds(compare(nodes, (1, 3, 6, 5), constants)) == ["Conv"]


def test_batch_norm_on_its_own() -> None:
    constants = {"g": weights(2, 3), "b": weights(3, 3), "m": weights(4, 3), "v": np.abs(weights(5, 3)) + 0.1}
    nodes = [node("BatchNormalization", ["x", *"gbmv"], ["y"])]
    assert kinds(compare(nodes, (1, 3, 6, 5), constants)) == ["Conv"]


def test_a_classifier() -> None:
    """Convolution, pooling, flatten, dense with a bias of its own node, softmax: weights permuted, nothing moved."""
    constants = {"w": weights(1, 4, 1, 3, 3), "d": weights(2, 4 * 2 * 3, 10), "b": weights(3, 10)}
    nodes = [
        node("Conv", ["x", "w"], ["c"], auto_pad="SAME_UPPER", group=4), node("Relu", ["c"], ["r"]),
        node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2]), node("Flatten", ["p"], ["f"]),
        node("MatMul", ["f", "d"], ["m"]), node("Add", ["m", "b"], ["a"]), node("Softmax", ["a"], ["y"]),
    ]  # fmt: skip
    assert kinds(compare(nodes, (1, 4, 4, 6), constants)) == ["Conv", "MaxPool", "Reshape", "Dense", "Softmax"]


def test_a_residual_block_with_its_shape_computed() -> None:
    """What exporters write: Shape, Gather, Concat, Reshape, all folded."""
    constants = {"w": weights(1, 4, 4, 1, 1), "zero": np.int64(0), "rest": np.array([-1], np.int64)}
    nodes = [
        node("Conv", ["x", "w"], ["c"]), node("Add", ["c", "x"], ["s"]), node("Relu", ["s"], ["r"]),
        node("Shape", ["r"], ["shape"]), node("Gather", ["shape", "zero"], ["n"], axis=0),
        node("Constant", [], ["axes"], value_ints=[0]), node("Unsqueeze", ["n", "axes"], ["n1"]),
        node("Concat", ["n1", "rest"], ["flat"], axis=0), node("Reshape", ["r", "flat"], ["y"]),
    ]  # fmt: skip
    graph = compare(nodes, (1, 4, 3, 5), constants)
    assert kinds(graph) == ["Conv", "Add", "Transpose", "Reshape"] and "transposed by a copy" in graph.notes[0]


def test_a_detectors_head() -> None:
    """Split, two branches, upsampling, concat, and the head's reshape and transposition."""
    constants = {"w": weights(1, 4, 2, 1, 1), "sizes": np.array([2, 2], np.int64),
                 "scales": np.array([1, 1, 2, 2], np.float32), "head": np.array([1, 2, 3, 6, 4], np.int64)}  # fmt: skip
    nodes = [
        node("Split", ["x", "sizes"], ["a", "b"], axis=1), node("Conv", ["a", "w"], ["c"]),
        node("MaxPool", ["b"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Resize", ["p", "", "scales"], ["u"], coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
        node("Concat", ["c", "u"], ["j"], axis=1), node("Sigmoid", ["j"], ["l"]),
        node("Reshape", ["l", "head"], ["h"]), node("Transpose", ["h"], ["t"], perm=[0, 1, 3, 4, 2]),
        node("Flatten", ["t"], ["y"]),
    ]  # fmt: skip
    compare(nodes, (1, 4, 6, 4), constants)


@pytest.mark.parametrize(
    ("op", "attributes", "inputs", "opset"),
    [
        ("Clip", {}, {"lo": np.float32(0), "hi": np.float32(6)}, 13),
        ("Clip", {"min": -1.0, "max": 1.0}, {}, 7),
        ("Clip", {"min": -0.1, "max": 0.2}, {}, 7),
        ("Clip", {}, {"lo": np.float32(0.05)}, 13),
        ("Pad", {}, {"pads": np.array([0, 0, 1, 2, 0, 0, 0, 1], np.int64), "v": np.float32(0.5)}, 13),
        ("Slice", {}, {"b": np.array([1, -4], np.int64), "e": np.array([9, -1], np.int64),
                       "a": np.array([1, 3], np.int64), "s": np.array([2, 1], np.int64)}, 13),
        ("Sub", {}, {"c": weights(3, 4, 1, 1)}, 13), ("Div", {}, {"c": np.float32(3)}, 13),
        ("ReduceMean", {"keepdims": 1}, {"a": np.array([2, 3], np.int64)}, 18),
        ("ReduceMean", {"axes": [1], "keepdims": 0}, {}, 13),
        ("Squeeze", {}, {"a": np.array([0], np.int64)}, 13), ("Softmax", {"axis": 1}, {}, 13),
        ("SpaceToDepth", {"blocksize": 2}, {}, 13), ("Mish", {}, {}, 18), ("HardSwish", {}, {}, 14),
        ("LpPool", {}, {}, 13), ("GlobalMaxPool", {}, {}, 13),
        ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}, {}, 13),
        ("AveragePool", {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}, {}, 13),
        ("Resize", {"mode": "nearest"}, {"roi": np.zeros(0, np.float32),
                                         "sc": np.array([1, 1, 1.5, 2], np.float32)}, 13),
    ],
)  # fmt: skip
def test_single_operators(op: str, attributes: dict[str, Any], inputs: dict[str, Any], opset: int) -> None:
    if op == "LpPool":
        with pytest.raises(UnsupportedError, match=r"LpPool \(1x\); the first is node 0"):
            load_bytes(model([node(op, ["x"], ["y"], kernel_shape=[2, 2])], {"x": ((1, 4, 6, 8), np.float32)}, ["y"]))
        return
    compare([node(op, ["x", *inputs], ["y"], **attributes)], (1, 4, 6, 8), inputs, opset)


@pytest.mark.parametrize("coordinates", ["half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners"])
def test_nearest_neighbours_at_ties(coordinates: str) -> None:
    """17 / 1.7 is 10 in float32 and less in float64; 39 / 14 has ties that float32 misses by its last bit."""
    by_size, by_scale = np.array([1, 1, 21, 39], np.int64), np.array([1, 1, 2.1, 1.7], np.float32)
    for nearest in ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil"):
        given: dict[str, Any] = {"nearest_mode": nearest, "coordinate_transformation_mode": coordinates}
        compare([node("Resize", ["x", "", "", "s"], ["y"], **given)], (1, 1, 18, 14), {"s": by_size}, 18)
        compare([node("Resize", ["x", "", "s"], ["y"], **given)], (1, 1, 16, 8), {"s": by_scale}, 18)


def test_bounds_the_wrong_way_round() -> None:
    data = model([node("Clip", ["x"], ["y"], min=2.0, max=1.0)], {"x": ((1, 1, 2, 2), np.float32)}, ["y"], {}, 7)
    with pytest.raises(ModelError, match=r"'y' \(Clip\): bounds 2.0 and 1.0"):
        load_bytes(data, "net.onnx")


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize("opset", [13, 22])
def test_sizes_rounded_up(op: str, opset: int) -> None:
    """Every small geometry: no window may begin beyond the map, whatever shape inference says."""
    for size, kernel, stride in itertools.product((3, 4, 7), (1, 2, 3), (1, 2, 3)):
        for pads in itertools.product(range(kernel), repeat=2):
            attributes = {"kernel_shape": [kernel, kernel], "strides": [stride, stride], "ceil_mode": 1,
                          "pads": [pads[0], 0, pads[1], 0]}  # fmt: skip
            compare([node(op, ["x"], ["y"], **attributes)], (1, 1, size, 6), {}, opset)


@pytest.mark.parametrize("name", ["alexnet", "fsrcnn", "mobilenetv2", "resnet18"])
def test_graphs_without_weights_are_planned_by_shape(name: str, data_dir: Path) -> None:
    path = data_dir / "onnx" / "workload_shapes" / f"{name}.onnx"
    if not path.is_file():
        pytest.skip(f"no {path}")
    graph = load_file(path)
    assert isinstance(graph, FloatGraph)
    shapes = float_shape_graph(graph)
    if name == "resnet18":
        assert shapes.macs == workload("resnet18").macs == 1_814_073_344
    if name == "mobilenetv2":
        assert (shapes.macs, shapes.parameters) == (300_774_272, 3_487_816)
    with pytest.raises(UnsupportedError, match="is a float model"):
        load(path)
    if name == "resnet18":
        first = next(op for op in graph.ops if op.kind == "Conv")
        with pytest.raises(ModelError, match=r"external data file 'resnet18.external' is missing"):
            first.weight.load()  # type: ignore[attr-defined]
