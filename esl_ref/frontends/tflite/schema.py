# SPDX-License-Identifier: Apache-2.0
"""A `.tflite` file as plain Python values: what the reader gives and the importers take.

No importer touches the flatbuffer; whatever can be wrong with the file's structure is found while reading it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

__all__ = ["FIXED", "FileModel", "FileOperator", "FileTensor", "OPTION_FIELDS"]


FIXED = "convert the model with a fixed input shape; only the batch may be open"
"""What to do about sizes that a file leaves open."""


@dataclass(frozen=True)
class FileTensor:
    """`type` is the schema's name (INT8, ...). `dynamic` marks dimensions the file leaves open. `data` is the
    constant's value in `shape`, or None."""

    index: int
    name: str
    shape: tuple[int, ...]
    dynamic: tuple[bool, ...]
    type: str
    scale: npt.NDArray[Any]
    zero_point: npt.NDArray[Any]
    axis: int
    data: npt.NDArray[Any] | None
    variable: bool

    @property
    def open_axes(self) -> tuple[int, ...]:
        """Axes behind the batch whose size nobody knows: open, and 1 only for want of a size."""
        sizes = enumerate(zip(self.shape, self.dynamic, strict=True))
        return tuple(axis for axis, (size, free) in sizes if axis and free and size == 1)


@dataclass(frozen=True)
class FileOperator:
    """`inputs` holds -1 for optional inputs left out; `options` is keyed by the schema's field names; a
    custom operator has one option, CustomOptions, which are bytes."""

    index: int
    code: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, Any]

    @property
    def label(self) -> str:
        return f"operator #{self.index} {self.code}"


@dataclass(frozen=True)
class FileModel:
    """One file with one subgraph. `metadata` are the named buffers that this product writes."""

    path: str
    name: str
    tensors: tuple[FileTensor, ...]
    operators: tuple[FileOperator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    metadata: Mapping[str, bytes] = field(default_factory=dict)


_FUSED = ("FusedActivationFunction",)
_DILATED = ("DilationWFactor", "DilationHFactor")
_WINDOW = ("Padding", "StrideW", "StrideH", *_FUSED)
_POOL = ("Pool2DOptions", (*_WINDOW, "FilterWidth", "FilterHeight"))

OPTION_FIELDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "ADD": ("AddOptions", _FUSED),
    "AVERAGE_POOL_2D": _POOL,
    "CONCATENATION": ("ConcatenationOptions", ("Axis", *_FUSED)),
    "CONV_2D": ("Conv2DOptions", (*_WINDOW, *_DILATED)),
    "DEPTHWISE_CONV_2D": ("DepthwiseConv2DOptions", (*_WINDOW, *_DILATED, "DepthMultiplier")),
    "DEPTH_TO_SPACE": ("DepthToSpaceOptions", ("BlockSize",)),
    "FULLY_CONNECTED": ("FullyConnectedOptions", (*_FUSED, "WeightsFormat", "KeepNumDims")),
    "GATHER": ("GatherOptions", ("Axis", "BatchDims")),
    "LEAKY_RELU": ("LeakyReluOptions", ("Alpha",)),
    "MAX_POOL_2D": _POOL,
    "MEAN": ("ReducerOptions", ("KeepDims",)),
    "MUL": ("MulOptions", _FUSED),
    "PACK": ("PackOptions", ("ValuesCount", "Axis")),
    "REDUCE_MAX": ("ReducerOptions", ("KeepDims",)),
    "REDUCE_PROD": ("ReducerOptions", ("KeepDims",)),
    "RESIZE_NEAREST_NEIGHBOR": ("ResizeNearestNeighborOptions", ("AlignCorners", "HalfPixelCenters")),
    "SOFTMAX": ("SoftmaxOptions", ("Beta",)),
    "SPACE_TO_DEPTH": ("SpaceToDepthOptions", ("BlockSize",)),
    "SPLIT": ("SplitOptions", ("NumSplits",)),
    "SPLIT_V": ("SplitVOptions", ("NumSplits",)),
    "STRIDED_SLICE": (
        "StridedSliceOptions",
        ("BeginMask", "EndMask", "EllipsisMask", "NewAxisMask", "ShrinkAxisMask", "Offset"),
    ),
    "SUB": ("SubOptions", _FUSED),
    "UNPACK": ("UnpackOptions", ("Num", "Axis")),
}
"""Operator -> (options table of the schema, its fields that matter here)."""
