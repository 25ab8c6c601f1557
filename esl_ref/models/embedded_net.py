# SPDX-License-Identifier: Apache-2.0
"""The embedded model's layers, and their float arithmetic forwards and backwards in plain numpy.

A layer list is data: the trainer, the quantiser and the float exporter all walk `NETWORK`. Tensors are NHWC, weights
as TensorFlow Lite stores them (convolution and dense [out, kh, kw, in] / [out, in], depthwise [1, kh, kw, channels]),
SAME padding splits the odd pixel to the bottom and right. Every arithmetic function keeps the dtype it is given, so
the trainer runs in float32 and calibration in float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "INPUT_SHAPE", "NETWORK", "Layer", "Params", "Trace", "backward", "forward", "init_params", "macs", "same_padding",
]  # fmt: skip

FloatArray = npt.NDArray[np.floating[Any]]
Params = dict[str, FloatArray]
"""`<layer>/weight` and `<layer>/bias` of every layer that has them."""
Trace = dict[str, FloatArray]
"""Output of every layer by its name, and the network's input as `image`."""


@dataclass(frozen=True)
class Layer:
    """One layer. `source` and, for an addition, `other` name the layers it reads; `image` is the network's input."""

    name: str
    kind: str
    source: str
    kernel: int = 1
    stride: int = 1
    channels: int = 0
    activation: str = "NONE"
    other: str = ""

    @property
    def has_weights(self) -> bool:
        """Whether training has anything to set."""
        return self.kind in ("conv", "depthwise", "dense")


INPUT_SHAPE = (28, 28, 1)
NETWORK: tuple[Layer, ...] = (
    Layer("conv1", "conv", "image", kernel=3, channels=16, activation="RELU"),
    Layer("pool1", "maxpool", "conv1", kernel=2, stride=2),
    Layer("conv2", "conv", "pool1", kernel=3, channels=16, activation="RELU"),
    Layer("pw2", "conv", "conv2", channels=16),
    Layer("add2", "add", "pw2", other="pool1", activation="RELU"),
    Layer("dw3", "depthwise", "add2", kernel=3, stride=2, activation="RELU6"),
    Layer("pw3", "conv", "dw3", channels=24, activation="RELU6"),
    Layer("dw4", "depthwise", "pw3", kernel=3, activation="RELU"),
    Layer("pw4", "conv", "dw4", channels=24),
    # No activation here, so that one residual stays signed and its zero point lies inside the range.
    Layer("add4", "add", "pw4", other="pw3"),
    Layer("conv5", "conv", "add4", kernel=3, stride=2, channels=56, activation="RELU"),
    Layer("pool5", "avgpool", "conv5", kernel=4, stride=4),
    Layer("fc6", "dense", "pool5", channels=10),
)


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """(before, after) along one axis, as TensorFlow's SAME has it."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def _pad(x: FloatArray, layer: Layer) -> FloatArray:
    rows, columns = (same_padding(n, layer.kernel, layer.stride) for n in x.shape[1:3])
    return np.pad(x, ((0, 0), rows, columns, (0, 0)))


def _tap(padded: FloatArray, ky: int, kx: int, layer: Layer, height: int, width: int) -> FloatArray:
    """View of the padded input that kernel position (ky, kx) meets at every output pixel."""
    s = layer.stride
    return padded[:, ky : ky + s * (height - 1) + 1 : s, kx : kx + s * (width - 1) + 1 : s]


def _taps(layer: Layer) -> list[tuple[int, int]]:
    return [(ky, kx) for ky in range(layer.kernel) for kx in range(layer.kernel)]


def _out_size(x: FloatArray, layer: Layer) -> tuple[int, int]:
    return -(-x.shape[1] // layer.stride), -(-x.shape[2] // layer.stride)


def _columns(x: FloatArray, layer: Layer) -> FloatArray:
    padded, (h, w) = _pad(x, layer), _out_size(x, layer)
    return np.concatenate([_tap(padded, ky, kx, layer, h, w) for ky, kx in _taps(layer)], axis=-1)


def _unpad(padded: FloatArray, like: FloatArray, layer: Layer) -> FloatArray:
    (top, _), (left, _) = (same_padding(n, layer.kernel, layer.stride) for n in like.shape[1:3])
    return padded[:, top : top + like.shape[1], left : left + like.shape[2]]


def _activate(x: FloatArray, activation: str) -> FloatArray:
    if activation == "NONE":
        return x
    return np.clip(x, 0, 6 if activation == "RELU6" else None)


def _blocks(x: FloatArray, kernel: int) -> FloatArray:
    """[n, h, w, c] -> [n, h/k, w/k, c, k*k]: windows that do not overlap, as both pools of this network have."""
    n, h, w, c = x.shape
    split = x.reshape(n, h // kernel, kernel, w // kernel, kernel, c).transpose(0, 1, 3, 5, 2, 4)
    return split.reshape(n, h // kernel, w // kernel, c, kernel * kernel)


def _unblocks(blocks: FloatArray, kernel: int) -> FloatArray:
    n, h, w, c, _ = blocks.shape
    return blocks.reshape(n, h, w, c, kernel, kernel).transpose(0, 1, 4, 2, 5, 3).reshape(n, h * kernel, w * kernel, c)


def _depthwise(x: FloatArray, weight: FloatArray, layer: Layer) -> FloatArray:
    padded, (h, w) = _pad(x, layer), _out_size(x, layer)
    out = np.zeros((x.shape[0], h, w, x.shape[3]), x.dtype)
    for ky, kx in _taps(layer):
        out += _tap(padded, ky, kx, layer, h, w) * weight[0, ky, kx]
    return out


def _linear(layer: Layer, x: FloatArray, params: Params) -> FloatArray:
    weight, bias = params[f"{layer.name}/weight"], params[f"{layer.name}/bias"]
    if layer.kind == "depthwise":
        return _depthwise(x, weight, layer) + bias
    if layer.kind == "dense":
        return x.reshape(len(x), -1) @ weight.T + bias
    return _columns(x, layer) @ weight.reshape(layer.channels, -1).T + bias


def _evaluate(layer: Layer, trace: Trace, params: Params) -> FloatArray:
    x = trace[layer.source]
    if layer.has_weights:
        return _activate(_linear(layer, x, params), layer.activation)
    if layer.kind == "add":
        return _activate(x + trace[layer.other], layer.activation)
    blocks = _blocks(x, layer.kernel)
    pooled: FloatArray = blocks.max(-1) if layer.kind == "maxpool" else blocks.mean(-1)
    return pooled


def forward(image: FloatArray, params: Params) -> Trace:
    """Run images [n, 28, 28, 1] (0..1) through the network; logits [n, 10] are the last layer's output."""
    trace: Trace = {"image": image}
    for layer in NETWORK:
        trace[layer.name] = _evaluate(layer, trace, params)
    return trace


