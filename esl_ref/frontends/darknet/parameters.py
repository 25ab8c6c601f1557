# SPDX-License-Identifier: Apache-2.0
"""Weights of a layer in the float graph's layout, with batch normalisation folded, read when the layer runs.

Darknet normalises to (x - mean) / (sqrt(variance) + 1e-6): its epsilon is added to the root. So a channel's weights
are multiplied by f = scale / (sqrt(variance) + 1e-6), and its bias becomes bias - mean f.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NoReturn

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

_Parts = Callable[[int], Iterator[tuple[int, FloatArray]]]
"""`Parameter.parts`."""


def parameters(layer: Layer, weights: WeightsFile | None) -> tuple[Parameter, Parameter]:
    """(weight, bias) of a layer that has them. Without a file they have shapes, and loading them is an error."""
    shape, bias_shape = _shapes(layer)
    if weights is None:
        # Parts as with a file, so that reckoning without weights sees how the layer would run.
        none = None if isinstance(layer, Convolutional) else (lambda step: _missing(layer))
        return Parameter(shape, lambda: _missing(layer), parts=none), Parameter(bias_shape, lambda: _missing(layer))
    file, parts = weights, _in_parts(layer, weights)
    match layer:
        case Convolutional():
            return (Parameter(shape, partial(_convolutional, layer, file)),
                    Parameter(bias_shape, partial(_bias, layer, file)))  # fmt: skip
        case Connected():
            load = partial(_whole, parts, shape[0]) if parts else partial(_transposed, layer, file)
            return Parameter(shape, load, parts=parts), Parameter(bias_shape, partial(_bias, layer, file))
        case Local():
            assert parts
            return (Parameter(shape, partial(_whole, parts, shape[0]), parts=parts),
                    Parameter(bias_shape, partial(_local_bias, layer, file)))  # fmt: skip
    raise AssertionError(f"{layer.name} has no weights")


def _in_parts(layer: Layer, weights: WeightsFile) -> _Parts | None:
    """How some of a layer's weights are read without the others, if they can be."""
    match layer:
        case Connected():
            return None if weights.transposed else partial(_connected, layer, weights)
        case Local():
            return partial(_local, layer, weights)
    return None


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


def _missing(layer: Layer) -> NoReturn:
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
    """(slice of rows, counted from `first`; their floats) of the layer's weights seen as rows of `width`.

    All blocks are read into the same memory: fresh pages would cost as much time as the reading.
    """
    step = max(1, _BLOCK // width)
    block = np.empty((min(step, count), width), np.float32)
    for row in range(0, count, step):
        values = block[: count - row]
        weights.fill(values.reshape(-1), layer, "weights", (first + row) * width)
        yield slice(row, row + len(values)), values


def _transposed(layer: Connected, weights: WeightsFile) -> FloatArray:
    """All weights of a fully connected layer that the file has input by input."""
    units, (h, w, c) = layer.shape[2], layer.ifm
    stored = weights.read(layer, "weights").reshape(c, h, w, units).transpose(3, 1, 2, 0)
    return _folded(layer, weights, np.ascontiguousarray(stored).reshape(units, -1))


def _whole(parts: _Parts, count: int) -> FloatArray:
    """All `count` entries of the first axis as one part."""
    return next(parts(count))[1]


def _connected(layer: Connected, weights: WeightsFile, step: int) -> Iterator[tuple[int, FloatArray]]:
    """Weights of `step` units at a time. Inputs are flattened channel by channel in the file; row by row, channels
    last, here."""
    units, (h, w, c) = layer.shape[2], layer.ifm
    kept = np.empty((min(step, units), h * w * c), np.float32)
    for first in range(0, units, step):
        part = kept[: units - first]
        if h * w == 1 or c == 1:
            weights.fill(part.reshape(-1), layer, "weights", first * h * w * c)
        else:
            _channels_last(layer, weights, first, part)
        yield first, _folded(layer, weights, part, first)


def _channels_last(layer: Connected, weights: WeightsFile, first: int, part: FloatArray) -> None:
    h, w, c = layer.ifm
    for rows, values in _row_blocks(layer, weights, first, len(part), h * w * c):
        part.reshape(-1, h * w, c)[rows] = values.reshape(-1, c, h * w).transpose(0, 2, 1)


def _local(layer: Local, weights: WeightsFile, step: int) -> Iterator[tuple[int, FloatArray]]:
    """Weights of `step` rows at a time. Place, output, input, row, column in the file; row, column, output, window
    here."""
    h, w, units = layer.shape
    window = (layer.ifm[2], layer.size, layer.size)
    kept = np.empty((min(step, h), w, units, layer.size, layer.size, layer.ifm[2]), np.float32)
    for first in range(0, h, step):
        part = kept[: h - first]
        places = part.reshape(-1, *part.shape[2:])
        for rows, values in _row_blocks(layer, weights, first * w, len(places), units * int(np.prod(window))):
            places[rows] = values.reshape(-1, units, *window).transpose(0, 1, 3, 4, 2)
        yield first, part


def _local_bias(layer: Local, weights: WeightsFile) -> FloatArray:
    h, w, units = layer.shape
    return np.ascontiguousarray(weights.read(layer, "biases").reshape(units, h, w).transpose(1, 2, 0))
