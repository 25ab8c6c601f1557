# SPDX-License-Identifier: Apache-2.0
"""Pixels side by side on the output lanes: convolutions with few channels compute several pixels of a row at once.

Where output pixels lie next to each other, `n` of them are one pixel with `n` times the channels, and the layer is a
convolution with `n` times the column stride whose kernel is `n - 1` strides wider: pixel `p` has its weights `p`
strides further right and zeros elsewhere. All pixels of a group read the same input bytes, so what counts is how many
more accesses the wider kernel takes. A 3 x 3 kernel over 3 channels with stride 2 and 8 outputs takes 9 of 16 input
lanes and 8 of 16 output lanes; two pixels at once take 15 and 16.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from esl_ref.arch import Arch
from esl_ref.compiler.tasks import Task
from esl_ref.numerics import Requant
from esl_ref.ops.finish import per_channel

__all__ = ["best_count", "repeated", "widened"]

Ints = npt.NDArray[np.int64]


def best_count(arch: Arch, task: Task, outputs: int, channels: int) -> int:
    """How many pixels of a row to compute at once for the fewest cycles; 1 where they do not lie side by side.

    `outputs`, `channels`: of the convolution. Counted are array cycles and those that the weights take over the bus, of
    which the zeros of a wider kernel are some: few pixels do not repay them.
    """
    packed = task.ofm.pixel_stride == outputs and task.ifm.pixel_stride == channels and task.dilation[1] == 1
    if not packed or task.share:
        return 1

    def cycles(count: int) -> int:
        words = task.kernel[0] * -(-_wider(task, count) * channels // arch.lanes) * -(-count * outputs // arch.lanes)
        pixels = task.ofm.height * task.ofm.width // count
        return words * (pixels + arch.word_bytes // arch.axi_bytes)

    return min((n for n in range(1, arch.lanes + 1) if task.ofm.width % n == 0), key=cycles)


def _wider(task: Task, count: int) -> int:
    """Kernel columns of `count` pixels at once."""
    return task.kernel[1] + (count - 1) * task.stride[1]


def widened(task: Task, weight: Ints, count: int) -> tuple[Task, Ints]:
    """The same layer with `count` pixels as one, and its weights [count * O, KH, wider KW, I] of [O, KH, KW, I]."""
    outputs, rows, columns, channels = weight.shape
    wide = np.zeros((count, outputs, rows, _wider(task, count), channels), np.int64)
    for pixel in range(count):
        first = pixel * task.stride[1]
        wide[pixel, :, :, first : first + columns] = weight
    ofm = dataclasses.replace(
        task.ofm, width=task.ofm.width // count, channels=task.ofm.channels * count, pixel_stride=outputs * count
    )
    merged = task.replace(
        ofm=ofm, kernel=(rows, wide.shape[3]), stride=(task.stride[0], task.stride[1] * count), pixels=count
    )
    return merged, wide.reshape(count * outputs, rows, -1, channels)


def repeated(requant: Requant, count: int) -> Requant:
    """The scales of `count` pixels, one after the other."""
    return per_channel(requant, lambda values: np.tile(values, count))
