# SPDX-License-Identifier: Apache-2.0
"""Layers that move, join or add what others computed."""

from __future__ import annotations

from esl_ref.errors import ModelError, UnsupportedError
from esl_ref.frontends.darknet.context import Context, activation_of
from esl_ref.frontends.darknet.layers import Crop, Layer, Pass, Reorg, Route, Scale, Shape, Shortcut, Upsample
from esl_ref.frontends.darknet.sections import Section

__all__ = ["crop", "passed", "reorg", "route", "scale", "shortcut", "upsample"]


def route(section: Section, context: Context) -> Layer:
    """With `groups` every input gives its `group_id`-th part."""
    found = tuple(context.layer(section, "layers", number) for number in section.numbers("layers"))
    if not found:
        raise ModelError("names no layers", where=section.where)
    groups = section.number("groups", 1, low=1)
    part = section.number("group_id", 0, 0, groups - 1)
    shapes = [context.shape(index) for index in found]
    if any(shape[:2] != shapes[0][:2] for shape in shapes):
        raise ModelError(f"joins maps of different sizes {shapes}", where=section.place("layers"))
    if bad := [shape[2] for shape in shapes if shape[2] % groups]:
        raise ModelError(f"{groups} groups do not divide {bad[0]} channels", where=section.place("groups"))
    parts = tuple((shape[2] // groups * part, shape[2] // groups * (part + 1)) for shape in shapes)
    channels = sum(end - begin for begin, end in parts)
    return Route(section, "route", context.index, found, shapes[0], (*shapes[0][:2], channels), parts)


def shortcut(section: Section, context: Context) -> Layer:
    """Where shapes differ, Darknet adds every stride-th element of the larger, over the channels both have."""
    ifm = context.ifm(section)
    numbers = section.numbers("from")
    if len(numbers) != 1:
        raise UnsupportedError(f"adds {len(numbers)} layers, one is supported", where=section.place("from"))
    index = context.layer(section, "from", numbers[0])
    other = context.shape(index)
    alpha, beta = section.real("alpha", 1.0), section.real("beta", 1.0)
    if other != ifm:
        _check_unequal(section, ifm, other)
        if (alpha, beta) != (1.0, 1.0):
            raise UnsupportedError("alpha and beta with unequal shapes are not supported", where=section.where)
    return Shortcut(section, "shortcut", context.index, (context.previous, index), ifm, ifm, other,
                    activation_of(section, "linear"), alpha, beta)  # fmt: skip


def _check_unequal(section: Section, ifm: Shape, other: Shape) -> None:
    """Darknet asserts that both axes shrink by one factor; sizes that are no multiples it reads beyond their ends."""
    factors = {(a // b, b // a) for a, b in zip(other[:2], ifm[:2], strict=True)}
    if len(factors) != 1 or any(max(a, b) % min(a, b) for a, b in zip(other[:2], ifm[:2], strict=True)):
        raise ModelError(f"adds maps of {ifm} and {other}, whose sizes are no multiples", where=section.where)


def upsample(section: Section, context: Context) -> Layer:
    """[upsample]: nearest neighbour, by a whole factor."""
    h, w, c = context.ifm(section)
    stride = section.number("stride", 2)
    if stride < 1:
        raise UnsupportedError(f"stride {stride} is not supported", where=section.place("stride"))
    return Upsample(section, "upsample", context.index, (context.previous,), (h, w, c), (h * stride, w * stride, c),
                    stride, section.real("scale", 1.0))  # fmt: skip


def reorg(section: Section, context: Context) -> Layer:
    """To fewer rows and more channels, back with `reverse`; `extra` appends zeros to the flattened map instead."""
    h, w, c = context.ifm(section)
    stride, reverse = section.number("stride", 1, low=1), section.flag("reverse")
    extra = section.number("extra", 0, low=0)
    if extra:
        shape: Shape = (1, 1, h * w * c + extra)
    elif c % (stride * stride) or (not reverse and (h % stride or w % stride)):
        raise UnsupportedError(f"stride {stride} does not divide a map of {h}x{w}x{c}: Darknet reads beyond its end",
                               where=section.where)  # fmt: skip
    elif reverse:
        shape = (h * stride, w * stride, c // (stride * stride))
    else:
        shape = (h // stride, w // stride, c * stride * stride)
    return Reorg(section, "reorg", context.index, (context.previous,), (h, w, c), shape, stride, reverse, extra)


def crop(section: Section, context: Context) -> Layer:
    """In training a random part; in inference the middle."""
    h, w, c = context.ifm(section)
    high, wide = section.number("crop_height", 1, low=1), section.number("crop_width", 1, low=1)
    if high > h or wide > w:
        raise ModelError(f"crops {high}x{wide} out of {h}x{w}", where=section.where)
    return Crop(section, "crop", context.index, (context.previous,), (h, w, c), (high, wide, c),
                not section.flag("noadjust"))  # fmt: skip


def scale(section: Section, context: Context) -> Layer:
    """[scale_channels] multiplies the named map by the vector before it, [sam] two maps of one shape."""
    ifm = context.ifm(section)
    index = context.layer(section, "from", section.number("from"))
    other = context.shape(index)
    fits = ifm == (1, 1, other[2]) if section.kind == "scale_channels" else ifm == other
    if not fits:
        raise ModelError(f"multiplies maps of {ifm} and {other}", where=section.where)
    return Scale(section, section.kind, context.index, (index, context.previous), other, other,
                 activation_of(section, "linear"))  # fmt: skip


def passed(section: Section, context: Context) -> Layer:
    """A layer that changes nothing at inference, such as [dropout]."""
    ifm = context.ifm(section)
    return Pass(section, section.kind, context.index, (context.previous,), ifm, ifm)
