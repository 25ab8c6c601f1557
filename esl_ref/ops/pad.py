# SPDX-License-Identifier: Apache-2.0
"""Constant padding of any axis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from esl_ref.ir import Pad, Tensor
from esl_ref.ops.registry import Array, register

__all__ = ["fast", "naive"]


def naive(op: Pad, inputs: Sequence[Array], out: Tensor) -> Array:
    """out[i] = ifm[i - before] where that exists, `value` elsewhere."""
    result = np.empty(out.shape, out.dtype)
    for index in np.ndindex(*out.shape):
        source = tuple(i - before for i, (before, _) in zip(index, op.pads, strict=True))
        inside = all(0 <= i < size for i, size in zip(source, inputs[0].shape, strict=True))
        result[index] = inputs[0][source] if inside else op.value
    return result


def fast(op: Pad, inputs: Sequence[Array], out: Tensor) -> Array:
    """The same with one copy."""
    result = np.full(out.shape, op.value, out.dtype)
    inside = tuple(slice(before, before + n) for (before, _), n in zip(op.pads, inputs[0].shape, strict=True))
    result[inside] = inputs[0]
    return result


register(Pad, naive, fast)
