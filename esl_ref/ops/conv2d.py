# SPDX-License-Identifier: Apache-2.0
"""Two-dimensional convolution, NHWC, with stride, dilation, padding and groups."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from esl_ref.ir import Conv2D, Tensor
from esl_ref.ops.finish import channel, finish
from esl_ref.ops.gemm import dot_bound, exact_dtype
from esl_ref.ops.registry import Array, register
from esl_ref.ops.windows import out_size, pad_map, tap_view

__all__ = ["fast", "naive", "out_shape"]

_BLOCK_BYTES = 1 << 19
"""Gathered windows per GEMM: half a megabyte stays in a second-level cache together with the result."""


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


def _gather(op: Conv2D, padded: Array, rows: slice, ow: int, taps: Array) -> Array:
    """Windows of some output rows as a matrix: taps[N, rows, OW, KH, KW, C], written in place and returned 2-D."""
    kh, kw = op.weight.shape[1:3]
    top = rows.start * op.stride[0]
    for ky in range(kh):
        for kx in range(kw):
            view = tap_view(padded[:, top:], (ky, kx), (rows.stop - rows.start, ow), op.stride, op.dilation)
            taps[:, :, :, ky, kx] = view
    return taps.reshape(-1, taps[0, 0, 0].size)


def _group(op: Conv2D, ifm: Array, weight: Array, bias: Array) -> Array:
    """Accumulators [N, OH, OW, O] of one group, int64, exact.

    The GEMM runs on raw bytes padded with the zero point, and sum(zero_in * weight) leaves through the bias:
    sum((x - z) * w) = sum(x * w) - z * sum(w). Without that the magnitudes would be twice as large and float32
    exact only half as often.
    """
    n, oh, ow, _ = out_shape(op, ifm.shape)
    o, kh, kw, depth = weight.shape
    largest = int(max(abs(np.iinfo(ifm.dtype).min), abs(op.zero_in)))
    dtype = exact_dtype(dot_bound(weight, largest, (1, 2, 3)))
    matrix = np.ascontiguousarray(weight.reshape(o, -1).T.astype(dtype))
    constant = bias.astype(np.int64) - op.zero_in * weight.reshape(o, -1).sum(axis=1)
    padded = pad_map(ifm, op.padding, op.zero_in, dtype)
    acc = np.empty((n, oh, ow, o), np.int64)
    if kh == kw == 1 and op.stride == (1, 1):
        np.add((padded.reshape(-1, depth) @ matrix).reshape(acc.shape), constant, out=acc, casting="unsafe")
        return acc
    row_bytes = n * ow * matrix.shape[0] * matrix.itemsize
    step = max(1, min(oh, _BLOCK_BYTES // row_bytes))
    buffer = np.empty(n * step * ow * matrix.shape[0], dtype)
    for y in range(0, oh, step):
        rows = slice(y, min(y + step, oh))
        count = rows.stop - y
        taps = buffer[: n * count * ow * matrix.shape[0]].reshape(n, count, ow, kh, kw, depth)
        product = _gather(op, padded, rows, ow, taps) @ matrix
        np.add(product.reshape(n, count, ow, o), constant, out=acc[:, rows], casting="unsafe")
    return acc


def fast(op: Conv2D, inputs: Sequence[Array], out: Tensor) -> Array:
    """One exact float GEMM per group and block of rows."""
    ifm = inputs[0]
    weight = op.weight.astype(np.int64) - op.weight_zero
    if op.groups == 1:
        return finish(_group(op, ifm, weight, op.bias), op.requant, op.act, out.dtype)
    o, _, _, depth = weight.shape
    per_group = o // op.groups
    parts = []
    for g in range(op.groups):
        mine = slice(g * per_group, (g + 1) * per_group)
        part = np.ascontiguousarray(ifm[..., g * depth : (g + 1) * depth])
        parts.append(_group(op, part, weight[mine], op.bias[mine]))
    return finish(np.concatenate(parts, axis=-1), op.requant, op.act, out.dtype)


register(Conv2D, naive, fast)
