# SPDX-License-Identifier: Apache-2.0
"""Tensors of the integer graph, and the small records that operators share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Act", "Padding", "Quant", "Tensor"]


@dataclass(frozen=True)
class Quant:
    """real = scale * (q - zero_point); one entry per tensor, or one per index of `axis`."""

    scale: tuple[float, ...]
    zero_point: tuple[int, ...]
    axis: int | None = None


@dataclass(frozen=True)
class Tensor:
    """A named tensor; `data` is set for constants. `shape` has batch 1 first where the model has a batch.

    `file_offset` is 128 for a tensor that is uint8 in the model file and was re-biased on import: the file's value
    is q + file_offset. `file_axes` is for a tensor whose axes the model file has in another order (NCHW): axis k here
    is the file's axis file_axes[k]; empty where the orders agree.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    quant: Quant | None = None
    data: npt.NDArray[Any] | None = None
    file_offset: int = 0
    file_axes: tuple[int, ...] = ()

    @property
    def elements(self) -> int:
        """How many values it has."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """Bytes, packed."""
        return self.elements * self.dtype.itemsize

    @property
    def is_const(self) -> bool:
        """Whether its values are part of the model."""
        return self.data is not None


@dataclass(frozen=True)
class Padding:
    """Rows and columns of zero-valued elements around the input feature map."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0


@dataclass(frozen=True)
class Act:
    """Output zero point and clamp bounds, in output units: q = clamp(value + zero_point, low, high)."""

    zero_point: int = 0
    low: int = -128
    high: int = 127
