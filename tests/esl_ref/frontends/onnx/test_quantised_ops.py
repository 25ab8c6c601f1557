# SPDX-License-Identifier: Apache-2.0
"""Single quantised operators against ONNX Runtime: equal, or one apart where float32 rounds on the way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from esl_ref.errors import ModelError, UnsupportedError
from esl_ref.executor import run
from esl_ref.frontends.onnx import load_bytes
from esl_ref.ir import Graph
from esl_ref.stimulus import as_in_file, fit
from tests.helpers.onnx_cases import Array, model, node, quantised_around, run_onnx

RNG = np.random.default_rng(5)


@pytest.fixture(autouse=True)
def _the_same_numbers_whatever_ran_before() -> None:
    global RNG
    RNG = np.random.default_rng(5)


def scales(signed: bool = True, **values: float) -> dict[str, Any]:
    """Constants `<name>s` and `<name>z` for each name."""
    kind = np.int8 if signed else np.uint8
    result: dict[str, Any] = {}
    for k, (name, scale) in enumerate(values.items()):
        result |= {f"{name}s": np.float32(scale), f"{name}z": kind((7 * k + 3) % 50 + (0 if signed else 90))}
    return result


def compare(data: bytes, inputs: dict[str, Array], most: float = 0.0) -> Graph:
    """The graph, whose outputs differ by one in at most a share `most` of elements."""
    graph = load_bytes(data)
    assert isinstance(graph, Graph)
    theirs = run_onnx(data, inputs)
    given = {name: fit(value, graph.tensors[name], name)[0] for name, value in inputs.items()}
    for form in ("fast", "naive"):
        ours = as_in_file(graph, run(graph, given, ops=form))  # type: ignore[arg-type]
        for name, expected in theirs.items():
            assert ours[name].shape == expected.shape and ours[name].dtype == expected.dtype
            apart = np.abs(ours[name].astype(np.float64) - expected.astype(np.float64))
            assert apart.max() <= (1 if expected.dtype != np.float32 else 1e-6) and (apart > 0).mean() <= most
    return graph


def byte(shape: Sequence[int], signed: bool = True) -> Array:
    info = np.iinfo(np.int8 if signed else np.uint8)
    return RNG.integers(info.min, info.max, tuple(shape), info.dtype, endpoint=True)


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize(
    ("attributes", "groups", "units"),
    [
        ({}, 1, 6),
        ({"pads": [1, 2, 0, 1], "strides": [2, 1]}, 1, 3),
        ({"dilations": [2, 1], "pads": [0, 1, 2, 0]}, 2, 4),
        ({"auto_pad": "SAME_UPPER", "strides": [2, 1]}, 2, 4),
        ({"auto_pad": "SAME_LOWER", "strides": [2, 2]}, 4, 8),
    ],
)
def test_qlinear_conv(attributes: dict[str, Any], groups: int, units: int, signed: bool) -> None:
    """Scales per channel, a bias, groups and depthwise; zero points of weights for uint8."""
    weights = byte((units, 4 // groups, 3, 2), signed)
    per_channel = RNG.uniform(0.001, 0.01, units).astype(np.float32) if signed else np.float32(0.004)
    zero = np.zeros(units, np.int8) if signed else np.uint8(131)
    constants = scales(signed, x=0.02, y=0.05) | {
        "w": weights, "ws": per_channel, "wz": zero, "b": RNG.integers(-3000, 3000, units, np.int32),
    }  # fmt: skip
    names = ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz", "b"]
    data = model([node("QLinearConv", names, ["y"], group=groups, **attributes)],
                 {"x": ((1, 4, 7, 6), np.int8 if signed else np.uint8)}, ["y"], constants)  # fmt: skip
    compare(data, {"x": byte((1, 4, 7, 6), signed)})


def test_convolution_of_one_dimension() -> None:
    constants = scales(x=0.02, w=0.01, y=0.05) | {"w": byte((5, 3, 4)), "wz": np.int8(0)}
    names = ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz"]
    data = model([node("QLinearConv", names, ["y"], pads=[1, 2], strides=[2])], {"x": ((1, 3, 11), np.int8)}, ["y"],
                 constants)  # fmt: skip
    compare(data, {"x": byte((1, 3, 11))})


@pytest.mark.parametrize("rows", [1, 5])
def test_qlinear_matmul_and_add(rows: int) -> None:
    constants = scales(x=0.02, w=0.01, y=0.2, c=0.03, t=0.07) | {"w": byte((8, 6)), "wz": np.int8(0), "c": byte((6,))}
    nodes = [
        node("QLinearMatMul", ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz"], ["y"]),
        node("QLinearAdd", ["y", "ys", "yz", "c", "cs", "cz", "ts", "tz"], ["t"], domain="com.microsoft"),
    ]
    data = model(nodes, {"x": ((rows, 8), np.int8)}, ["y", "t"], constants)
    compare(data, {"x": byte((rows, 8))}, most=0.02)


@pytest.mark.parametrize("transposed", [0, 1])
def test_qgemm(transposed: int) -> None:
    weights = byte((6, 8) if transposed else (8, 6))
    constants = scales(x=0.02, y=0.2) | {
        "w": weights, "ws": RNG.uniform(0.001, 0.01, 6).astype(np.float32), "wz": np.zeros(6, np.int8),
        "b": RNG.integers(-3000, 3000, 6, np.int32),
    }  # fmt: skip
    gemm = node("QGemm", ["x", "xs", "xz", "w", "ws", "wz", "b", "ys", "yz"], ["y"], domain="com.microsoft",
                transB=transposed, alpha=1.0)  # fmt: skip
    compare(model([gemm], {"x": ((1, 8), np.int8)}, ["y"], constants), {"x": byte((1, 8))}, most=0.02)


@pytest.mark.parametrize("op", ["QLinearAdd", "QLinearMul"])
def test_two_computed_operands(op: str) -> None:
    constants = scales(x=0.021, c=0.034, y=0.05)
    joined = node(op, ["x", "xs", "xz", "c", "cs", "cz", "ys", "yz"], ["y"], domain="com.microsoft")
    data = model([joined], {"x": ((1, 4, 5, 6), np.int8), "c": ((1, 4, 5, 6), np.int8)}, ["y"], constants)
    compare(data, {"x": byte((1, 4, 5, 6)), "c": byte((1, 4, 5, 6))}, most=0.01)


def test_qlinear_concat_brings_parts_to_one_scale() -> None:
    constants = scales(y=0.05, x=0.02, c=0.07)
    names = ["ys", "yz", "x", "xs", "xz", "c", "cs", "cz"]
    joined = node("QLinearConcat", names, ["y"], domain="com.microsoft", axis=1)
    data = model([joined], {"x": ((1, 4, 5, 6), np.int8), "c": ((1, 3, 5, 6), np.int8)}, ["y"], constants)
    compare(data, {"x": byte((1, 4, 5, 6)), "c": byte((1, 3, 5, 6))})


@pytest.mark.parametrize(
    ("op", "attributes", "most"),
    [
        ("Relu", {}, 0.0), ("LeakyRelu", {"alpha": 0.2}, 0.0), ("Sigmoid", {}, 0.0), ("Tanh", {}, 0.0),
        ("HardSwish", {}, 0.0), ("HardSigmoid", {"alpha": 0.25}, 0.0),
        ("Elu", {}, 0.0), ("MaxPool", {"kernel_shape": [3, 2], "strides": [2, 1]}, 0.0),
        ("AveragePool", {"kernel_shape": [2, 2], "strides": [2, 2]}, 0.05),
        ("AveragePool", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}, 0.4),  # rounded twice: says a note
        ("AveragePool", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}, 0.02),
        ("GlobalAveragePool", {}, 0.02), ("GlobalMaxPool", {}, 0.0), ("Flatten", {}, 0.0),
        ("Transpose", {"perm": [0, 2, 3, 1]}, 0.0), ("ReduceMean", {"axes": [2, 3], "keepdims": 0}, 0.02),
        ("DepthToSpace", {"blocksize": 2}, 0.0), ("Softmax", {"axis": 1}, 0.1),
    ],
)  # fmt: skip
def test_operators_between_quantisers(op: str, attributes: dict[str, Any], most: float) -> None:
    """Functions of one byte are tables of the standard's own float arithmetic, hence equal."""
    scale_out = 1 / 255 if op in ("Softmax", "Sigmoid") else 0.05
    compare(quantised_around(op, (1, 4, 6, 8), (0.06, scale_out), **attributes), {"x": byte((1, 4, 6, 8))}, most)


