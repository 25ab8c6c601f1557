# SPDX-License-Identifier: Apache-2.0
"""Depthwise convolution, NHWC, with a depth multiplier."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from esl_ref.ir import DepthwiseConv2D, Tensor
from esl_ref.ops.finish import channel, finish
from esl_ref.ops.float_finish import finisher
from esl_ref.ops.gemm import dot_bound, exact_dtype
from esl_ref.ops.registry import Array, register
from esl_ref.ops.windows import out_size, pad_map, tap_view

__all__ = ["fast", "naive", "out_shape"]


def out_shape(op: DepthwiseConv2D, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Output shape for an input of `shape` [N, H, W, C]."""
    kh, kw, channels = op.weight.shape
    p, where = op.padding, f"operator '{op.name}'"
    oh = out_size(shape[1], p.top, p.bottom, kh, op.stride[0], op.dilation[0], where)
    ow = out_size(shape[2], p.left, p.right, kw, op.stride[1], op.dilation[1], where)
    return shape[0], oh, ow, channels


def naive(op: DepthwiseConv2D, inputs: Sequence[Array], out: Tensor) -> Array:
    """acc[o] = bias[o] + sum over (ky, kx) inside the map of (ifm[o // m] - zero_in) * (weight[o] - weight_zero)."""
    ifm, weight = inputs[0].astype(np.int64), op.weight.astype(np.int64)
    kh, kw, _ = weight.shape
    ofm = np.empty(out_shape(op, ifm.shape), out.dtype)
    for n, y, x, o in np.ndindex(*ofm.shape):
        acc = int(op.bias[o])
        for ky in range(kh):
            for kx in range(kw):
                iy = y * op.stride[0] + ky * op.dilation[0] - op.padding.top
                ix = x * op.stride[1] + kx * op.dilation[1] - op.padding.left
                if 0 <= iy < ifm.shape[1] and 0 <= ix < ifm.shape[2]:
                    value = ifm[n, iy, ix, o // op.multiplier] - op.zero_in
                    acc += int(value * (weight[ky, kx, o] - op.weight_zero))
        ofm[n, y, x, o] = finish(np.array([acc]), channel(op.requant, o), op.act, out.dtype)[0]
    return ofm


def fast(op: DepthwiseConv2D, inputs: Sequence[Array], out: Tensor) -> Array:
    """One multiply-accumulate of whole maps per tap, in the float type that is exact for these weights."""
    ifm = inputs[0]
    weight = op.weight.astype(np.int64) - op.weight_zero
    kh, kw, channels = weight.shape
    largest = int(max(abs(np.iinfo(ifm.dtype).min), abs(op.zero_in)))
    dtype = exact_dtype(dot_bound(weight, largest, (0, 1)))
    n, oh, ow, _ = out_shape(op, ifm.shape)
    padded = pad_map(ifm, op.padding, op.zero_in, dtype)
    scaled = weight.astype(dtype).reshape(kh, kw, ifm.shape[3], op.multiplier)
    acc = np.zeros((n, oh, ow, ifm.shape[3], op.multiplier), dtype)
    product = np.empty_like(acc)
    for ky in range(kh):
        for kx in range(kw):
            view = tap_view(padded, (ky, kx), (oh, ow), op.stride, op.dilation)
            np.multiply(view[..., None], scaled[ky, kx], out=product)
            acc += product
    constant = op.bias.astype(np.int64) - op.zero_in * weight.sum(axis=(0, 1))
    return finisher(op.requant, op.act, constant, out.dtype)(acc.reshape(n, oh, ow, channels))


register(DepthwiseConv2D, naive, fast)
