# SPDX-License-Identifier: Apache-2.0
"""The last layers: softmax and the detection heads."""

from __future__ import annotations

from esl_ref.detection.heads import DetectionHead, Head, RegionHead, YoloHead
from esl_ref.errors import ModelError, UnsupportedError
from esl_ref.frontends.darknet.context import Context
from esl_ref.frontends.darknet.layers import Detect, Layer, Shape, Softmax
from esl_ref.frontends.darknet.sections import Section

__all__ = ["detection", "region", "softmax", "yolo"]


def softmax(section: Section, context: Context) -> Layer:
    """[softmax], over the whole input or in groups of it."""
    ifm = context.ifm(section)
    elements = ifm[0] * ifm[1] * ifm[2]
    groups = section.number("groups", 1, low=1)
    temperature = section.real("temperature", 1.0)
    if elements % groups:
        raise ModelError(f"{groups} groups do not divide {elements} elements", where=section.place("groups"))
    if temperature <= 0:
        raise ModelError(f"temperature {temperature} must be positive", where=section.place("temperature"))
    return Softmax(section, "softmax", context.index, (context.previous,), ifm, ifm, groups, temperature,
                   section.text("tree", ""))  # fmt: skip


def _anchors(section: Section, count: int) -> tuple[tuple[float, float], ...]:
    """`count` pairs; without the option Darknet's default of half a cell or pixel."""
    values = section.reals("anchors") or [0.5] * (2 * count)
    if len(values) < 2 * count:
        raise ModelError(f"{len(values)} numbers are too few for {count} anchors", where=section.place("anchors"))
    return tuple(zip(values[0 : 2 * count : 2], values[1 : 2 * count : 2], strict=True))


# Heads get the name of their tensor when the graph is made.


def _detect(section: Section, context: Context, head: Head, need: int, have: int, of: str) -> Layer:
    if need != have:
        raise ModelError(f"needs {need:,} {of}, the layer before it has {have:,}", where=section.where,
                         hint="filters or output there must fit classes, num and mask here")  # fmt: skip
    ifm = context.ifm(section)
    return Detect(section, section.kind, context.index, (context.previous,), ifm, ifm, head)


def _size(context: Context) -> tuple[int, int]:
    return context.input[:2]


def _classes(section: Section, default: int) -> int:
    return section.number("classes", default, 1, 1 << 20)


def yolo(section: Section, context: Context) -> Layer:
    """[yolo]: detections of YOLOv3 and later, of the anchors that `mask` names."""
    total = section.number("num", 1, 1, 1 << 16)
    mask = section.numbers("mask") or list(range(total))
    if any(not 0 <= k < total for k in mask):
        raise ModelError(f"mask names anchors beyond num = {total}", where=section.place("mask"))
    anchors = _anchors(section, total)
    head = YoloHead("", _size(context), _classes(section, 20), tuple(anchors[k] for k in mask),
                    section.real("scale_x_y", 1.0), section.flag("new_coords"))  # fmt: skip
    return _detect(section, context, head, head.channels, _channels(section, context), "channels")


def region(section: Section, context: Context) -> Layer:
    """[region]: detections of YOLOv2."""
    coords = section.number("coords", 4, 4, 64)
    count = section.number("num", 1, 1, 1 << 16)
    if section.flag("background"):
        raise UnsupportedError("a background class is not supported", where=section.place("background"))
    head = RegionHead("", _size(context), _classes(section, 20), _anchors(section, count), coords,
                      section.flag("softmax"), section.text("tree", ""))  # fmt: skip
    return _detect(section, context, head, head.channels, _channels(section, context), "channels")


def _channels(section: Section, context: Context) -> int:
    shape: Shape = context.ifm(section)
    return shape[2]


def detection(section: Section, context: Context) -> Layer:
    """[detection]: detections of YOLOv1, out of a fully connected layer."""
    coords = section.number("coords", 1)
    if coords != 4:
        raise UnsupportedError(f"{coords} coordinates per box, 4 are supported", where=section.place("coords"))
    head = DetectionHead("", _size(context), _classes(section, 1),
                         section.number("side", 7, 1, 1024), section.number("num", 1, 1, 1024),
                         section.flag("sqrt"), section.flag("softmax"))  # fmt: skip
    h, w, c = context.ifm(section)
    return _detect(section, context, head, head.elements, h * w * c, "values")
