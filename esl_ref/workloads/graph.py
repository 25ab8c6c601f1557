# SPDX-License-Identifier: Apache-2.0
"""Shape graphs: networks without weights, all that planning needs to know.

One node makes one tensor, named after it, of shape (height, width, channels). Rows are the axis along which fused
groups stream, so a node also knows which rows of an input it needs for a row of its output.
"""

from __future__ import annotations

import dataclasses
import enum
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from esl_ref.errors import ModelError

__all__ = ["Kind", "Node", "Rows", "Shape", "ShapeGraph"]

Shape: TypeAlias = tuple[int, int, int]
Rows: TypeAlias = tuple[int, int]
"""Half-open range of rows."""


class Kind(enum.Enum):
    """What a node computes, as far as memory and work are concerned.

    CONCAT joins channels, STACK joins rows; VIEW is some rows of a tensor, where they are.
    """

    INPUT = "input"
    CONV = "conv"
    DEPTHWISE = "depthwise"
    DENSE = "dense"
    EMBED = "embed"
    MAX_POOL = "max_pool"
    AVG_POOL = "avg_pool"
    MEAN = "mean"
    ADD = "add"
    TABLE = "table"
    CONCAT = "concat"
    STACK = "stack"
    SLICE = "slice"
    UPSAMPLE = "upsample"
    RESHAPE = "reshape"
    VIEW = "view"
    PAD = "pad"
    SOFTMAX = "softmax"
    TRANSPOSE = "transpose"


WINDOWED = frozenset({Kind.CONV, Kind.DEPTHWISE, Kind.MAX_POOL, Kind.AVG_POOL, Kind.PAD, Kind.SLICE, Kind.VIEW})
_ROW_WISE = frozenset({Kind.ADD, Kind.TABLE, Kind.CONCAT, Kind.EMBED})
ALIASES = frozenset({Kind.RESHAPE, Kind.VIEW})
"""Kinds that make no bytes of their own: their output is their input under another shape."""


@dataclass(frozen=True, slots=True)
class Node:
    """One operator and the tensor it makes. `scale` is a resize factor; `pad` is (top, bottom, left, right),
    negative where a slice leaves rows out.

    `weights` and `biases` are counted after folding batch normalisation; `norm` says that there was one, whose two more
    trained parameters per channel published counts include. `itemsize` is bytes per element.
    """

    name: str
    kind: Kind
    inputs: tuple[str, ...]
    shape: Shape
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    pad: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    scale: int = 1
    weights: int = 0
    biases: int = 0
    norm: bool = False
    macs: int = 0
    itemsize: int = 1

    @property
    def nbytes(self) -> int:
        """Bytes of the whole output."""
        return self.shape[0] * self.row_bytes

    @property
    def row_bytes(self) -> int:
        """Bytes of one output row."""
        return self.shape[1] * self.shape[2] * self.itemsize

    @property
    def weight_bytes(self) -> int:
        """int8 weights and int32 biases."""
        return self.weights + 4 * self.biases

    def rows(self, source: Shape, row: int) -> Rows:
        """Rows of an input of shape `source` that output row `row` reads, half-open, clipped to the map."""
        if self.kind in WINDOWED:
            first = row * self.stride[0] - self.pad[0]
            last = first + (self.kernel[0] - 1) * self.dilation[0] + 1
            return max(0, min(first, source[0])), min(source[0], max(last, 0))
        if self.kind in _ROW_WISE:
            # Darknet's shortcuts also add maps of another height, one value per channel may be added to a whole map.
            height = self.shape[0]
            return row * source[0] // height, -(-(row + 1) * source[0] // height)
        if self.kind is Kind.UPSAMPLE:
            return row // self.scale, row // self.scale + 1
        return 0, source[0]


@dataclass(frozen=True)
class ShapeGraph:
    """Nodes in execution order; `outputs` are the names of the nodes whose tensors leave the network."""

    name: str
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]

    def __post_init__(self) -> None:
        known: set[str] = set()
        for node in self.nodes:
            where = f"node '{node.name}' of '{self.name}'"
            if node.name in known:
                raise ModelError("is made twice", where=where)
            if missing := [name for name in node.inputs if name not in known]:
                raise ModelError(f"reads '{missing[0]}' before it is made", where=where)
            if min(node.shape) < 1:
                raise ModelError(f"has the empty shape {node.shape}", where=where)
            known.add(node.name)
        if absent := [name for name in self.outputs if name not in known]:
            raise ModelError(f"output '{absent[0]}' is never made", where=f"graph '{self.name}'")

    def __getitem__(self, name: str) -> Node:
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> Mapping[str, Node]:
        return {node.name: node for node in self.nodes}

    @cached_property
    def consumers(self) -> Mapping[str, tuple[Node, ...]]:
        """Node name -> nodes that read its tensor, in order."""
        found: dict[str, list[Node]] = {node.name: [] for node in self.nodes}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                found[name].append(node)
        return {name: tuple(nodes) for name, nodes in found.items()}

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference."""
        return sum(node.macs for node in self.nodes)

    @property
    def weight_bytes(self) -> int:
        return sum(node.weight_bytes for node in self.nodes)

    @property
    def parameters(self) -> int:
        """Trained parameters as publications count them: weights, biases, and scale beside shift where normalised."""
        return sum(node.weights + node.biases * (2 if node.norm else 1) for node in self.nodes)

    @cached_property
    def topology_hash(self) -> str:
        """First 16 hex digits of a SHA-256 over everything but names."""
        index = {node.name: k for k, node in enumerate(self.nodes)}
        digest = hashlib.sha256()
        for node in self.nodes:
            row = [str(v) for v in dataclasses.astuple(node)[3:]]
            digest.update("|".join([node.kind.value, *(str(index[n]) for n in node.inputs), *row]).encode() + b"\n")
        digest.update(",".join(str(index[name]) for name in self.outputs).encode())
        return digest.hexdigest()[:16]

    def until(self, name: str) -> ShapeGraph:
        """The network cut after node `name`, which becomes the only output."""
        last = next((k for k, node in enumerate(self.nodes) if node.name == name), None)
        if last is None:
            raise ModelError(f"has no node '{name}'", where=f"graph '{self.name}'")
        needed = {name}
        for node in reversed(self.nodes[: last + 1]):
            if node.name in needed:
                needed.update(node.inputs)
        return ShapeGraph(f"{self.name}/{name}", tuple(n for n in self.nodes[: last + 1] if n.name in needed), (name,))

    def with_itemsize(self, size: int) -> ShapeGraph:
        """The same network with every tensor at least `size` bytes per element (4: float32)."""
        return ShapeGraph(self.name, _resized(self.nodes, size), self.outputs)


def _resized(nodes: Iterable[Node], size: int) -> tuple[Node, ...]:
    return tuple(dataclasses.replace(node, itemsize=max(node.itemsize, size)) for node in nodes)