@pytest.mark.parametrize("behind", [True, False])
def test_clips_of_any_bounds(behind: bool) -> None:
    """Behind a convolution its clamp, else a table."""
    constants = scales(x=0.02, y=0.01) | {"w": byte((6, 4, 3, 3)), "ws": np.float32(0.01), "wz": np.int8(0),
                                          "lo": np.float32(-0.31), "hi": np.float32(0.9)}  # fmt: skip
    nodes = [node("DequantizeLinear", ["x", "xs", "xz"], ["c" if not behind else "xr"])]
    if behind:
        nodes += [node("DequantizeLinear", ["w", "ws", "wz"], ["wr"]), node("Conv", ["xr", "wr"], ["c"])]
    nodes += [node("Clip", ["c", "lo", "hi"], ["r"]), node("QuantizeLinear", ["r", "ys", "yz"], ["y"])]
    graph = compare(model(nodes, {"x": ((1, 4, 7, 6), np.int8)}, ["y"], constants), {"x": byte((1, 4, 7, 6))})
    assert [op.kind for op in graph.ops] == ["Conv2D" if behind else "Table"]


def test_ties_go_to_even() -> None:
    """Scales that are powers of two: half of all means of two bytes are ties, and all are the standard's."""
    data = quantised_around("AveragePool", (1, 2, 8, 64), (0.25, 0.25), kernel_shape=[1, 2], strides=[1, 2])
    compare(data, {"x": byte((1, 2, 8, 64))})


