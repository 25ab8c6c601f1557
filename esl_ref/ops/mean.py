# SPDX-License-Identifier: Apache-2.0
"""Mean over some axes, requantised in one step.

acc = sum(q) - count * zero_in;  out = clamp(requantise(acc) + zero_point). The scale of the operator already holds
the division by the number of elements: the reference folds 1 / count into the integer multiplier
(`esl_ref.frontends.tflite.reduce.mean_requant` computes it the same way), so the mean is rounded together with the
rescaling.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from esl_ref.ir import Mean, Tensor
from esl_ref.ops.finish import finish
from esl_ref.ops.registry import Array, register

__all__ = ["fast", "naive"]


def naive(op: Mean, inputs: Sequence[Array], out: Tensor) -> Array:
    """Sum every output's elements one by one."""
    ifm = inputs[0]
    kept = tuple(1 if axis in op.axes else size for axis, size in enumerate(ifm.shape))
    acc = np.zeros(kept, np.int64)
    for index in np.ndindex(*ifm.shape):
        target = tuple(0 if axis in op.axes else i for axis, i in enumerate(index))
        acc[target] += int(ifm[index]) - op.zero_in
    result = finish(acc, op.requant, op.act, out.dtype)
    return result if op.keep_dims else result.squeeze(op.axes)


def fast(op: Mean, inputs: Sequence[Array], out: Tensor) -> Array:
    """The same with one reduction."""
    ifm = inputs[0]
    acc = ifm.sum(axis=op.axes, dtype=np.int64, keepdims=op.keep_dims) - op.count * op.zero_in
    return finish(acc, op.requant, op.act, out.dtype)


register(Mean, naive, fast)
