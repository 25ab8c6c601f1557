# SPDX-License-Identifier: Apache-2.0
"""Layers that only rearrange elements, as slices, pads, reshapes and transpositions of at most four axes."""

from __future__ import annotations

from esl_ref.floating import graph as f
from esl_ref.frontends.darknet import layers as d
from esl_ref.frontends.darknet.builder import Builder, Dims

__all__ = ["channels", "fitted", "from_planes", "reorg", "sliced"]


def sliced(b: Builder, name: str, source: str, begin: Dims, end: Dims, stride: Dims = (1, 1, 1, 1)) -> str:
    """`source` itself where nothing is cut off."""
    shape = tuple(-(-(high - low) // step) for low, high, step in zip(begin, end, stride, strict=True))
    return source if shape == b.shapes[source] else b.add(f.Slice, name, [source], shape, begin, end, stride)


def channels(b: Builder, name: str, source: str, limits: tuple[int, int]) -> str:
    """Channels [low, high) of `source`."""
    _, h, w, _ = b.shapes[source]
    return sliced(b, name, source, (0, 0, 0, limits[0]), (1, h, w, limits[1]))


def fitted(b: Builder, name: str, source: str, shape: d.Shape) -> str:
    """A map that a shortcut adds, brought to the shape of the other one.

    Where it is larger, every stride-th row and column is taken; where it is smaller, zeros lie between its rows and
    columns. Channels are cut off, or filled up with zeros.
    """
    _, h, w, c = b.shapes[source]
    stride, sample = max(1, h // shape[0]), max(1, shape[0] // h)
    part = sliced(b, f"{name}.part", source, (0, 0, 0, 0), (1, h, w, min(c, shape[2])), (1, stride, stride, 1))
    part = _spread(b, name, part, sample)
    missing = shape[2] - b.shapes[part][3]
    if missing == 0:
        return part
    return b.add(f.Pad, f"{name}.filled", [part], (1, *shape), ((0, 0), (0, 0), (0, 0), (0, missing)))


def _spread(b: Builder, name: str, source: str, sample: int) -> str:
    """sample - 1 zeros after every row and every column: [rows, 1, ...] is padded to [rows, sample, ...]."""
    if sample == 1:
        return source
    _, h, w, c = b.shapes[source]
    gap = ((0, 0), (0, sample - 1), (0, 0), (0, 0))
    rows = b.reshape(f"{name}.rows", source, (h, 1, w, c))
    rows = b.add(f.Pad, f"{name}.rows_apart", [rows], (h, sample, w, c), gap)
    columns = b.reshape(f"{name}.columns", rows, (h * sample * w, 1, 1, c))
    columns = b.add(f.Pad, f"{name}.columns_apart", [columns], (h * sample * w, sample, 1, c), gap)
    return b.reshape(f"{name}.spread", columns, (1, h * sample, w * sample, c))


def from_planes(b: Builder, name: str, source: str, shape: d.Shape) -> str:
    """The map [1, H, W, C] of elements that are in Darknet's order: channels, rows, columns."""
    h, w, c = shape
    planes = b.reshape(f"{name}.planes", source, (1, c, h, w))
    return b.transpose(name, planes, (0, 2, 3, 1))


def reorg(layer: d.Reorg, b: Builder) -> str:
    """Darknet's reorg of a map with c channels, h rows, w columns, stride s and d = c / s^2.

    It reads its input as if it were [d, h s, w s], whose elements it has the number of, takes those apart into
    [s, s, d, h, w], and calls the result [c s^2, h / s, w / s]. Reversed, it undoes the first step only: [c, h, w]
    read as [s, s, d, h, w] becomes [d, h s, w s].
    """
    name, s = layer.name, layer.stride
    h, w, c = layer.ifm
    source = b.tensor[layer.inputs[0]]
    if layer.extra:
        flat = b.flat(name, source)
        made = b.add(f.Pad, name, [flat], (1, layer.shape[2]), ((0, 0), (0, layer.extra)))
        return made
    if s == 1:
        return source
    rows = c // (s * s) * h
    planes = b.flat(name, b.as_map(name, source))
    if layer.reverse:
        taps = b.transpose(f"{name}.taps", b.reshape(f"{name}.cells", planes, (s, s, rows, w)), (2, 0, 3, 1))
    else:
        taps = b.transpose(f"{name}.taps", b.reshape(f"{name}.cells", planes, (rows, s, w, s)), (1, 3, 0, 2))
    return from_planes(b, name, taps, layer.shape)