def _linear_gradients(
    layer: Layer, x: FloatArray, grad: FloatArray, weight: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Gradients of (weight, input)."""
    if layer.kind == "dense":
        return grad.T @ x.reshape(len(x), -1), (grad @ weight).reshape(x.shape)
    padded, (h, w) = _pad(x, layer), grad.shape[1:3]
    padded_grad = np.zeros_like(padded)
    if layer.kind == "depthwise":
        weight_grad = np.empty_like(weight)
        for ky, kx in _taps(layer):
            weight_grad[0, ky, kx] = np.einsum("nhwc,nhwc->c", _tap(padded, ky, kx, layer, h, w), grad)
            _tap(padded_grad, ky, kx, layer, h, w)[...] += grad * weight[0, ky, kx]
        return weight_grad, _unpad(padded_grad, x, layer)
    flat = grad.reshape(-1, layer.channels)
    columns = _columns(x, layer)
    weight_grad = (flat.T @ columns.reshape(len(flat), -1)).reshape(weight.shape)
    column_grad = (flat @ weight.reshape(layer.channels, -1)).reshape(columns.shape)
    for (ky, kx), part in zip(_taps(layer), np.split(column_grad, layer.kernel**2, axis=-1), strict=True):
        _tap(padded_grad, ky, kx, layer, h, w)[...] += part
    return weight_grad, _unpad(padded_grad, x, layer)


def _pool_gradient(layer: Layer, x: FloatArray, out: FloatArray, grad: FloatArray) -> FloatArray:
    blocks = _blocks(x, layer.kernel)
    if layer.kind == "avgpool":
        spread = np.broadcast_to(grad[..., None] / layer.kernel**2, blocks.shape)
    else:
        winners = (blocks == out[..., None]).astype(grad.dtype)
        # Ties share the gradient; after a ReLU whole windows of zeros are common.
        spread = winners / winners.sum(-1, keepdims=True) * grad[..., None]
    return _unblocks(spread, layer.kernel)


def backward(trace: Trace, params: Params, logits_grad: FloatArray) -> Params:
    """Gradient of every parameter, given the loss's gradient at the logits [n, 10]."""
    grads: Params = {}
    flowing: Trace = {NETWORK[-1].name: logits_grad}
    for layer in reversed(NETWORK):
        out, grad, x = trace[layer.name], flowing.pop(layer.name), trace[layer.source]
        if layer.activation != "NONE":
            grad = grad * ((out > 0) & (out < 6) if layer.activation == "RELU6" else out > 0)
        if layer.kind == "add":
            parts = {layer.source: grad, layer.other: grad}
        elif layer.has_weights:
            weight_grad, x_grad = _linear_gradients(layer, x, grad, params[f"{layer.name}/weight"])
            grads[f"{layer.name}/weight"] = weight_grad
            grads[f"{layer.name}/bias"] = grad.sum(axis=tuple(range(grad.ndim - 1)))
            parts = {layer.source: x_grad}
        else:
            parts = {layer.source: _pool_gradient(layer, x, out, grad)}
        for name, part in parts.items():
            flowing[name] = flowing[name] + part if name in flowing else part
    return grads


def _channels_of(name: str) -> int:
    if name == "image":
        return INPUT_SHAPE[2]
    layer = next(entry for entry in NETWORK if entry.name == name)
    return layer.channels or _channels_of(layer.source)


def init_params(rng: np.random.Generator) -> Params:
    """He initialisation (He et al., ICCV 2015): normal with variance 2 / fan-in; biases zero. float32."""
    params: Params = {}
    for layer in (entry for entry in NETWORK if entry.has_weights):
        k, c_in = layer.kernel, _channels_of(layer.source)
        shape: tuple[int, ...] = (layer.channels, k, k, c_in)
        fan_in = k * k * c_in
        if layer.kind == "depthwise":
            shape, fan_in = (1, k, k, c_in), k * k
        elif layer.kind == "dense":
            shape, fan_in = (layer.channels, c_in), c_in
        params[f"{layer.name}/weight"] = (rng.standard_normal(shape) * np.sqrt(2 / fan_in)).astype(np.float32)
        params[f"{layer.name}/bias"] = np.zeros(layer.channels or c_in, np.float32)
    return params


def macs(params: Params) -> int:
    """Multiply-accumulates of one inference."""
    trace = forward(np.zeros((1, *INPUT_SHAPE), np.float32), params)
    total = 0
    for layer in (entry for entry in NETWORK if entry.has_weights):
        weight, out = params[f"{layer.name}/weight"], trace[layer.name]
        per_output = weight[0].size if layer.kind != "depthwise" else layer.kernel**2
        total += per_output * out.size
    return total
