# SPDX-License-Identifier: Apache-2.0
"""Small random topologies with every edge that streams or tiles: strides, odd sizes, residuals, concats, upsampling."""

from __future__ import annotations

import numpy as np

from esl_ref.ir import Graph
from esl_ref.workloads.builder import Builder
from esl_ref.workloads.graph import Kind
from esl_ref.workloads.seeded import seeded

__all__ = ["random_net"]


class _Net:
    def __init__(self, seed: int, channels: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.b = Builder(f"net{seed}", (self.any(6, 17), self.any(5, 14), self.any(1, 5)))
        self.channels = channels

    def any(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def width(self) -> int:
        return self.any(1, self.channels)

    def window(self) -> None:
        """A convolution, depthwise convolution or pool that leaves at least three rows and columns."""
        small = min(self.b.shape()[:2]) < 6
        kernel, stride = (self.any(1, 3), self.any(1, 4)), 1 if small else self.any(1, 2)
        pick = self.any(0, 3)
        if pick == 0:
            self.b.conv(self.width(), kernel, stride)
        elif pick == 1:
            self.b.depthwise(self.any(1, 5), stride)
        elif pick == 2:
            self.b.conv(self.width(), 3, 1, (0, 2, 1, 0) if not small else "same")
        else:
            self.b.pool(Kind.MAX_POOL if self.any(0, 1) else Kind.AVG_POOL, (2, 3), stride, "same")

    def branch(self) -> None:
        """Two ways from one tensor, joined by a sum or a concatenation."""
        source = self.b.last
        left = self.b.conv(channels := self.width(), 3, source=source)
        right = self.b.conv(channels, self.any(1, 5), source=source)
        if self.any(0, 1):
            self.b.add(left, right)
        else:
            self.b.concat(left, right)

    def step(self) -> None:
        pick = self.any(0, 9)
        if pick < 6:
            self.window()
        elif pick < 8:
            self.branch()
        elif pick == 8:
            self.b.table()
        elif max(self.b.shape()[:2]) < 16:
            self.b.upsample(2)


def random_net(seed: int, steps: int = 5, channels: int = 20) -> Graph:
    """About `steps` layers with seeded weights; the same arguments give the same graph."""
    net = _Net(seed, channels)
    net.window()
    for _ in range(steps - 1):
        net.step()
    return seeded(net.b.build(), seed)
