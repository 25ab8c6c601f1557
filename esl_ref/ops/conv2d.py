# SPDX-License-Identifier: Apache-2.0
"""Two-dimensional convolution, NHWC, with stride, dilation, padding and groups."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from esl_ref.ir import Conv2D, Tensor
from esl_ref.ops.finish import channel, finish, slice_channels
from esl_ref.ops.flat_map import FlatMap, flatten
from esl_ref.ops.float_finish import finisher
from esl_ref.ops.gemm import dot_bound, exact_dtype
from esl_ref.ops.registry import Array, register
from esl_ref.ops.windows import out_size

__all__ = ["fast", "naive", "out_shape"]

_BLOCK_ELEMENTS = 1 << 18
"""Outputs per block: few large matrix products, but accumulators (1 MiB, twice) that a cache still holds when
they become bytes."""


def out_shape(op: Conv2D, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Output shape for an input of `shape` [N, H, W, C]."""
    o, kh, kw, _ = op.weight.shape
    p, where = op.padding, f"operator '{op.name}'"
    oh = out_size(shape[1], p.top, p.bottom, kh, op.stride[0], op.dilation[0], where)
    ow = out_size(shape[2], p.left, p.right, kw, op.stride[1], op.dilation[1], where)
    return shape[0], oh, ow, o


def naive(op: Conv2D, inputs: Sequence[Array], out: Tensor) -> Array:
    """acc = bias[o] + sum over (ky, kx, i) inside the map of (ifm - zero_in) * (weight - weight_zero)."""
    ifm, weight = inputs[0].astype(np.int64), op.weight.astype(np.int64)
    _, kh, kw, depth = weight.shape
    ofm = np.empty(out_shape(op, ifm.shape), out.dtype)
    per_group = weight.shape[0] // op.groups
    for n, y, x, o in np.ndindex(*ofm.shape):
        first = o // per_group * depth
        acc = int(op.bias[o])
        for ky in range(kh):
            for kx in range(kw):
                iy = y * op.stride[0] + ky * op.dilation[0] - op.padding.top
                ix = x * op.stride[1] + kx * op.dilation[1] - op.padding.left
                if 0 <= iy < ifm.shape[1] and 0 <= ix < ifm.shape[2]:
                    for i in range(depth):
                        acc += int((ifm[n, iy, ix, first + i] - op.zero_in) * (weight[o, ky, kx, i] - op.weight_zero))
        ofm[n, y, x, o] = finish(np.array([acc]), channel(op.requant, o), op.act, out.dtype)[0]
    return ofm


def _accumulate(op: Conv2D, flat: FlatMap, matrices: Array, first: int, acc: Array, product: Array) -> None:
    """The sums over all taps for outputs `first` and on into `acc` [outputs, units]; `product` is room for as much.

    Taps side by side make one product. The windows of neighbouring outputs overlap where the kernel is wider than the
    stride, which BLAS does not take; those of every `every`-th output do not.
    """
    _, kh, kw, depth = op.weight.shape
    taps = kw if op.dilation[1] == 1 else 1
    every = -(-taps // op.stride[1])
    for ky, kx in itertools.product(range(kh), range(0, kw, taps)):
        target = product if ky or kx else acc
        for phase in range(min(every, len(acc))):
            out = target[phase::every]
            tap = (ky * op.dilation[0], kx * op.dilation[1])
            windows = flat.windows(tap, taps, first + phase, len(out), every)
            np.matmul(windows, matrices[ky, kx * depth : (kx + taps) * depth], out=out)
        if target is product:
            acc += product


def _group(op: Conv2D, ifm: Array, weight: Array, channels: slice, ofm: Array) -> None:
    """One group of output channels into `ofm`: per block of rows, exact float GEMMs for each kernel row.

    The GEMMs run on raw bytes padded with the zero point, and sum(zero_in * weight) leaves through the bias:
    sum((x - z) * w) = sum(x * w) - z * sum(w). Without that the magnitudes would be twice as large and float32
    exact only half as often. The bound covers the sum over all kernel rows, hence each of them and their additions.
    """
    n, oh, ow, _ = ofm.shape
    units, kh, kw, depth = weight.shape
    dtype = exact_dtype(dot_bound(weight, max(-int(np.iinfo(ifm.dtype).min), abs(op.zero_in)), (1, 2, 3)))
    matrices = np.ascontiguousarray(weight.transpose(1, 2, 3, 0).reshape(kh, kw * depth, units).astype(dtype))
    constant = op.bias[channels].astype(np.int64) - op.zero_in * weight.sum(axis=(1, 2, 3))
    flat = flatten(ifm, op.padding, op.zero_in, op.stride, (kw - 1) * op.dilation[1], dtype)
    finish_block = finisher(slice_channels(op.requant, channels), op.act, constant, ofm.dtype)
    across = flat.width // op.stride[1]
    outputs = ((n - 1) * flat.rows + oh) * across
    step = min(outputs, max(1, _BLOCK_ELEMENTS // units))
    acc, product = np.empty((2, step, units), dtype)
    result = np.empty((n * flat.rows * across, units), ofm.dtype)
    for first in range(0, outputs, step):
        count = min(step, outputs - first)
        _accumulate(op, flat, matrices, first, acc[:count], product[:count])
        result[first : first + count] = finish_block(acc[:count])
    ofm[..., channels] = result.reshape(n, flat.rows, across, units)[:, :oh, :ow]


def fast(op: Conv2D, inputs: Sequence[Array], out: Tensor) -> Array:
    """Every group in turn."""
    ifm = inputs[0]
    weight = op.weight.astype(np.int32) - op.weight_zero
    ofm = np.empty(out_shape(op, ifm.shape), out.dtype)
    units, _, _, depth = weight.shape
    per_group = units // op.groups
    for g in range(op.groups):
        channels = slice(g * per_group, (g + 1) * per_group)
        _group(op, ifm[..., g * depth : (g + 1) * depth], weight[channels], channels, ofm)
    return ofm


register(Conv2D, naive, fast)
