# SPDX-License-Identifier: Apache-2.0
"""YOLOv2, Tiny-YOLOv2 and Tiny-YOLOv3 as Darknet's configuration files describe them; the heads run on the host.

Leaky activations belong to their convolution (a table in the post-processor), so they are no nodes of their own.
"""

from __future__ import annotations

from esl_ref.workloads.builder import Builder
from esl_ref.workloads.graph import ShapeGraph

__all__ = ["tiny_yolo_v2", "tiny_yolo_v3", "yolo_v2"]


def yolo_v2(size: int = 608) -> ShapeGraph:
    """Redmon and Farhadi, "YOLO9000: better, faster, stronger" (CVPR 2017), COCO head."""
    b = Builder("yolo_v2", (size, size, 3))

    def conv(channels: int, kernel: int, source: str | None = None) -> str:
        return b.conv(channels, kernel, source=source, norm=True)

    for channels in (32, 64):
        conv(channels, 3)
        b.max_pool(2)
    for wide in (128, 256):
        for channels, kernel in ((wide, 3), (wide // 2, 1), (wide, 3)):
            conv(channels, kernel)
        b.max_pool(2)
    for channels, kernel in ((512, 3), (256, 1), (512, 3), (256, 1), (512, 3)):
        fine = conv(channels, kernel)
    b.max_pool(2)
    for channels, kernel in ((1024, 3), (512, 1), (1024, 3), (512, 1), (1024, 3), (1024, 3), (1024, 3)):
        coarse = conv(channels, kernel)
    conv(64, 1, fine)
    b.concat(b.reorg(2), coarse)
    conv(1024, 3)
    b.conv(425)
    return b.build()


def tiny_yolo_v2(size: int = 416) -> ShapeGraph:
    """The COCO variant (yolov2-tiny.cfg)."""
    b = Builder("tiny_yolo_v2", (size, size, 3))
    for k, channels in enumerate((16, 32, 64, 128, 256, 512)):
        b.conv(channels, 3, norm=True)
        b.max_pool(2, 1 if k == 5 else 2, "same")
    b.conv(1024, 3, norm=True)
    b.conv(512, 3, norm=True)
    b.conv(425)
    return b.build()


def tiny_yolo_v3(size: int = 416) -> ShapeGraph:
    """Redmon and Farhadi, "YOLOv3: an incremental improvement" (2018), tiny variant with two heads."""
    b = Builder("tiny_yolo_v3", (size, size, 3))
    taps = []
    for k, channels in enumerate((16, 32, 64, 128, 256, 512)):
        taps.append(b.conv(channels, 3, norm=True))
        b.max_pool(2, 1 if k == 5 else 2, "same")
    b.conv(1024, 3, norm=True)
    neck = b.conv(256, norm=True)
    b.conv(512, 3, norm=True)
    coarse = b.conv(255)
    b.conv(128, source=neck, norm=True)
    b.concat(b.upsample(2), taps[4])
    b.conv(256, 3, norm=True)
    return b.build(coarse, b.conv(255))
