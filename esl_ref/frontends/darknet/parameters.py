# SPDX-License-Identifier: Apache-2.0
"""Weights of a layer in the float graph's layout, with batch normalisation folded, read when the layer runs.

Darknet normalises to (x - mean) / (sqrt(variance) + 1e-6): its epsilon is added to the root. So a channel's weights
are multiplied by f = scale / (sqrt(variance) + 1e-6), and its bias becomes bias - mean f.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from esl_ref.errors import ModelError
from esl_ref.floating import Parameter
from esl_ref.frontends.darknet.layers import Connected, Convolutional, Layer, Local
from esl_ref.frontends.darknet.weights import FloatArray, WeightsFile

__all__ = ["parameters"]

_EPSILON = 1e-6
_ROUNDING = 1e-12
"""A variance may be this far below zero: dead channels of published files have -7e-44."""

_BLOCK = 1 << 20
"""Floats read at a time where they are rearranged, so that a layer's weights are in memory once and not twice."""


def parameters(layer: Layer, weights: WeightsFile | None) -> tuple[Parameter, Parameter]:
    """(weight, bias) of a layer that has them. Without a file they have shapes, and loading them is an error."""
    match layer:
        case Convolutional():
            shape: tuple[int, ...] = (layer.shape[2], layer.size, layer.size, layer.ifm[2] // layer.groups)
            return _both(layer, weights, shape, (layer.shape[2],), _convolutional, _bias)
        case Connected():
            return _both(layer, weights, (layer.shape[2], layer.inputs_count), (layer.shape[2],), _connected, _bias)
        case Local():
            shape = (*layer.shape, layer.size, layer.size, layer.ifm[2])
            return _both(layer, weights, shape, layer.shape, _local, _local_bias)
    raise AssertionError(f"{layer.name} has no weights")


def _both(
    layer: Layer, weights: WeightsFile | None, shape: tuple[int, ...], bias_shape: tuple[int, ...],
    load: Callable[..., FloatArray], load_bias: Callable[..., FloatArray],
) -> tuple[Parameter, Parameter]:  # fmt: skip
    if weights is None:
        return Parameter(shape, lambda: _missing(layer)), Parameter(bias_shape, lambda: _missing(layer))
    file = weights
    return Parameter(shape, lambda: load(layer, file)), Parameter(bias_shape, lambda: load_bias(layer, file))


def _missing(layer: Layer) -> FloatArray:
    raise ModelError("has no weights", where=layer.where, hint="give the .weights file with --weights")


def _factors(layer: Convolutional | Connected, weights: WeightsFile) -> npt.NDArray[np.float64]:
    """What normalisation multiplies each output channel's weights by."""
    variance = weights.read(layer, "rolling_variance").astype(np.float64)
    if variance.min() < -_ROUNDING:
        raise ModelError(f"rolling_variance {int(variance.argmin())} is negative ({variance.min():g})",
                         where=f"{weights.path}, {layer.where}",
                         hint="the file is damaged, or another network's")  # fmt: skip
    return np.asarray(weights.read(layer, "scales") / (np.sqrt(np.maximum(variance, 0)) + _EPSILON))


def _bias(layer: Convolutional | Connected, weights: WeightsFile) -> FloatArray:
    bias = weights.read(layer, "biases")
    if not layer.norm:
        return bias
    return (bias - weights.read(layer, "rolling_mean") * _factors(layer, weights)).astype(np.float32)


def _folded(layer: Convolutional | Connected, weights: WeightsFile, rows: FloatArray) -> FloatArray:
    """Weights [units, ...] with normalisation folded in, in place."""
    if layer.norm:
        rows *= _factors(layer, weights).astype(np.float32).reshape(-1, *(1,) * (rows.ndim - 1))
    return rows


def _convolutional(layer: Convolutional, weights: WeightsFile) -> FloatArray:
    """Output, input, row, column in the file; output, row, column, input here."""
    units, size, depth = layer.shape[2], layer.size, layer.ifm[2] // layer.groups
    if layer.flipped:
        stored = weights.read(layer, "weights").reshape(depth, size, size, units).transpose(3, 1, 2, 0)
        return _folded(layer, weights, np.ascontiguousarray(stored))
    result = np.empty((units, size, size, depth), np.float32)
    for rows, values in _row_blocks(layer, weights, units, depth * size * size):
        result[rows] = values.reshape(-1, depth, size, size).transpose(0, 2, 3, 1)
    return _folded(layer, weights, result)


def _row_blocks(layer: Layer, weights: WeightsFile, count: int, width: int) -> Iterator[tuple[slice, FloatArray]]:
    """(slice of rows, their floats) of the layer's weights seen as `count` rows of `width`."""
    step = max(1, _BLOCK // width)
    for first in range(0, count, step):
        rows = min(step, count - first)
        yield slice(first, first + rows), weights.read(layer, "weights", first * width, rows * width)


def _connected(layer: Connected, weights: WeightsFile) -> FloatArray:
    """Inputs are flattened channel by channel in the file; row by row, channels last, here."""
    units, (h, w, c) = layer.shape[2], layer.ifm
    if weights.transposed:
        stored = weights.read(layer, "weights").reshape(c, h, w, units).transpose(3, 1, 2, 0)
        return _folded(layer, weights, np.ascontiguousarray(stored).reshape(units, -1))
    if h * w == 1 or c == 1:
        return _folded(layer, weights, weights.read(layer, "weights").reshape(units, -1))
    result = np.empty((units, h, w, c), np.float32)
    for rows, values in _row_blocks(layer, weights, units, h * w * c):
        result[rows] = values.reshape(-1, c, h, w).transpose(0, 2, 3, 1)
    return _folded(layer, weights, result.reshape(units, -1))


def _local(layer: Local, weights: WeightsFile) -> FloatArray:
    """Place, output, input, row, column in the file; row, column, output, window here."""
    h, w, units = layer.shape
    result = np.empty((h * w, units, layer.size, layer.size, layer.ifm[2]), np.float32)
    for rows, values in _row_blocks(layer, weights, h * w, units * layer.ifm[2] * layer.size * layer.size):
        result[rows] = values.reshape(-1, units, layer.ifm[2], layer.size, layer.size).transpose(0, 1, 3, 4, 2)
    return result.reshape(h, w, units, layer.size, layer.size, -1)


def _local_bias(layer: Local, weights: WeightsFile) -> FloatArray:
    h, w, units = layer.shape
    return np.ascontiguousarray(weights.read(layer, "biases").reshape(units, h, w).transpose(1, 2, 0))
