# SPDX-License-Identifier: Apache-2.0
"""Spatial tiles of a chain of layers: exact geometry with halos, the work they repeat, the bytes they need.

A tile of the last map is followed backwards: every layer needs the part of its input that its window reaches, clipped
at the map's edge, so neighbouring tiles compute their common halo twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from esl_ref import layout
from esl_ref.errors import PlanError
from esl_ref.rewrite.boxes import Box, grid, reach
from esl_ref.workloads.graph import WINDOWED, Kind, Node, ShapeGraph

__all__ = ["Chain", "TiledChain", "chain_of", "chains", "layer_rows"]

_LOCAL = WINDOWED | {Kind.TABLE, Kind.UPSAMPLE}


def layer_rows(node: Node, size: int, axis: int, first: int, last: int) -> tuple[int, int]:
    """Input positions along `axis` (0 rows, 1 columns; map of `size`) that outputs [first, last) read."""
    if node.kind in WINDOWED:
        read = reach((first, last), node.kernel[axis], node.stride[axis], node.dilation[axis], node.pad[2 * axis], size)
        return read.first, read.last
    if node.kind is Kind.UPSAMPLE:
        return first // node.scale, -(-last // node.scale)
    return first, last


@dataclass(frozen=True)
class Chain:
    """Consecutive layers, each reading only the one before; `source` is the tensor the first one reads."""

    source: Node
    nodes: tuple[Node, ...]

    def backwards(self, box: Box) -> list[Box]:
        """Boxes of every layer's output, first layer first, that `box` of the last output needs."""
        boxes = [box]
        for node, before in zip(reversed(self.nodes[1:]), reversed(self.nodes[:-1]), strict=True):
            last = boxes[-1]
            top, bottom = layer_rows(node, before.shape[0], 0, last.top, last.bottom)
            left, right = layer_rows(node, before.shape[1], 1, last.left, last.right)
            boxes.append(Box(top, bottom, left, right))
        return boxes[::-1]

    def tiled(self, high: int, wide: int) -> TiledChain:
        """The chain executed tile by tile; PlanError for more tiles than rows or columns."""
        h, w, _ = self.nodes[-1].shape
        if not (1 <= high <= h and 1 <= wide <= w):
            raise PlanError(f"a map of {h} x {w} has no {high} x {wide} tiles", where=f"layer '{self.nodes[-1].name}'")
        return TiledChain(self, tuple(tuple(self.backwards(box)) for box in grid(h, w, high, wide)))


@dataclass(frozen=True)
class TiledChain:
    """Per tile, the boxes of every layer's output."""

    chain: Chain
    tiles: tuple[tuple[Box, ...], ...]

    @cached_property
    def macs(self) -> int:
        """Work, repeated halos included."""
        return sum(
            node.macs * box.area // (node.shape[0] * node.shape[1])
            for boxes in self.tiles
            for node, box in zip(self.chain.nodes, boxes, strict=True)
        )

    def sizes(self, boxes: Sequence[Box]) -> list[int]:
        """Bytes of every layer's output box."""
        return [b.area * n.shape[2] * n.itemsize for b, n in zip(boxes, self.chain.nodes, strict=True)]

    @cached_property
    def nbytes(self) -> int:
        """Predicted on-chip bytes: the most that is alive at any layer of any tile."""
        return max(self._alive(t, boxes) for t, boxes in enumerate(self.tiles))

    def _alive(self, number: int, boxes: Sequence[Box]) -> int:
        """Most bytes alive in one tile: two neighbouring maps, the whole source until the last tile has read it, and
        the whole result from the first tile's last layer on."""
        source, result = self.chain.source.nbytes, self.chain.nodes[-1].nbytes
        inner = [0, *self.sizes(boxes)[:-1], 0]
        depth, last = len(boxes), len(self.tiles) - 1
        return max(
            inner[k] + inner[k + 1] + source * (number < last or k == 0) + result * (number > 0 or k == depth - 1)
            for k in range(depth)
        )

    def problem(self) -> layout.Problem:
        """The buffers that execution allocates, one step per tile and layer."""
        depth = len(self.chain.nodes)
        end = depth * len(self.tiles)
        buffers = [layout.Buffer("source", 0, end - depth + 1, self.chain.source.nbytes)]
        buffers.append(layout.Buffer("result", depth - 1, end, self.chain.nodes[-1].nbytes))
        for t, boxes in enumerate(self.tiles):
            for k, size in enumerate(self.sizes(boxes)[:-1]):
                buffers.append(layout.Buffer(f"{t}/{k}", t * depth + k, t * depth + k + 2, size))
        return layout.Problem(tuple(buffers))


def chain_of(graph: ShapeGraph, first: int, last: int) -> Chain:
    """Nodes [first, last) of `graph` as a chain; PlanError names the node that branches or needs the whole map."""
    nodes = graph.nodes[first:last]
    for k, node in enumerate(nodes):
        expected = graph.nodes[first + k - 1].name
        if node.kind not in _LOCAL or node.inputs != (expected,):
            raise PlanError("cannot be tiled: it branches or needs the whole map", where=f"layer '{node.name}'")
        if k and len(graph.consumers[expected]) > 1:
            raise PlanError("cannot be tiled: others read its input too", where=f"layer '{node.name}'")
    return Chain(graph.nodes[first - 1], nodes)


def chains(graph: ShapeGraph) -> Iterator[tuple[int, int]]:
    """Longest ranges [first, last) of nodes that `chain_of` takes."""
    first = 1
    while first < len(graph.nodes):
        last = first
        while last < len(graph.nodes) and _continues(graph, first, last):
            last += 1
        if last > first:
            yield first, last
        first = max(last, first + 1)


def _continues(graph: ShapeGraph, first: int, position: int) -> bool:
    """Whether the node at `position` may belong to a chain that begins at `first`."""
    node, before = graph.nodes[position], graph.nodes[position - 1]
    if node.kind not in _LOCAL or node.inputs != (before.name,):
        return False
    return position == first or (len(graph.consumers[before.name]) == 1 and before.name not in graph.outputs)
