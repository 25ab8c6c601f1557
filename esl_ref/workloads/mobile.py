# SPDX-License-Identifier: Apache-2.0
"""MobileNet V1 and V2 with width multiplier and resolution, and SSD-MobileNetV1."""

from __future__ import annotations

from esl_ref.workloads.builder import Builder
from esl_ref.workloads.graph import Kind, ShapeGraph

__all__ = ["mobilenet_v1", "mobilenet_v2", "ssd_mobilenet_v1"]


def _body_v1(b: Builder, width: float) -> dict[int, str]:
    """The 13 separable blocks; block number -> name of its pointwise output."""
    b.conv(int(32 * width), 3, 2, norm=True)
    plan = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))
    taps = {}
    for k, (channels, stride) in enumerate(plan, 1):
        b.depthwise(3, stride, norm=True)
        taps[k] = b.conv(int(channels * width), norm=True)
    return taps


def mobilenet_v1(width: float = 1.0, size: int = 224, classes: int = 1000, name: str = "mobilenet_v1") -> ShapeGraph:
    """Howard et al., "MobileNets: efficient convolutional neural networks for mobile vision applications" (2017)."""
    b = Builder(name, (size, size, 3))
    _body_v1(b, width)
    b.mean()
    b.dense(classes)
    return b.build()


def _divisible(value: float, divisor: int = 8) -> int:
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


def mobilenet_v2(width: float = 1.0, size: int = 224, classes: int = 1000, name: str = "mobilenet_v2") -> ShapeGraph:
    """Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks" (CVPR 2018)."""
    b = Builder(name, (size, size, 3))
    b.conv(_divisible(32 * width), 3, 2, norm=True)
    for expand, channels, depth, first in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
                                           (6, 160, 3, 2), (6, 320, 1, 1)):  # fmt: skip
        for block in range(depth):
            source, stride, out = b.last, 1 if block else first, _divisible(channels * width)
            inside = b.shape()[2]
            if expand > 1:
                b.conv(inside * expand, norm=True)
            b.depthwise(3, stride, norm=True)
            main = b.conv(out, norm=True)
            if stride == 1 and inside == out:
                b.add(main, source)
    b.conv(_divisible(1280 * max(1.0, width)), norm=True)
    b.mean()
    b.dense(classes)
    return b.build()


def ssd_mobilenet_v1(width: float = 0.75, size: int = 300, classes: int = 91) -> ShapeGraph:
    """Single-shot detector (Liu et al., ECCV 2016) on MobileNetV1, six maps; box decoding is left to the host."""
    b = Builder("ssd_mobilenet_v1_075", (size, size, 3))
    taps = _body_v1(b, width)
    maps = [taps[11], taps[13]]
    for squeeze, channels in ((256, 512), (128, 256), (128, 256), (64, 128)):
        b.conv(int(squeeze * width), norm=True)
        maps.append(b.conv(int(channels * width), 3, 2, norm=True))
    outputs: list[str] = []
    for k, source in enumerate(maps):
        anchors = 3 if k == 0 else 6
        outputs.append(b.conv(anchors * 4, source=source))
        b.conv(anchors * classes, source=source)
        outputs.append(b.table(kind=Kind.TABLE))
    return b.build(*outputs)
