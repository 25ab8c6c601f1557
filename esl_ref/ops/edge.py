# SPDX-License-Identifier: Apache-2.0
"""Quantize and dequantize at the network's edges: the only operators with floats in them, both on the host."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from esl_ref.errors import InputError
from esl_ref.ir import Dequantize, Quantize, Tensor
from esl_ref.ops.registry import Array, register

__all__ = ["dequantize", "dequantize_naive", "quantize", "quantize_naive"]


def _finite(op: Quantize, values: Array) -> Array:
    if not np.isfinite(values).all():
        raise InputError("the float input holds NaN or infinity", where=f"operator '{op.name}'")
    return values


def quantize_naive(op: Quantize, inputs: Sequence[Array], out: Tensor) -> Array:
    """q = clamp(round(value / scale) + zero_point); the division is in float32, ties go as the operator says."""
    result = np.empty(inputs[0].shape, out.dtype)
    for index in np.ndindex(*result.shape):
        ratio = float(np.float32(_finite(op, inputs[0])[index]) / np.float32(op.scale))
        rounded = round(ratio) if op.ties_even else int(abs(ratio) + 0.5) * (1 if ratio >= 0 else -1)
        result[index] = min(max(rounded + op.zero_point, -128), 127)
    return result


def quantize(op: Quantize, inputs: Sequence[Array], out: Tensor) -> Array:
    """The same on whole tensors. The ratio is widened before 0.5 is added: in float32 that sum could round up."""
    with np.errstate(over="ignore"):
        ratio = (_finite(op, inputs[0]).astype(np.float32) / np.float32(op.scale)).astype(np.float64)
    rounded = np.rint(ratio) if op.ties_even else np.copysign(np.floor(np.abs(ratio) + 0.5), ratio)
    result: Array = np.clip(rounded + op.zero_point, -128, 127).astype(out.dtype)
    return result


def dequantize_naive(op: Dequantize, inputs: Sequence[Array], out: Tensor) -> Array:
    """value = float32(scale * (q - zero_point)), the product in double."""
    result = np.empty(inputs[0].shape, out.dtype)
    for index in np.ndindex(*result.shape):
        result[index] = np.float32(op.scale * (int(inputs[0][index]) - op.zero_point))
    return result


def dequantize(op: Dequantize, inputs: Sequence[Array], out: Tensor) -> Array:
    """The same on whole tensors."""
    result: Array = (op.scale * (inputs[0].astype(np.float64) - op.zero_point)).astype(out.dtype)
    return result


register(Quantize, quantize_naive, quantize)
register(Dequantize, dequantize_naive, dequantize)
