# SPDX-License-Identifier: Apache-2.0
"""Two-dimensional convolution, NHWC, with stride, dilation, padding and groups."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from esl_ref.ir import Conv2D, Tensor
from esl_ref.ops.finish import channel, finish, slice_channels
from esl_ref.ops.float_finish import finisher
from esl_ref.ops.gemm import dot_bound, exact_dtype
from esl_ref.ops.registry import Array, register
from esl_ref.ops.windows import out_size, pad_map, tap_view

__all__ = ["fast", "naive", "out_shape"]

_BLOCK_ELEMENTS = 1 << 17
"""Outputs per block of rows: few large matrix products, but accumulators (512 KiB, twice) that a cache still holds when
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


def _columns(op: Conv2D, padded: Array, ow: int, room: Array) -> Array:
    """The taps of one kernel row side by side: [N, rows, OW, KW * C] for rows of the padded map, a copy in `room` where
    KW > 1."""
    kw = op.weight.shape[2]
    n, height, _, depth = padded.shape
    if kw == 1 and op.stride[1] == 1:
        return padded[:, :, :ow]
    result = room[: n * height * ow * kw * depth].reshape(n, height, ow, kw, depth)
    for kx in range(kw):
        result[:, :, :, kx] = tap_view(padded, (0, kx), (height, ow), (1, op.stride[1]), (1, op.dilation[1]))
    return result.reshape(n, height, ow, kw * depth)


def _group(op: Conv2D, ifm: Array, weight: Array, channels: slice, ofm: Array) -> None:
    """One group of output channels into `ofm`: per block of rows, one exact float GEMM per kernel row.

    The GEMMs run on raw bytes padded with the zero point, and sum(zero_in * weight) leaves through the bias:
    sum((x - z) * w) = sum(x * w) - z * sum(w). Without that the magnitudes would be twice as large and float32
    exact only half as often. The bound covers the sum over all kernel rows, hence each of them and their additions.
    """
    n, oh, ow, _ = ofm.shape
    units, kh, kw, depth = weight.shape
    dtype = exact_dtype(dot_bound(weight, max(-int(np.iinfo(ifm.dtype).min), abs(op.zero_in)), (1, 2, 3)))
    matrices = np.ascontiguousarray(weight.transpose(1, 2, 3, 0).reshape(kh, kw * depth, units).astype(dtype))
    constant = op.bias[channels].astype(np.int64) - op.zero_in * weight.sum(axis=(1, 2, 3))
    padded = pad_map(ifm, op.padding, op.zero_in, dtype)
    finish_block = finisher(slice_channels(op.requant, channels), op.act, constant, ofm.dtype)
    step = min(oh, max(1, _BLOCK_ELEMENTS // (n * ow * units)))
    scratch = np.empty((2, n * step * ow, units), dtype)
    below = (kh - 1) * op.dilation[0] + 1
    room = np.empty(n * ((step - 1) * op.stride[0] + below) * ow * kw * depth, dtype)
    for y in range(0, oh, step):
        count = min(step, oh - y)
        acc, product = scratch[:, : n * count * ow]
        reach = (count - 1) * op.stride[0] + 1
        top = y * op.stride[0]
        columns = _columns(op, padded[:, top : top + reach - 1 + below], ow, room)
        for ky in range(kh):
            first = ky * op.dilation[0]
            rows = columns[:, first : first + reach : op.stride[0]]
            np.matmul(rows.reshape(-1, kw * depth), matrices[ky], out=product if ky else acc)
            if ky:
                acc += product
        ofm[:, y : y + count, :, channels] = finish_block(acc).reshape(n, count, ow, units)


def fast(op: Conv2D, inputs: Sequence[Array], out: Tensor) -> Array:
    """Every group in turn."""
    ifm = inputs[0]
    weight = op.weight.astype(np.int64) - op.weight_zero
    ofm = np.empty(out_shape(op, ifm.shape), out.dtype)
    units, _, _, depth = weight.shape
    per_group = units // op.groups
    for g in range(op.groups):
        channels = slice(g * per_group, (g + 1) * per_group)
        _group(op, ifm[..., g * depth : (g + 1) * depth], weight[channels], channels, ofm)
    return ofm


register(Conv2D, naive, fast)
