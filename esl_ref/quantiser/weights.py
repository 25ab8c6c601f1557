# SPDX-License-Identifier: Apache-2.0
"""Symmetric int8 weights and int32 biases (TensorFlow Lite 8-bit quantization specification)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["LayerWeights", "quantise_layer", "quantise_weight"]

FloatArray = npt.NDArray[np.floating[Any]]

_BIAS_ROOM = 1 << 30
"""Largest magnitude of a stored bias: half of int32, so that the products have the other half."""


@dataclass(frozen=True)
class LayerWeights:
    """int8 weights [O, ...] and biases (that fit int32), with float32 scales: one per output channel, or one."""

    weight: npt.NDArray[np.int8]
    scale: npt.NDArray[np.float32]
    bias: npt.NDArray[np.int64]
    bias_scale: npt.NDArray[np.float32]


def quantise_weight(
    weight: FloatArray, *, per_channel: bool, floor: FloatArray | float = 0.0
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Symmetric int8 weights [O, ...] and their float32 scales: one per output channel, or one.

    `floor` holds scales (one per channel, or one) below which none shall lie.
    """
    others = tuple(range(1, weight.ndim)) if per_channel else None
    largest = np.abs(weight.astype(np.float64)).max(axis=others, keepdims=True)
    least = np.broadcast_to(np.asarray(floor, np.float64), (largest.size,)).reshape(largest.shape)
    scale = np.maximum(np.where(largest > 0, largest, 1.0) / 127, least).astype(np.float32)
    return np.clip(np.rint(weight / scale.astype(np.float64)), -127, 127).astype(np.int8), scale.ravel()


def _expected_error(
    weight: FloatArray, stored: npt.NDArray[np.int8], scale: FloatArray, mean: FloatArray
) -> FloatArray:
    """What rounding the weights adds to each output channel on inputs of `mean` [I], on average.

    Output channels are split into as many groups as `mean` has times the channels that one weight meets.
    """
    real = stored * scale.astype(np.float64).reshape(-1, *[1] * (weight.ndim - 1))
    error = (real - weight).reshape(len(weight), -1, weight.shape[-1]).sum(axis=1)
    groups = mean.size // weight.shape[-1]
    return np.asarray(
        np.einsum("gui,gi->gu", error.reshape(groups, -1, weight.shape[-1]), mean.reshape(groups, -1)).ravel()
    )


def quantise_layer(
    weight: FloatArray, bias: FloatArray, scale_in: float, *, per_channel: bool, mean: FloatArray | None = None
) -> LayerWeights:
    """Weights [O, ..., I] and biases [O] for inputs of `scale_in`.

    `mean` of the input's channels turns on bias correction (Nagel et al., arXiv 1906.04721, section 4.2, with means
    that were measured): what rounding the weights adds on average leaves through the bias. A channel whose bias would
    leave its room, because its weights are next to nothing, gets a coarser scale.
    """
    floor = np.abs(bias.astype(np.float64)) / (scale_in * _BIAS_ROOM)
    stored, scale = quantise_weight(weight, per_channel=per_channel, floor=floor if per_channel else floor.max())
    if mean is not None:
        bias = bias - _expected_error(weight, stored, scale, mean)
    # The file stores float32: rounding the product first makes bias scale and stored scale the same number.
    bias_scale = (scale_in * scale.astype(np.float64)).astype(np.float32)
    stored_bias = np.rint(bias / bias_scale.astype(np.float64)).astype(np.int64)
    return LayerWeights(stored, scale, stored_bias, bias_scale)
