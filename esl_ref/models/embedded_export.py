# SPDX-License-Identifier: Apache-2.0
"""The embedded model as a float graph, and what the quantiser makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from esl_ref.floating import graph as f
from esl_ref.floating.activation import LINEAR, Activation, Function
from esl_ref.floating.graph import FloatGraph, FloatOp, Parameter
from esl_ref.ir import Padding
from esl_ref.models.embedded_net import INPUT_SHAPE, NETWORK, Layer, Params, forward, same_padding
from esl_ref.quantiser import Method, Options, Quantised, quantise
from esl_ref.quantiser import export_float as export
from esl_ref.quantiser.data import CalibrationSet

__all__ = ["OPTIONS", "calibration_set", "export_float", "export_int8", "float_graph", "quantised"]

OPTIONS = Options(Method.MINMAX, compensate=False, equalise=False)
"""As plain as converters are: nothing else pays on so small a model."""

_DESCRIPTION = "embedded digit classifier"
_ACTIVATIONS = {"NONE": LINEAR, "RELU": Activation(Function.RELU), "RELU6": Activation(Function.RELU6)}

Shapes = dict[str, tuple[int, ...]]


def _weights(layer: Layer, params: Params) -> tuple[npt.NDArray[Any], Parameter]:
    return params[f"{layer.name}/weight"], Parameter.of(params[f"{layer.name}/bias"])


def _conv(layer: Layer, params: Params, shapes: Shapes) -> FloatOp:
    weight, bias = _weights(layer, params)
    rows, columns = (same_padding(n, layer.kernel, layer.stride) for n in shapes[layer.source][1:3])
    groups = 1
    if layer.kind == "depthwise":
        weight, groups = weight.transpose(3, 1, 2, 0), weight.shape[3]
    return f.Conv(layer.name, (layer.source,), layer.name, Parameter.of(weight), bias, (layer.stride, layer.stride),
                  (1, 1), Padding(*rows, *columns), groups, _ACTIVATIONS[layer.activation])  # fmt: skip


def _operators(params: Params, shapes: Shapes) -> Iterator[FloatOp]:
    for layer in NETWORK:
        window, stride = (layer.kernel, layer.kernel), (layer.stride, layer.stride)
        match layer.kind:
            case "conv" | "depthwise":
                yield _conv(layer, params, shapes)
            case "dense":
                weight, bias = _weights(layer, params)
                yield f.Reshape("flatten", (layer.source,), "flatten")
                yield f.Dense(layer.name, ("flatten",), layer.name, Parameter.of(weight), bias,
                              _ACTIVATIONS[layer.activation])  # fmt: skip
            case "add":
                yield f.Add(layer.name, (layer.source, layer.other), layer.name, _ACTIVATIONS[layer.activation])
            case "maxpool":
                yield f.MaxPool(layer.name, (layer.source,), layer.name, window, stride)
            case "avgpool":
                yield f.AveragePool(layer.name, (layer.source,), layer.name, window, stride)
    yield f.Softmax("probability", (NETWORK[-1].name,), "probability")


def float_graph(params: Params, name: str = "embedded_float") -> FloatGraph:
    """The network of `embedded_net` with these parameters, from images of 0..1 to probabilities."""
    trace = forward(np.zeros((1, *INPUT_SHAPE), np.float32), params)
    shapes: Shapes = {layer: out.shape for layer, out in trace.items()}
    classes, features = shapes[NETWORK[-1].name], params[f"{NETWORK[-1].name}/weight"].shape[1]
    shapes |= {"flatten": (1, features), "probability": classes}
    return FloatGraph(name, shapes, tuple(_operators(params, shapes)), ("image",), ("probability",))


def calibration_set(images: npt.NDArray[np.uint8]) -> CalibrationSet:
    """Images uint8 [n, 28, 28, 1] as samples of 0..1."""

    def sample(index: int) -> dict[str, npt.NDArray[Any]]:
        return {"image": images[index : index + 1] / 255}

    makers = tuple((lambda k=k: sample(k)) for k in range(len(images)))
    return CalibrationSet(makers, f"{len(images)} digits", (0.0, 1.0))


def quantised(params: Params, calibration: npt.NDArray[np.uint8], options: Options = OPTIONS) -> Quantised:
    """The int8 network, activation ranges taken from `calibration` images uint8 [n, 28, 28, 1]."""
    return quantise(float_graph(params, "embedded"), calibration_set(calibration), options, description=_DESCRIPTION)


def export_float(params: Params) -> bytes:
    """The float network as a `.tflite` with float32 tensors: what a quantiser starts from."""
    return export(float_graph(params), description=_DESCRIPTION)


def export_int8(params: Params, calibration: npt.NDArray[np.uint8]) -> bytes:
    """The int8 `.tflite`."""
    return quantised(params, calibration).file
