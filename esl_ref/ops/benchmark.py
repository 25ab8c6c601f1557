# SPDX-License-Identifier: Apache-2.0
"""How fast the golden convolution is, beside the float32 matrix product of the same machine in the same moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from esl_ref.ir import Act, Conv2D, Padding, Tensor
from esl_ref.numerics import Requant
from esl_ref.ops.conv2d import fast
from esl_ref.ops.registry import Array

__all__ = ["GoldenRate", "measure_golden_rate"]

_CHANNELS, _GEMM_SIDE = 64, 1024


@dataclass(frozen=True)
class GoldenRate:
    """Best times of one 3x3x64x64 layer and of one 1024^3 float32 GEMM. Rates are in MAC per second."""

    map_side: int
    layer_macs: int
    layer_seconds: float
    gemm_seconds: float

    @property
    def layer_rate(self) -> float:
        """MACs per second of the layer."""
        return self.layer_macs / self.layer_seconds

    @property
    def gemm_rate(self) -> float:
        """MACs per second of a plain matrix product on this machine."""
        return _GEMM_SIDE**3 / self.gemm_seconds

    @property
    def fraction(self) -> float:
        """Golden rate over GEMM rate; 0.3 is asked for."""
        return self.layer_rate / self.gemm_rate


def _layer(side: int, seed: int) -> tuple[Conv2D, Array, Tensor]:
    rng = np.random.default_rng(seed)
    op = Conv2D(
        "benchmark", ("ifm",), ("ofm",),
        weight=rng.integers(-127, 128, (_CHANNELS, 3, 3, _CHANNELS), np.int8),
        bias=rng.integers(-(1 << 12), 1 << 12, _CHANNELS, np.int32),
        requant=Requant(rng.integers(1 << 30, 1 << 31, _CHANNELS), np.full(_CHANNELS, -9)),
        act=Act(-3), zero_in=5, padding=Padding(1, 1, 1, 1),
    )  # fmt: skip
    ifm = rng.integers(-128, 128, (1, side, side, _CHANNELS), np.int8)
    return op, ifm, Tensor("ofm", ifm.shape, np.dtype(np.int8))


def _seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def measure_golden_rate(map_side: int = 56, repeats: int = 15, seed: int = 0) -> GoldenRate:
    """Best of `repeats` alternating runs, so that a busy moment of the machine hits both alike."""
    op, ifm, ofm = _layer(map_side, seed)
    square = np.random.default_rng(seed).standard_normal((_GEMM_SIDE, _GEMM_SIDE), np.float32)
    layer, gemm = [], []
    for _ in range(repeats):
        layer.append(_seconds(lambda: fast(op, [ifm], ofm)))
        gemm.append(_seconds(lambda: square @ square))
    macs = map_side * map_side * _CHANNELS * _CHANNELS * 9
    return GoldenRate(map_side, macs, min(layer), min(gemm))
