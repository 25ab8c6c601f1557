# SPDX-License-Identifier: Apache-2.0
"""Seeded random weights for a network whose own are not at hand: enough for plans and hardware, not for results."""

from __future__ import annotations

import dataclasses
import math
import zlib
from typing import Any

import numpy as np

from esl_ref.floating.graph import Conv, Dense, FloatGraph, FloatOp, Local, Parameter
from esl_ref.floating.kernels_window import FloatArray

__all__ = ["with_random_weights"]

_GAIN = 2.0
"""Variance of the weights times their number: keeps signals alive through rectifiers (He et al., ICCV 2015)."""


def _normal(shape: tuple[int, ...], fan_in: int, seed: list[int]) -> FloatArray:
    values: FloatArray = np.random.default_rng(seed).standard_normal(shape, np.float32)
    values *= np.float32(math.sqrt(_GAIN / max(1, fan_in)))
    return values


def _drawn(op: FloatOp, seed: int) -> FloatOp:
    if not isinstance(op, Conv | Dense | Local):
        return op
    shape, key = op.weight.shape, [seed, zlib.crc32(op.name.encode())]
    fan_in = math.prod(shape[3:] if isinstance(op, Local) else shape[1:])
    bias_shape = op.bias.shape
    changes: dict[str, Any] = {
        "weight": Parameter(shape, lambda: _normal(shape, fan_in, key)),
        "bias": Parameter(bias_shape, lambda: np.zeros(bias_shape, np.float32)),
    }
    return dataclasses.replace(op, **changes)


def with_random_weights(graph: FloatGraph, seed: int) -> FloatGraph:
    """The graph with other weights, drawn when a layer runs, from the seed and the layer's name; biases are 0."""
    return dataclasses.replace(graph, ops=tuple(_drawn(op, seed) for op in graph.ops))