def test_float_weights_that_the_file_quantises() -> None:
    """Weights behind a QuantizeLinear and a DequantizeLinear, per channel, and a clamp after the convolution."""
    constants = scales(x=0.02, y=0.03) | {
        "w": RNG.normal(0, 0.3, (6, 4, 3, 3)).astype(np.float32), "b": RNG.normal(0, 1, 6).astype(np.float32),
        "ws": RNG.uniform(0.003, 0.006, 6).astype(np.float32), "wz": np.zeros(6, np.int8), "yz": np.int8(-128),
    }  # fmt: skip
    nodes = [
        node("DequantizeLinear", ["x", "xs", "xz"], ["xr"]),
        node("QuantizeLinear", ["w", "ws", "wz"], ["wq"], axis=0),
        node("DequantizeLinear", ["wq", "ws", "wz"], ["wr"], axis=0),
        node("Conv", ["xr", "wr", "b"], ["c"]), node("Relu", ["c"], ["r"]),
        node("QuantizeLinear", ["r", "ys", "yz"], ["y"]),
    ]  # fmt: skip
    data = model(nodes, {"x": ((1, 4, 7, 6), np.int8)}, ["y"], constants)
    graph = compare(data, {"x": byte((1, 4, 7, 6))}, most=0.02)
    assert [op.kind for op in graph.ops] == ["Conv2D"]


def test_fewer_bits_between_quantiser_and_dequantiser() -> None:
    """Quantise, clip, dequantise: 4-bit weights and activations."""
    constants = scales(x=0.02, y=0.3) | {
        "w": RNG.normal(0, 0.3, (6, 4, 3, 3)).astype(np.float32), "ws": np.float32(0.1), "wz": np.int8(0),
        "lo": np.int8(-8), "hi": np.int8(7),
    }  # fmt: skip
    nodes = [
        node("DequantizeLinear", ["x", "xs", "xz"], ["xr"]), node("QuantizeLinear", ["w", "ws", "wz"], ["wq"]),
        node("Clip", ["wq", "lo", "hi"], ["wc"]), node("DequantizeLinear", ["wc", "ws", "wz"], ["wr"]),
        node("Conv", ["xr", "wr"], ["c"]), node("QuantizeLinear", ["c", "ys", "yz"], ["q"]),
        node("Clip", ["q", "lo", "hi"], ["y"]),
    ]  # fmt: skip
    data = model(nodes, {"x": ((1, 4, 7, 6), np.int8)}, ["y"], constants)
    graph = compare(data, {"x": byte((1, 4, 7, 6))}, most=0.02)
    assert [op.kind for op in graph.ops] == ["Conv2D", "Table"]


