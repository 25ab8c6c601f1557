# SPDX-License-Identifier: Apache-2.0
"""Weights of a layer in the float graph's layout, with batch normalisation folded, read when the layer runs.

Darknet normalises to (x - mean) / (sqrt(variance) + 1e-6): its epsilon is added to the root. So a channel's weights
are multiplied by f = scale / (sqrt(variance) + 1e-6), and its bias becomes bias - mean f.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

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

_BLOCK = 1 << 17
"""Floats read at a time where they are rearranged, so that a layer's weights are in memory once and not twice."""


def parameters(layer: Layer, weights: WeightsFile | None) -> tuple[Parameter, Parameter]:
    """(weight, bias) of a layer that has them. Without a file they have shapes, and loading them is an error."""
    shape, bias_shape = _shapes(layer)
    if weights is None:
        # Parts as with a file, so that reckoning without weights sees how the layer would run.
        part = None if isinstance(layer, Convolutional) else (lambda first, count: _missing(layer))
        return Parameter(shape, lambda: _missing(layer), part=part), Parameter(bias_shape, lambda: _missing(layer))
    file = weights
    match layer:
        case Convolutional():
            return (Parameter(shape, partial(_convolutional, layer, file)),
                    Parameter(bias_shape, partial(_bias, layer, file)))  # fmt: skip
        case Connected():
            part = None if file.transposed else partial(_connected, layer, file)
            load = partial(_transposed, layer, file) if part is None else partial(part, 0, shape[0])
            return Parameter(shape, load, part=part), Parameter(bias_shape, partial(_bias, layer, file))
        case Local():
            part = partial(_local, layer, file)
            return (Parameter(shape, partial(part, 0, shape[0]), part=part),
                    Parameter(bias_shape, partial(_local_bias, layer, file)))  # fmt: skip
    raise AssertionError(f"{layer.name} has no weights")


def _shapes(layer: Layer) -> tuple[tuple[int, ...], tuple[int, ...]]:
    units = layer.shape[2]
    match layer:
        case Convolutional():
            return (units, layer.size, layer.size, layer.ifm[2] // layer.groups), (units,)
        case Connected():
            return (units, layer.inputs_count), (units,)
        case Local():
            return (*layer.shape, layer.size, layer.size, layer.ifm[2]), layer.shape
    raise AssertionError(f"{layer.name} has no weights")


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


def _folded(layer: Convolutional | Connected, weights: WeightsFile, rows: FloatArray, first: int = 0) -> FloatArray:
    """Weights [units, ...] from unit `first` on with normalisation folded in, in place."""
    if layer.norm:
        factors = _factors(layer, weights)[first : first + len(rows)].astype(np.float32)
        rows *= factors.reshape(-1, *(1,) * (rows.ndim - 1))
    return rows


def _convolutional(layer: Convolutional, weights: WeightsFile) -> FloatArray:
    """Output, input, row, column in the file; output, row, column, input here."""
    units, size, depth = layer.shape[2], layer.size, layer.ifm[2] // layer.groups
    if layer.flipped:
        stored = weights.read(layer, "weights").reshape(depth, size, size, units).transpose(3, 1, 2, 0)
        return _folded(layer, weights, np.ascontiguousarray(stored))
    result = np.empty((units, size, size, depth), np.float32)
    for rows, values in _row_blocks(layer, weights, 0, units, depth * size * size):
        result[rows] = values.reshape(-1, depth, size, size).transpose(0, 2, 3, 1)
    return _folded(layer, weights, result)


def _row_blocks(
    layer: Layer, weights: WeightsFile, first: int, count: int, width: int
) -> Iterator[tuple[slice, FloatArray]]:
    """(slice of rows, counted from `first`; their floats) of the layer's weights seen as rows of `width`."""
    step = max(1, _BLOCK // width)
    for row in range(0, count, step):
        rows = min(step, count - row)
        yield slice(row, row + rows), weights.read(layer, "weights", (first + row) * width, rows * width)


def _transposed(layer: Connected, weights: WeightsFile) -> FloatArray:
    """All weights of a fully connected layer that the file has input by input."""
    units, (h, w, c) = layer.shape[2], layer.ifm
    stored = weights.read(layer, "weights").reshape(c, h, w, units).transpose(3, 1, 2, 0)
    return _folded(layer, weights, np.ascontiguousarray(stored).reshape(units, -1))


def _connected(layer: Connected, weights: WeightsFile, first: int, count: int) -> FloatArray:
    """Weights of some units. Inputs are flattened channel by channel in the file; row by row, channels last, here."""
    h, w, c = layer.ifm
    if h * w == 1 or c == 1:
        values = weights.read(layer, "weights", first * h * w * c, count * h * w * c)
        return _folded(layer, weights, values.reshape(count, -1), first)
    result = np.empty((count, h, w, c), np.float32)
    for rows, values in _row_blocks(layer, weights, first, count, h * w * c):
        result[rows] = values.reshape(-1, c, h, w).transpose(0, 2, 3, 1)
    return _folded(layer, weights, result.reshape(count, -1), first)


def _local(layer: Local, weights: WeightsFile, first: int, count: int) -> FloatArray:
    """Weights of some rows. Place, output, input, row, column in the file; row, column, output, window here."""
    _, w, units = layer.shape
    window = (layer.ifm[2], layer.size, layer.size)
    result = np.empty((count * w, units, layer.size, layer.size, layer.ifm[2]), np.float32)
    for rows, values in _row_blocks(layer, weights, first * w, count * w, units * int(np.prod(window))):
        result[rows] = values.reshape(-1, units, *window).transpose(0, 1, 3, 4, 2)
    return result.reshape(count, w, units, layer.size, layer.size, -1)


def _local_bias(layer: Local, weights: WeightsFile) -> FloatArray:
    h, w, units = layer.shape
    return np.ascontiguousarray(weights.read(layer, "biases").reshape(units, h, w).transpose(1, 2, 0))
