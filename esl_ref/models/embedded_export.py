# SPDX-License-Identifier: Apache-2.0
"""Post-training quantisation of the embedded model and its export as `.tflite`, int8 or float.

The scheme is TensorFlow Lite's (Jacob et al., CVPR 2018; "TensorFlow Lite 8-bit quantization specification"):
asymmetric int8 activations, symmetric int8 weights in -127..127 (per output channel for convolutions, per tensor for
fully connected), int32 bias of scale input * weight, softmax output of scale 1/256 and zero point -128.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from esl_ref.errors import InputError
from esl_ref.frontends.tflite_writer import TFLiteWriter
from esl_ref.models.embedded_net import INPUT_SHAPE, NETWORK, Layer, Params, Trace, forward

__all__ = ["ActivationQuant", "calibrate", "export_float", "export_int8", "quantise_weight"]

FloatArray = npt.NDArray[np.floating[Any]]

_TFLITE_OP = {
    "conv": "CONV_2D",
    "depthwise": "DEPTHWISE_CONV_2D",
    "dense": "FULLY_CONNECTED",
    "add": "ADD",
    "maxpool": "MAX_POOL_2D",
    "avgpool": "AVERAGE_POOL_2D",
}
_SAME_SCALE = ("maxpool", "avgpool")
"""Layers whose output must carry their input's scale and zero point, as TensorFlow Lite's kernels assume."""


@dataclass(frozen=True)
class ActivationQuant:
    """real = scale * (stored - zero_point), stored in -128..127."""

    scale: float
    zero_point: int


def _round_up(value: float, bits: int = 12) -> float:
    """`value` rounded up to `bits` significant bits.

    Calibration runs float sums whose last bits depend on the BLAS; without them the file is the same everywhere.
    The exact result also fits a float32, which is what the file stores.
    """
    mantissa, exponent = np.frexp(value)
    return float(np.ldexp(np.ceil(mantissa * 2.0**bits), int(exponent) - bits))


def _activation_quant(low: float, high: float) -> ActivationQuant:
    low, high = min(low, 0.0), max(high, 0.0)
    if not np.isfinite(high - low) or high == low:
        raise InputError(f"range [{low}, {high}] cannot be quantised", hint="calibrate on other images")
    scale = _round_up((high - low) / 255)
    return ActivationQuant(scale, int(np.clip(np.rint(-128 - low / scale), -128, 127)))


def calibrate(params: Params, images: npt.NDArray[np.uint8]) -> dict[str, ActivationQuant]:
    """Scale and zero point of every layer's output from its minimum and maximum over the images, in float64."""
    wide: Params = {name: value.astype(np.float64) for name, value in params.items()}
    trace: Trace = forward(images.astype(np.float64) / 255, wide)
    quants = {"image": ActivationQuant(float(np.float32(1 / 255)), -128)}
    for layer in NETWORK:
        if layer.kind in _SAME_SCALE:
            quants[layer.name] = quants[layer.source]
        else:
            quants[layer.name] = _activation_quant(float(trace[layer.name].min()), float(trace[layer.name].max()))
    return quants


def quantise_weight(weight: FloatArray, axis: int | None) -> tuple[npt.NDArray[np.int8], FloatArray]:
    """Symmetric int8 weights and their float32 scales: one per slice along `axis`, or one if that is None."""
    others = None if axis is None else tuple(d for d in range(weight.ndim) if d != axis)
    largest = np.abs(weight.astype(np.float64)).max(axis=others, keepdims=True)
    scale = (np.where(largest > 0, largest, 1.0) / 127).astype(np.float32)
    return np.clip(np.rint(weight / scale.astype(np.float64)), -127, 127).astype(np.int8), scale.ravel()