def test_nothing_is_moved_between_layouts() -> None:
    """Input NHWC by the file's own Transpose, a flatten before the dense layer: no copy is left."""
    constants = scales(x=0.02, y=0.05, d=0.1) | {
        "w": byte((6, 3, 3, 3)), "ws": np.float32(0.01), "wz": np.int8(0), "m": byte((6 * 4 * 5, 7)),
    }  # fmt: skip
    nodes = [
        node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]),
        node("QLinearConv", ["t", "xs", "xz", "w", "ws", "wz", "ys", "yz"], ["y"]), node("Flatten", ["y"], ["f"]),
        node("QLinearMatMul", ["f", "ys", "yz", "m", "ws", "wz", "ds", "dz"], ["d"]),
    ]  # fmt: skip
    graph = compare(model(nodes, {"x": ((1, 6, 7, 3), np.int8)}, ["d"], constants), {"x": byte((1, 6, 7, 3))})
    assert [op.kind for op in graph.ops] == ["Conv2D", "Reshape", "FullyConnected"]


def test_a_quantised_bias_must_be_integers() -> None:
    constants = scales(x=0.02, w=0.01, y=0.05) | {"w": byte((5, 3, 1, 1)), "wz": np.int8(0)}
    constants["b"] = np.ones(5, np.float32)
    names = ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz", "b"]
    data = model([node("QLinearConv", names, ["y"])], {"x": ((1, 3, 4, 4), np.int8)}, ["y"], constants)
    with pytest.raises(ModelError, match="inconsistent|a quantised bias of type float32"):
        load_bytes(data, "net.onnx")


@pytest.mark.parametrize("op", ["Flatten", "MaxPool"])
def test_outputs_keep_their_names(op: str) -> None:
    """A move of real values is done on bytes, whose tensor has the output's name first."""
    attributes = {"kernel_shape": [2, 2]} if op == "MaxPool" else {}
    nodes = [node("DequantizeLinear", ["x", "xs", "xz"], ["r"]), node(op, ["r"], ["y"], **attributes)]
    graph = compare(model(nodes, {"x": ((1, 4, 6, 5), np.int8)}, ["y"], scales(x=0.5)), {"x": byte((1, 4, 6, 5))})
    assert graph.outputs == ("y",) and graph.ops[-1].kind == "Dequantize"


@pytest.mark.parametrize(
    ("nodes", "complaint"),
    [
        ([node("Conv", ["r", "wr"], ["c"]), node("Conv", ["c", "wr"], ["y"])], "'y'.*input is not quantised"),
        ([node("Conv", ["r", "w"], ["y"])], "'y'.*float weights on quantised activations"),
        ([node("Conv", ["r", "wr"], ["c"]), node("LeakyRelu", ["c"], ["l"]),
          node("QuantizeLinear", ["l", "s", "z"], ["y"])], "leaky before the result is quantised"),
        ([node("Sigmoid", ["r"], ["y"])], "'y'.*output is not quantised"),
        ([node("MaxPool", ["x0"], ["y"], kernel_shape=[1, 1])], "'y'.*input is not quantised"),
        ([node("QuantizeLinear", ["r", "s3", "z3"], ["y"])], "3 scales for a tensor that is computed"),
    ],
)  # fmt: skip
def test_what_has_no_integer_form_is_named(nodes: list[Any], complaint: str) -> None:
    constants = {"s": np.float32(0.1), "z": np.int8(0), "w": np.ones((3, 3, 1, 1), np.float32),
                 "q": np.ones((3, 3, 1, 1), np.int8), "s3": np.ones(3, np.float32),
                 "z3": np.zeros(3, np.int8)}  # fmt: skip
    before = [node("QuantizeLinear", ["x0", "s", "z"], ["x"]), node("DequantizeLinear", ["x", "s", "z"], ["r"]),
              node("DequantizeLinear", ["q", "s", "z"], ["wr"])]  # fmt: skip
    data = model(before + nodes, {"x0": ((1, 3, 4, 4), np.float32)}, ["y"], constants)
    with pytest.raises(UnsupportedError, match=complaint):
        load_bytes(data, "net.onnx")
