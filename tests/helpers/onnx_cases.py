# SPDX-License-Identifier: Apache-2.0
"""Small ONNX models, and ONNX Runtime's answer to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

__all__ = ["Array", "model", "node", "quantised_around", "run_onnx", "to_graph_order"]

Array = npt.NDArray[Any]
_KINDS = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.uint8): TensorProto.UINT8,
          np.dtype(np.int8): TensorProto.INT8}  # fmt: skip


def node(op: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> Any:
    """A node; `domain` is an attribute here, too."""
    return helper.make_node(op, list(inputs), list(outputs), **attributes)


def model(
    nodes: Sequence[Any], inputs: Mapping[str, tuple[Sequence[Any], npt.DTypeLike]], outputs: Sequence[str],
    constants: Mapping[str, Any] | None = None, opset: int = 17,
) -> bytes:  # fmt: skip
    """Bytes of a model; inputs are name -> (shape, type), constants name -> array."""
    graph = helper.make_graph(
        list(nodes), "case",
        [helper.make_tensor_value_info(n, _KINDS[np.dtype(kind)], list(shape)) for n, (shape, kind) in inputs.items()],
        [onnx.ValueInfoProto(name=name) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()],
    )  # fmt: skip
    domains = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    return bytes(helper.make_model(graph, opset_imports=domains, ir_version=9).SerializeToString())


def run_onnx(data: bytes, inputs: Mapping[str, Array], *, every: bool = False) -> dict[str, Array]:
    """Outputs of ONNX Runtime without its own rewriting; `every`: of every node."""
    runtime: Any = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    proto = onnx.load_from_string(data)
    if every:
        have = {value.name for value in proto.graph.output}
        made = [name for n in proto.graph.node for name in n.output if name and name not in have]
        proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in made)
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_outputs()]
    return dict(zip(names, session.run(None, dict(inputs)), strict=True))


def quantised_around(op: str, shape: Sequence[int], scales: tuple[float, float], **attributes: Any) -> bytes:
    """DequantizeLinear, `op`, QuantizeLinear on int8."""
    constants = {"s": np.float32(scales[0]), "z": np.int8(-3), "t": np.float32(scales[1]), "y": np.int8(5)}
    nodes = [
        node("DequantizeLinear", ["x", "s", "z"], ["real"]), node(op, ["real"], ["made"], **attributes),
        node("QuantizeLinear", ["made", "t", "y"], ["out"]),
    ]  # fmt: skip
    return model(nodes, {"x": (shape, np.int8)}, ["out"], constants)


def to_graph_order(value: Array) -> Array:
    """NCHW to NHWC; other ranks as they are."""
    return np.ascontiguousarray(value.transpose(0, 2, 3, 1)) if value.ndim == 4 else value
