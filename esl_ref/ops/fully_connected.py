# SPDX-License-Identifier: Apache-2.0
"""Fully connected layer over rows of features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from esl_ref.ir import FullyConnected, Tensor
from esl_ref.ops.finish import channel, finish
from esl_ref.ops.float_finish import finisher
from esl_ref.ops.gemm import dot_bound, exact_dtype
from esl_ref.ops.registry import Array, register

__all__ = ["fast", "naive"]


def naive(op: FullyConnected, inputs: Sequence[Array], out: Tensor) -> Array:
    """out[r, o] = bias[o] + sum over i of (ifm[r, i] - zero_in) * (weight[o, i] - weight_zero)."""
    units, depth = op.weight.shape
    ifm, weight = inputs[0].reshape(-1, depth).astype(np.int64), op.weight.astype(np.int64)
    ofm = np.empty((ifm.shape[0], units), out.dtype)
    for r, o in np.ndindex(*ofm.shape):
        acc = int(op.bias[o])
        for i in range(depth):
            acc += int((ifm[r, i] - op.zero_in) * (weight[o, i] - op.weight_zero))
        ofm[r, o] = finish(np.array([acc]), channel(op.requant, o), op.act, out.dtype)[0]
    return ofm.reshape(out.shape)


def fast(op: FullyConnected, inputs: Sequence[Array], out: Tensor) -> Array:
    """One exact float GEMM; the input zero point leaves through the bias as in the convolution."""
    depth = op.weight.shape[1]
    ifm = inputs[0].reshape(-1, depth)
    weight = op.weight.astype(np.int32) - op.weight_zero
    dtype = exact_dtype(dot_bound(weight, abs(int(np.iinfo(ifm.dtype).min)), 1))
    product = ifm.astype(dtype) @ weight.T.astype(dtype)
    constant = op.bias.astype(np.int64) - op.zero_in * weight.sum(axis=1)
    return finisher(op.requant, op.act, constant, out.dtype)(product).reshape(out.shape)


register(FullyConnected, naive, fast)
