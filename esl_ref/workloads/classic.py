# SPDX-License-Identifier: Apache-2.0
"""AlexNet, VGG16, SqueezeNet 1.1, ResNet18 and ResNet50, as torchvision builds them (224 x 224 x 3)."""

from __future__ import annotations

from esl_ref.workloads.builder import Builder
from esl_ref.workloads.graph import ShapeGraph

__all__ = ["alexnet", "resnet18", "resnet50", "squeezenet11", "vgg16"]

_IMAGE = (224, 224, 3)


def alexnet() -> ShapeGraph:
    """The one-tower AlexNet of Krizhevsky, "One weird trick for parallelizing convolutional neural networks" (2014)."""
    b = Builder("alexnet", _IMAGE)
    b.conv(64, 11, 4, 2)
    b.max_pool(3, 2)
    b.conv(192, 5)
    b.max_pool(3, 2)
    for channels in (384, 256, 256):
        b.conv(channels, 3)
    b.max_pool(3, 2)
    for channels in (4096, 4096, 1000):
        b.dense(channels)
    return b.build()


def vgg16() -> ShapeGraph:
    """Configuration D of Simonyan and Zisserman, "Very deep convolutional networks" (ICLR 2015)."""
    b = Builder("vgg16", _IMAGE)
    for channels, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(depth):
            b.conv(channels, 3)
        b.max_pool(2)
    for channels in (4096, 4096, 1000):
        b.dense(channels)
    return b.build()


def squeezenet11() -> ShapeGraph:
    """SqueezeNet 1.1 of Iandola et al. (2016): fire modules squeeze by 1x1, expand by 1x1 beside 3x3."""
    b = Builder("squeezenet11", _IMAGE)

    def fire(squeeze: int, expand: int) -> None:
        s = b.conv(squeeze)
        b.concat(b.conv(expand, source=s), b.conv(expand, 3, source=s))

    b.conv(64, 3, 2, "valid")
    b.max_pool(3, 2, ceil=True)
    fire(16, 64)
    fire(16, 64)
    b.max_pool(3, 2, ceil=True)
    fire(32, 128)
    fire(32, 128)
    b.max_pool(3, 2, ceil=True)
    for squeeze, expand in ((48, 192), (48, 192), (64, 256), (64, 256)):
        fire(squeeze, expand)
    b.conv(1000)
    b.mean()
    return b.build()


def _stem(name: str) -> Builder:
    b = Builder(name, _IMAGE)
    b.conv(64, 7, 2, 3, norm=True)
    b.max_pool(3, 2, 1)
    return b


def resnet18() -> ShapeGraph:
    """He et al., "Deep residual learning for image recognition" (CVPR 2016)."""
    b = _stem("resnet18")
    for stage, channels in enumerate((64, 128, 256, 512)):
        for block in range(2):
            source, stride = b.last, 2 if stage and not block else 1
            b.conv(channels, 3, stride, 1, norm=True)
            main = b.conv(channels, 3, norm=True)
            skip = b.conv(channels, 1, stride, 0, source=source, norm=True) if stride > 1 else source
            b.add(main, skip)
    b.mean()
    b.dense(1000)
    return b.build()


def resnet50() -> ShapeGraph:
    """Bottleneck variant with the stride in the 3x3 convolution (torchvision's, called v1.5)."""
    b = _stem("resnet50")
    for stage, (channels, depth) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3))):
        for block in range(depth):
            source, stride = b.last, 2 if stage and not block else 1
            b.conv(channels, norm=True)
            b.conv(channels, 3, stride, 1, norm=True)
            main = b.conv(4 * channels, norm=True)
            skip = b.conv(4 * channels, 1, stride, 0, source=source, norm=True) if not block else source
            b.add(main, skip)
    b.mean()
    b.dense(1000)
    return b.build()
