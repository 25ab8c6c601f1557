# SPDX-License-Identifier: Apache-2.0
"""Convolutions on float32 maps [1, H, W, C], in blocks of output rows, so that the workspace stays bounded.

Dense and grouped convolutions gather the taps of a block into a matrix and leave the sums to one BLAS product;
depthwise ones, whose product would be mostly copying, multiply and add tap by tap.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from esl_ref.errors import ModelError
from esl_ref.floating.graph import Conv, Dense, Local, Parameter
from esl_ref.floating.kernels_window import (
    WORKSPACE,
    FloatArray,
    activated,
    as_map,
    columns,
    map_size,
    rows_per_block,
    slab,
)
from esl_ref.ops.windows import tap_view

__all__ = ["conv", "dense", "local"]

_THIN = 32
"""Channels per matrix product below which groups are merged."""


def _values(parameter: Parameter, like: FloatArray) -> FloatArray:
    """The parameter in the type that the layer computes in."""
    return parameter.load().astype(like.dtype, copy=False)


def _blocks(op: Conv, ifm: FloatArray, out: tuple[int, int], step: int) -> Iterator[tuple[int, int, FloatArray]]:
    """(first output row, number of rows, the input rows they need) for every block."""
    reach = (op.weight.shape[1] - 1) * op.dilation[0] + 1
    for y in range(0, out[0], step):
        count = min(step, out[0] - y)
        yield y, count, slab(ifm, y * op.stride[0], (count - 1) * op.stride[0] + reach, op.padding)


def _depthwise(op: Conv, rows: FloatArray, weight: FloatArray, out: FloatArray) -> None:
    """Output channel c * m + k is input channel c filtered by weight c * m + k: tap by tap into `out` [1, H, W, O]."""
    kernel, multiplier = op.weight.shape[1:3], out.shape[3] // rows.shape[3]
    if multiplier > 1:
        rows = np.repeat(rows, multiplier, axis=3)
    taps = np.ascontiguousarray(weight.reshape(out.shape[3], -1).T)
    product = np.empty_like(out)
    out[...] = 0
    for index, tap in enumerate(np.ndindex(*kernel)):
        view = tap_view(rows, (tap[0], tap[1]), (out.shape[1], out.shape[2]), op.stride, op.dilation)
        out += np.multiply(view, taps[index], out=product)


def _merged(op: Conv, weight: FloatArray, merge: int) -> Iterator[tuple[int, int, FloatArray]]:
    """(first input channel, first output channel, block-diagonal weights [units, KH * KW * channels]) of `merge`
    neighbouring groups, which meet each other's channels with zeros."""
    _, kh, kw, depth = op.weight.shape
    units = len(weight) // op.groups
    taps = weight.reshape(op.groups, units, kh * kw, depth)
    for g in range(0, op.groups, merge):
        block = np.zeros((merge, units, kh * kw, merge, depth), weight.dtype)
        for k in range(merge):
            block[k, :, :, k] = taps[g + k]
        yield g * depth, g * units, block.reshape(merge * units, -1)


def _grouped(op: Conv, rows: FloatArray, weight: FloatArray, out: FloatArray) -> None:
    """One matrix product per few groups. Merging thin groups multiplies zeros, which costs less than copying and
    multiplying matrices of a few columns."""
    _, kh, kw, depth = op.weight.shape
    merge = next(m for m in range(min(op.groups, -(-_THIN // depth)), 0, -1) if op.groups % m == 0)
    for first, start, block in _merged(op, weight, merge):
        part = rows[..., first : first + merge * depth]
        matrix = columns(part, (kh, kw), (out.shape[1], out.shape[2]), op.stride, op.dilation)
        out[..., start : start + len(block)] = (matrix @ block.T).reshape(*out.shape[:3], len(block))


def _dense_block(op: Conv, rows: FloatArray, weight: FloatArray, out: FloatArray) -> None:
    _, kh, kw, _ = op.weight.shape
    matrix = columns(rows, (kh, kw), (out.shape[1], out.shape[2]), op.stride, op.dilation)
    np.matmul(matrix, weight.T, out=out.reshape(-1, out.shape[3]))


def conv(op: Conv, inputs: Sequence[FloatArray]) -> FloatArray:
    """out[y, x, o] = activation(bias[o] + sum over (ky, kx, i) inside the map of ifm * weight)."""
    where = f"layer '{op.name}'"
    ifm = as_map(inputs[0], where)
    units, kh, kw, depth = op.weight.shape
    if depth * op.groups != ifm.shape[3] or units % op.groups:
        raise ModelError(f"weights {list(op.weight.shape)} in {op.groups} groups do not fit {ifm.shape[3]} channels",
                         where=where)  # fmt: skip
    oh, ow = map_size(ifm.shape, (kh, kw), op.stride, op.dilation, op.padding, where)
    weight, bias = _values(op.weight, ifm).reshape(units, -1), _values(op.bias, ifm)
    if depth == 1 and op.groups > 1:
        step, block = rows_per_block(ow, 4 * units), _depthwise
    else:
        grouped = op.groups > 1
        step = rows_per_block(ow, kh * kw * (max(depth, _THIN) if grouped else depth))
        block = _grouped if grouped else _dense_block
    result = np.empty((1, oh, ow, units), ifm.dtype)
    for y, count, rows in _blocks(op, ifm, (oh, ow), step):
        part = result[:, y : y + count]
        block(op, rows, weight, part)
        part += bias
        activated(op.activation, part)
    return result


def _parts(parameter: Parameter, step: int) -> Iterator[tuple[int, FloatArray]]:
    """(first entry, entries) of the first axis, `step` at a time where they can be read so, else all at once."""
    if parameter.parts is None:
        yield 0, parameter.load()
    else:
        yield from parameter.parts(step)


def dense(op: Dense, inputs: Sequence[FloatArray]) -> FloatArray:
    """activation(weight @ x + bias) for every row of I elements in the input's own order; [rows, O]."""
    units, depth = op.weight.shape
    if inputs[0].size % depth:
        raise ModelError(f"{inputs[0].size} inputs for weights {list(op.weight.shape)}", where=f"layer '{op.name}'")
    rows = inputs[0].reshape(-1, depth)
    sums = np.empty((len(rows), units), rows.dtype)
    for first, weight in _parts(op.weight, max(1, WORKSPACE // depth)):
        np.matmul(rows, weight.astype(rows.dtype, copy=False).T, out=sums[:, first : first + len(weight)])
    sums += _values(op.bias, rows)
    return activated(op.activation, sums)


def local(op: Local, inputs: Sequence[FloatArray]) -> FloatArray:
    """A convolution whose weights differ from place to place, row by row of the output."""
    where = f"layer '{op.name}'"
    ifm = as_map(inputs[0], where)
    oh, ow, units, kh, kw, depth = op.weight.shape
    if map_size(ifm.shape, (kh, kw), op.stride, (1, 1), op.padding, where) != (oh, ow) or depth != ifm.shape[3]:
        raise ModelError(f"weights {list(op.weight.shape)} do not fit an input of {list(ifm.shape)}", where=where)
    bias = _values(op.bias, ifm)
    result = np.empty((1, oh, ow, units), ifm.dtype)
    for first, weights in _parts(op.weight, 1):
        for y, weight in enumerate(weights, first):
            rows = slab(ifm, y * op.stride[0], kh, op.padding)
            patches = columns(rows, (kh, kw), (1, ow), op.stride, (1, 1))
            sums = weight.reshape(ow, units, -1).astype(ifm.dtype, copy=False) @ patches[:, :, None]
            result[0, y] = op.activation(sums[:, :, 0] + bias[y])
    return result
