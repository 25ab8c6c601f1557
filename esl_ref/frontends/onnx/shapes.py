# SPDX-License-Identifier: Apache-2.0
"""Shapes of all tensors as the onnx package infers them, and what may be open in a model's inputs.

Importers compute every shape from the operators themselves; these are the second opinion that they are compared with.
"""

from __future__ import annotations

from typing import Any

import onnx

from esl_ref.errors import ModelError, UnsupportedError

__all__ = ["infer", "input_shape"]

_SMALL = 64
"""Constants up to this many elements may be shapes, axes or scales, and stay in the skeleton."""


def input_shape(value: Any, where: str) -> tuple[int, ...] | None:
    """Dimensions of a graph input or output; an open first dimension is a batch and becomes 1. None: not said."""
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    dims = []
    for axis, dim in enumerate(tensor.shape.dim):
        if dim.HasField("dim_value"):
            dims.append(int(dim.dim_value))
        elif axis == 0:
            dims.append(1)
        else:
            raise UnsupportedError(f"'{value.name}' has dynamic dimension {axis} ('{dim.dim_param}')", where=where,
                                   hint="only the first, the batch, may be open; it is set to 1")  # fmt: skip
    return tuple(dims)


def _skeleton(proto: Any, inputs: dict[str, tuple[int, ...] | None]) -> Any:
    """The model without weights: large constants become inputs of known shape."""
    graph, model = onnx.GraphProto(name="skeleton"), onnx.ModelProto(ir_version=proto.ir_version)
    model.opset_import.extend(proto.opset_import)
    graph.node.extend(proto.graph.node)
    taken = set()
    for tensor in proto.graph.initializer:
        taken.add(tensor.name)
        count = 1
        for dim in tensor.dims:
            count *= dim
        if count <= _SMALL and not tensor.external_data:
            graph.initializer.append(tensor)
        else:
            graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims)))
    for value in proto.graph.input:
        if value.name not in taken:
            kind, shape = value.type.tensor_type.elem_type, inputs.get(value.name)
            graph.input.append(onnx.helper.make_tensor_value_info(value.name, kind, shape))
    for value in proto.graph.output:
        kind = value.type.tensor_type.elem_type
        graph.output.append(onnx.helper.make_tensor_value_info(value.name, kind, None))
    model.graph.CopyFrom(graph)
    return model


def infer(proto: Any, inputs: dict[str, tuple[int, ...] | None], where: str) -> dict[str, tuple[int, ...]]:
    """Tensor name -> shape wherever the package finds one with every dimension known."""
    try:
        done = onnx.shape_inference.infer_shapes(_skeleton(proto, inputs), data_prop=True)
    except (onnx.shape_inference.InferenceError, RuntimeError, ValueError, TypeError) as error:
        raise ModelError(f"its shapes are inconsistent ({str(error)[:200]})", where=where) from error
    found = {}
    for value in (*done.graph.value_info, *done.graph.output):
        tensor = value.type.tensor_type
        if tensor.HasField("shape") and all(d.HasField("dim_value") for d in tensor.shape.dim):
            found[value.name] = tuple(int(d.dim_value) for d in tensor.shape.dim)
    return found
