# SPDX-License-Identifier: Apache-2.0
"""A network of many operators as ONNX Runtime's own quantiser writes it, in all its forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from esl_ref import inference
from esl_ref.executor import run
from esl_ref.frontends.onnx import load_bytes
from esl_ref.ir import Graph
from esl_ref.stimulus import as_in_file
from tests.helpers.onnx_cases import Array, model, node, run_onnx, to_graph_order

SHAPE = (1, 3, 16, 12)


def network(batch_norm: bool) -> Any:
    """Depthwise and plain convolutions, a residual sum, a branch upsampled and joined, SiLU, pools, a classifier."""
    rng = np.random.default_rng(3)
    constants: dict[str, Any] = {"lo": np.float32(0), "hi": np.float32(6), "sc": np.array([1, 1, 2, 2], np.float32)}

    def weights(name: str, *shape: int) -> list[str]:
        constants[name] = rng.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape).astype(np.float32)
        constants[f"{name}_bias"] = rng.normal(0, 0.3, shape[0]).astype(np.float32)
        return [name, f"{name}_bias"]

    for name, about in (("g", 1), ("b", 0), ("m", 0), ("v", 1)):
        constants[name] = (np.abs(rng.normal(0, 0.1, 8)) + about).astype(np.float32)
    nearest = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    nodes = [
        node("Conv", ["x", *weights("w1", 8, 3, 3, 3)], ["c1"], pads=[1, 1, 1, 1], strides=[2, 2]),
        node("BatchNormalization", ["c1", *"gbmv"], ["n1"]) if batch_norm else node("Identity", ["c1"], ["n1"]),
        node("Clip", ["n1", "lo", "hi"], ["r1"]),
        node("Conv", ["r1", *weights("w2", 8, 1, 3, 3)], ["c2"], pads=[1, 1, 1, 1], group=8),
        node("Relu", ["c2"], ["r2"]),
        node("Conv", ["r2", *weights("w3", 8, 8, 1, 1)], ["c3"]), node("Add", ["r1", "c3"], ["a3"]),
        node("MaxPool", ["a3"], ["p4"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", ["p4", *weights("w4", 8, 8, 3, 3)], ["c4"], auto_pad="SAME_UPPER"),
        node("LeakyRelu", ["c4"], ["l4"], alpha=0.1), node("Resize", ["l4", "", "sc"], ["u4"], **nearest),
        node("Concat", ["a3", "u4"], ["j5"], axis=1), node("Conv", ["j5", *weights("w5", 12, 16, 1, 1)], ["c5"]),
        node("Sigmoid", ["c5"], ["s5"]), node("Mul", ["c5", "s5"], ["m5"]),
        node("AveragePool", ["m5"], ["p6"], kernel_shape=[2, 2], strides=[2, 2]),
        node("GlobalAveragePool", ["p6"], ["p7"]),
        node("Flatten", ["p7"], ["f7"]), node("Gemm", ["f7", *weights("w7", 10, 12)], ["d7"], transB=1),
        node("Softmax", ["d7"], ["y"]),
    ]  # fmt: skip
    proto = onnx.load_from_string(model(nodes, {"x": (SHAPE, np.float32)}, ["y"], constants))
    proto.graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 10]))
    return proto


def picture(seed: int) -> Array:
    return np.random.default_rng(seed).normal(0, 1, SHAPE).astype(np.float32)


def quantised(form: str, activations: str, weights: str, per_channel: bool, folder: Any, batch_norm: bool) -> bytes:
    tool: Any = pytest.importorskip("onnxruntime.quantization", reason="onnxruntime is not installed")

    class Reader(tool.CalibrationDataReader):  # type: ignore[misc, name-defined]
        seeds = iter(range(6))

        def get_next(self) -> dict[str, Array] | None:
            seed = next(self.seeds, None)
            return None if seed is None else {"x": picture(seed)}

    path = folder / "net.onnx"
    tool.quantize_static(
        network(batch_norm), str(path), Reader(), quant_format=getattr(tool.QuantFormat, form), per_channel=per_channel,
        activation_type=getattr(tool.QuantType, activations), weight_type=getattr(tool.QuantType, weights),
    )  # fmt: skip
    return bytes(path.read_bytes())


def apart(graph: Graph, data: bytes) -> tuple[int, int, int]:
    """Elements equal, one apart and more over all tensors, from end to end, and the machine equal to golden."""
    counts = np.zeros(3, np.int64)
    for seed in range(100, 104):
        theirs = run_onnx(data, {"x": picture(seed)}, every=True)
        inputs = {"x": to_graph_order(picture(seed))}
        ours = run(graph, inputs, keep="all")
        for name, value in as_in_file(graph, ours).items():
            if name in theirs and value.dtype.itemsize == 1:
                assert value.dtype == theirs[name].dtype
                steps = np.abs(value.astype(np.int64) - theirs[name].astype(np.int64)).reshape(-1)
                counts += np.bincount(np.minimum(steps, 2), minlength=3)
    machine = inference.run(graph, inputs, arch="base", keep="all")
    assert all(np.array_equal(machine[name], ours[name]) for name in machine if name in ours)
    return int(counts[0]), int(counts[1]), int(counts[2])


FORMS = [("QInt8", "QInt8"), ("QUInt8", "QInt8"), ("QUInt8", "QUInt8")]


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize(("activations", "weights"), FORMS)
def test_qoperator(activations: str, weights: str, per_channel: bool, tmp_path: Any) -> None:
    data = quantised("QOperator", activations, weights, per_channel, tmp_path, False)
    graph = load_bytes(data)
    assert isinstance(graph, Graph)
    equal, one, worse = apart(graph, data)
    assert equal > 20_000 and one <= 1e-3 * equal and worse == 0


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize(("activations", "weights"), FORMS)
def test_qdq(activations: str, weights: str, per_channel: bool, tmp_path: Any) -> None:
    data = quantised("QDQ", activations, weights, per_channel, tmp_path, False)
    graph = load_bytes(data)
    assert isinstance(graph, Graph)
    equal, one, worse = apart(graph, data)
    assert equal > 20_000 and one <= 5e-3 * equal and worse <= 5e-4 * equal
    on_host = {op.kind for op in graph.ops if op.host}
    assert on_host == {"Quantize", "Softmax", "Dequantize"}


@pytest.mark.parametrize("form", ["QDQ", "QOperator"])
def test_batch_norm_that_was_left_in_float(form: str, tmp_path: Any) -> None:
    """A depthwise convolution of one tap: its one float product per element is rounded elsewhere than ours."""
    data = quantised(form, "QInt8", "QInt8", True, tmp_path, True)
    graph = load_bytes(data)
    assert isinstance(graph, Graph)
    equal, one, worse = apart(graph, data)
    assert one <= 0.02 * equal and worse <= 0.01 * equal