class _Export:
    """Walks the layers once, adding tensors and operators. `quants` None writes float32, else int8."""

    def __init__(self, params: Params, quants: dict[str, ActivationQuant] | None, name: str) -> None:
        self.params, self.quants = params, quants
        self.writer = TFLiteWriter(name, description="embedded digit classifier")
        trace = forward(np.zeros((1, *INPUT_SHAPE), np.float32), params)
        self.shapes = {layer: out.shape for layer, out in trace.items()}
        self.tensors = {"image": self._activation("image", "image", INPUT_SHAPE)}

    def _activation(self, name: str, like: str, shape: tuple[int, ...]) -> int:
        """Add the tensor `name` [1, *shape] with the quantisation of layer `like`."""
        if self.quants is None:
            return self.writer.add_tensor(name, (1, *shape), "FLOAT32")
        quant = self.quants[like]
        return self.writer.add_tensor(name, (1, *shape), "INT8", scale=quant.scale, zero_point=quant.zero_point)

    def _constants(self, layer: Layer) -> list[int]:
        """Add weight and bias of a layer."""
        weight, bias = self.params[f"{layer.name}/weight"], self.params[f"{layer.name}/bias"]
        names = f"{layer.name}/weight", f"{layer.name}/bias"
        if self.quants is None:
            return [
                self.writer.add_tensor(names[0], weight.shape, "FLOAT32", data=weight),
                self.writer.add_tensor(names[1], bias.shape, "FLOAT32", data=bias),
            ]
        axis = _weight_axis(layer)
        stored, scale = quantise_weight(weight, axis)
        # The file stores float32: rounding the product first makes bias scale and stored scale the same number.
        bias_scale = (self.quants[layer.source].scale * scale.astype(np.float64)).astype(np.float32)
        stored_bias = np.rint(bias / bias_scale.astype(np.float64)).astype(np.int64)
        return [
            self.writer.add_tensor(names[0], stored.shape, "INT8", data=stored, scale=scale, axis=axis or 0),
            self.writer.add_tensor(names[1], bias.shape, "INT32", data=stored_bias, scale=bias_scale),
        ]

    def _flattened(self, layer: Layer) -> int:
        """The [1, n] view of a map that a fully connected layer reads."""
        size = int(np.prod(self.shapes[layer.source][1:]))
        shape = self.writer.add_tensor("flatten/shape", (2,), "INT32", data=np.array([1, size]))
        flat = self._activation("flatten", layer.source, (size,))
        self.writer.add_op("RESHAPE", [self.tensors[layer.source], shape], [flat], new_shape=[1, size])
        return flat

    def add(self, layer: Layer) -> None:
        inputs = [self._flattened(layer) if layer.kind == "dense" else self.tensors[layer.source]]
        if layer.kind == "add":
            inputs.append(self.tensors[layer.other])
        if layer.has_weights:
            inputs += self._constants(layer)
        out = self.tensors[layer.name] = self._activation(layer.name, layer.name, self.shapes[layer.name][1:])
        self.writer.add_op(_TFLITE_OP[layer.kind], inputs, [out], **_options(layer))

    def finish(self) -> bytes:
        logits = self.tensors[NETWORK[-1].name]
        classes = self.shapes[NETWORK[-1].name]
        if self.quants is None:
            out = self.writer.add_tensor("probability", classes, "FLOAT32")
        else:
            out = self.writer.add_tensor("probability", classes, "INT8", scale=1 / 256, zero_point=-128)
        self.writer.add_op("SOFTMAX", [logits], [out], beta=1.0)
        return self.writer.finish([self.tensors["image"]], [out])


def _weight_axis(layer: Layer) -> int | None:
    """Dimension of the output channel in the stored weights; None for one scale per tensor."""
    return {"conv": 0, "depthwise": 3, "dense": None}[layer.kind]


def _options(layer: Layer) -> dict[str, Any]:
    if layer.kind in ("add", "dense"):
        return {"fused_activation_function": layer.activation}
    windows: dict[str, Any] = {"stride_h": layer.stride, "stride_w": layer.stride}
    if layer.kind in _SAME_SCALE:
        return windows | {"padding": "VALID", "filter_height": layer.kernel, "filter_width": layer.kernel}
    return windows | {"padding": "SAME", "fused_activation_function": layer.activation}


def _export(params: Params, quants: dict[str, ActivationQuant] | None, name: str) -> bytes:
    export = _Export(params, quants, name)
    for layer in NETWORK:
        export.add(layer)
    return export.finish()


def export_float(params: Params) -> bytes:
    """The float network as a `.tflite` with float32 tensors: what a quantiser starts from."""
    return _export(params, None, "embedded_float")


def export_int8(params: Params, calibration: npt.NDArray[np.uint8]) -> bytes:
    """The int8 `.tflite`, activation ranges taken from `calibration` images uint8 [n, 28, 28, 1]."""
    return _export(params, calibrate(params, calibration), "embedded")
