# SPDX-License-Identifier: Apache-2.0
"""A prepared float graph as a `.tflite` file: int8 where every tensor has a quantisation, else float32.

Every operator of the graph becomes one of the file, with at most a PAD before it, where the schema's SAME and VALID do
not say the padding, and a QUANTIZE on inputs of a concatenation that have another scale. What TensorFlow Lite has no
operator for becomes a custom one that only this product reads.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from esl_ref.errors import UnsupportedError
from esl_ref.floating.executor import values_of
from esl_ref.floating.graph import Conv, Dense, FloatGraph, FloatOp, Parameter
from esl_ref.frontends.tflite_writer import TFLiteWriter
from esl_ref.quantiser.prepare import fresh
from esl_ref.quantiser.ranges import TensorScale
from esl_ref.quantiser.weights import LayerWeights, quantise_layer

__all__ = ["Export"]

FloatArray = npt.NDArray[np.floating[Any]]


class Export:
    """Tensors of the file by name, while operators are added.

    `scales` None writes float32. `layers` has the integer weights of layers by name where they are settled already.
    """

    def __init__(
        self,
        graph: FloatGraph,
        scales: Mapping[str, TensorScale] | None,
        layers: Mapping[str, LayerWeights] | None = None,
        description: str = "",
    ) -> None:
        self.graph, self.scales = graph, scales
        self.writer = TFLiteWriter(graph.name, description=description)
        self._layers = layers or {}
        self._tensors: dict[str, int] = {}
        self._shapes: dict[str, tuple[int, ...]] = dict(graph.shapes)

    @property
    def is_float(self) -> bool:
        """Whether the file gets the network as it is, unquantised."""
        return self.scales is None

    def scale(self, name: str) -> TensorScale:
        """Quantisation of a tensor of the graph."""
        assert self.scales is not None
        return self.scales[name]

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor of the graph."""
        return self._shapes[name]

    def activation(self, name: str, shape: tuple[int, ...], like: str) -> int:
        """Add the tensor `name`, quantised as the graph's tensor `like`."""
        if self.is_float:
            return self.writer.add_tensor(name, shape, "FLOAT32")
        scale = self.scale(like)
        return self.writer.add_tensor(name, shape, "INT8", scale=scale.scale, zero_point=scale.zero_point)

    def result(self, name: str) -> int:
        """Add the tensor that an operator of the graph makes."""
        self._tensors[name] = self.activation(name, self.graph.shapes[name], name)
        return self._tensors[name]

    def inner(self, name: str, shape: tuple[int, ...], like: str) -> int:
        """Add a tensor that the graph does not have."""
        name = fresh(name, self._shapes)
        self._shapes[name] = shape
        return self.activation(name, shape, like)

    def operand(self, name: str) -> int:
        """A tensor that is there already, or a constant of the graph, which is added where it is first used."""
        if name not in self._tensors:
            parameter = self.graph.constants[name]
            self._tensors[name] = self.constant(name, values_of(parameter, f"constant '{name}'"), name)
        return self._tensors[name]

    def constant(self, name: str, values: FloatArray, like: str) -> int:
        """Add a constant, quantised as the graph's tensor `like`."""
        if self.is_float:
            return self.writer.add_tensor(name, values.shape, "FLOAT32", data=values)
        scale = self.scale(like)
        return self.writer.add_tensor(name, values.shape, "INT8", data=scale.quantise(values), scale=scale.scale,
                                      zero_point=scale.zero_point)  # fmt: skip

    def integers(self, name: str, values: Any) -> int:
        """Add an int32 constant: a shape, axes, paddings."""
        array = np.asarray(values, np.int32)
        return self.writer.add_tensor(name, array.shape, "INT32", data=array)

    def layer(self, op: Conv | Dense) -> LayerWeights:
        """Integer weights and biases of a layer."""
        if op.name in self._layers:
            return self._layers[op.name]
        weight, bias = self.values(op.weight, op, "weight"), self.values(op.bias, op, "bias")
        return quantise_layer(weight, bias, self.scale(op.inputs[0]).scale, per_channel=isinstance(op, Conv))

    def values(self, parameter: Parameter, op: FloatOp, what: str) -> FloatArray:
        """Weights of an operator, read and checked."""
        return values_of(parameter, f"layer '{op.name}', {what}")

    def finish(self, metadata: Mapping[str, Any]) -> bytes:
        """The file, with `metadata` as JSON beside the graph."""
        for name, value in metadata.items():
            self.writer.add_metadata(name, json.dumps(value, sort_keys=True, separators=(",", ":")).encode())
        ends = [[self._tensors[name] for name in names] for names in (self.graph.inputs, self.graph.outputs)]
        return self.writer.finish(*ends)

    def unsupported(self, op: FloatOp, what: str, hint: str = "") -> UnsupportedError:
        """The error of a layer that the format cannot express."""
        return UnsupportedError(what, where=f"layer '{op.name}' ({op.kind})", hint=hint)
