# SPDX-License-Identifier: Apache-2.0
"""Layers that compute: convolutions, fully connected ones, pooling and activations."""

from __future__ import annotations

from esl_ref.errors import ModelError, UnsupportedError
from esl_ref.floating.activation import Activation, Function
from esl_ref.frontends.darknet.context import Context, activation_of, windows
from esl_ref.frontends.darknet.layers import Activated, AvgPool, Connected, Convolutional, Layer, Local, MaxPool
from esl_ref.frontends.darknet.sections import Section
from esl_ref.ir import Padding

__all__ = ["activation", "avgpool", "connected", "convolutional", "local", "logistic", "maxpool"]


def _strides(section: Section) -> tuple[int, int]:
    """(rows, columns)."""
    stride = section.number("stride", 1, low=1)
    return section.number("stride_y", stride, low=1), section.number("stride_x", stride, low=1)


def convolutional(section: Section, context: Context) -> Layer:
    """`pad` is a switch for half the kernel, `padding` a number. The size of the output forgets dilation, so that only
    dilations with matching padding make sense."""
    h, w, c = context.ifm(section)
    size, stride = section.number("size", 1, low=1), _strides(section)
    groups, filters = section.number("groups", 1, low=1), section.number("filters", 1, low=1)
    pad = size // 2 if section.flag("pad") else section.number("padding", 0, low=0)
    dilation = section.number("dilation", 1, low=1) if size > 1 else 1
    shape = tuple(windows(section, n, 2 * pad, size, s) for n, s in zip((h, w), stride, strict=True))
    if c % groups or filters % groups:
        raise ModelError(f"{groups} groups do not divide {c} channels into {filters} filters",
                         where=section.place("groups"))  # fmt: skip
    reach, border = dilation * (size - 1) + 1, 2 * pad * dilation
    if any(n + border < reach or (n + border - reach) // s + 1 != m
           for n, s, m in zip((h, w), stride, shape, strict=True)):  # fmt: skip
        raise UnsupportedError(f"dilation {dilation} with padding {pad} gives a map of another size than Darknet's",
                               where=section.place("dilation"), hint="use pad=1")  # fmt: skip
    flipped = section.flag("flipped")
    if flipped and groups > 1:
        raise UnsupportedError("flipped weights with groups are not supported", where=section.place("flipped"))
    return Convolutional(
        section, "convolutional", context.index, (context.previous,), (h, w, c), (shape[0], shape[1], filters),
        size, stride, pad * dilation, dilation, groups, section.flag("batch_normalize"),
        activation_of(section, "logistic"), flipped,
    )  # fmt: skip


def connected(section: Section, context: Context) -> Layer:
    """[connected]."""
    units = section.number("output", 1, low=1)
    return Connected(
        section, "connected", context.index, (context.previous,), context.ifm(section), (1, 1, units),
        section.flag("batch_normalize"), activation_of(section, "logistic"),
    )  # fmt: skip


def local(section: Section, context: Context) -> Layer:
    """Here `pad` is one row of padding whatever the kernel's size, and the output as large as with a 3 x 3 kernel."""
    h, w, c = context.ifm(section)
    size, stride = section.number("size", 1, low=1), section.number("stride", 1, low=1)
    pad = int(section.flag("pad"))
    shape = tuple((n - (1 if pad else size)) // stride + 1 for n in (h, w))
    if shape != tuple(windows(section, n, 2 * pad, size, stride) for n in (h, w)):
        raise UnsupportedError(f"size {size} with pad = {pad} reads beyond its columns in Darknet", where=section.where,
                               hint="use size=3 with pad=1, or pad=0")  # fmt: skip
    return Local(
        section, "local", context.index, (context.previous,), (h, w, c),
        (shape[0], shape[1], section.number("filters", 1, low=1)), size, stride, pad,
        activation_of(section, "logistic"),
    )  # fmt: skip


def maxpool(section: Section, context: Context) -> Layer:
    """`padding` counts both sides together, size - 1 unless given; the smaller half is above and to the left."""
    h, w, c = context.ifm(section)
    stride = _strides(section)
    size = section.number("size", section.number("stride", 1, low=1), low=1)
    total = section.number("padding", size - 1, low=0)
    if (total + 1) // 2 >= size:
        raise UnsupportedError(f"padding {total} makes windows of {size} that lie outside the map",
                               where=section.place("padding"))  # fmt: skip
    sides, shape = [], []
    for n, step in zip((h, w), stride, strict=True):
        count = windows(section, n, total, size, step)
        shape.append(count)
        # What the last window reads: with a stride that is more, or less, than `total` leaves.
        sides += [total // 2, max(0, (count - 1) * step + size - n - total // 2)]
    return MaxPool(section, "maxpool", context.index, (context.previous,), (h, w, c), (shape[0], shape[1], c), size,
                   stride, Padding(*sides))  # fmt: skip


def avgpool(section: Section, context: Context) -> Layer:
    """[avgpool]: always over the whole map."""
    ifm = context.ifm(section)
    return AvgPool(section, "avgpool", context.index, (context.previous,), ifm, (1, 1, ifm[2]))


def _activated(section: Section, context: Context, kind: str, function: Activation) -> Layer:
    ifm = context.ifm(section)
    return Activated(section, kind, context.index, (context.previous,), ifm, ifm, function)


def activation(section: Section, context: Context) -> Layer:
    """[activation], a layer of its own."""
    return _activated(section, context, "activation", activation_of(section, "linear"))


def logistic(section: Section, context: Context) -> Layer:
    """[logistic]."""
    return _activated(section, context, "logistic", Activation(Function.LOGISTIC))
