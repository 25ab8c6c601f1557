# SPDX-License-Identifier: Apache-2.0
"""Axis orders: a graph is NHWC, a model file may be NCHW.

`axes` says where a tensor's axes come from: axis k here is the file's axis axes[k]; () where the orders agree.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Axes", "file_shape", "in_file_order", "in_graph_order"]

Array = npt.NDArray[Any]
Axes = tuple[int, ...]


def file_shape(shape: tuple[int, ...], axes: Axes) -> tuple[int, ...]:
    """The shape that a tensor of `shape` has in the file."""
    by_axis = dict(zip(axes, shape, strict=False))
    return tuple(by_axis[axis] for axis in sorted(by_axis)) if axes else shape


def in_graph_order(value: Array, axes: Axes) -> Array:
    """An array in the file's order as the graph has it."""
    return np.ascontiguousarray(value.transpose(axes)) if axes else value


def in_file_order(value: Array, axes: Axes) -> Array:
    """An array in the graph's order as the file has it."""
    return np.ascontiguousarray(value.transpose(np.argsort(axes))) if axes else value
