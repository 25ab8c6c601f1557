# SPDX-License-Identifier: Apache-2.0
"""Any function of one byte, as 256 entries."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from esl_ref.ir import Table, Tensor
from esl_ref.ops.registry import Array, register

__all__ = ["fast", "naive"]


def naive(op: Table, inputs: Sequence[Array], out: Tensor) -> Array:
    """out = table[q + 128], element by element."""
    result = np.empty(inputs[0].shape, out.dtype)
    for index in np.ndindex(*result.shape):
        result[index] = op.table[int(inputs[0][index]) + 128]
    return result


def fast(op: Table, inputs: Sequence[Array], out: Tensor) -> Array:
    """The same, indexed by the byte's bits: entry q + 128 of the table sits at the unsigned value of q."""
    by_bits = np.roll(op.table, -128).astype(out.dtype)
    return by_bits[inputs[0].view(np.uint8)]


register(Table, naive, fast)
