# SPDX-License-Identifier: Apache-2.0
"""An ONNX file as plain records, checked but not yet understood: what the importers read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "DOMAINS", "MAX_CONSTANT_ELEMENTS", "MAX_TENSOR_ELEMENTS", "OPSETS", "Array", "FileModel", "FileNode", "FileValue",
    "Source", "elements",
]  # fmt: skip

Array = npt.NDArray[Any]

OPSETS = (1, 24)
"""Versions of the standard operator set that are read; a node's own least version is in the table of importers."""
DOMAINS = {"": "ai.onnx", "ai.onnx": "ai.onnx", "com.microsoft": "com.microsoft"}
"""Domain of a node -> the set its meaning comes from. RequantShift is known in every domain: Deeploy's tools differ."""
MAX_TENSOR_ELEMENTS = 1 << 26
MAX_CONSTANT_ELEMENTS = 1 << 28


def elements(shape: tuple[int, ...]) -> int:
    """Number of elements, in integers that cannot overflow."""
    count = 1
    for dim in shape:
        count *= dim
    return count


@dataclass(frozen=True)
class Source:
    """A constant of the file that is read when it is needed: `read()` gives an array of `shape` and `dtype`."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read: Callable[[], Array]

    @classmethod
    def of(cls, name: str, values: Array) -> Source:
        """A constant that is in memory already."""
        return cls(name, values.shape, values.dtype, lambda: values)

    def mapped(self, shape: tuple[int, ...], change: Callable[[Array], Array]) -> Source:
        """The same constant seen through `change`, which gives `shape`; nothing is read yet."""
        return Source(self.name, shape, self.dtype, lambda: change(self.read()))

    @property
    def elements(self) -> int:
        """How many values it has."""
        return elements(self.shape)


@dataclass(frozen=True)
class FileValue:
    """Declared input or output: element type (None: not said) and dimensions."""

    name: str
    dtype: np.dtype[Any] | None
    shape: tuple[int, ...] | None


@dataclass(frozen=True)
class FileNode:
    """One node. Missing optional inputs are ''. Attributes are numbers, bytes, lists of these, or arrays."""

    index: int
    op: str
    domain: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    @property
    def label(self) -> str:
        """How messages name it."""
        kind = self.op if self.domain in ("", "ai.onnx") else f"{self.domain}.{self.op}"
        return f"node {self.index} '{self.name or ', '.join(self.outputs)}' ({kind})"


@dataclass(frozen=True)
class FileModel:
    """A whole file. `shapes` are those the onnx package infers, for every tensor where it can."""

    path: str
    name: str
    opset: int
    nodes: tuple[FileNode, ...]
    constants: Mapping[str, Source]
    inputs: tuple[FileValue, ...]
    outputs: tuple[FileValue, ...]
    shapes: Mapping[str, tuple[int, ...]]
