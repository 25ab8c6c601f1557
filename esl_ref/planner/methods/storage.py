# SPDX-License-Identifier: Apache-2.0
"""Which tensors of a shape graph share bytes, and what layer-by-layer execution keeps alive.

A concatenation costs nothing: its inputs are written where they belong in its output. A reshape is its input.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from esl_ref import layout
from esl_ref.workloads.graph import ALIASES, Kind, Node, ShapeGraph

__all__ = ["layerwise", "live_bytes", "readers", "roots"]


def roots(graph: ShapeGraph, in_place: bool = False) -> dict[str, str]:
    """Node name -> name of the node whose tensor holds its bytes.

    That is itself, a concatenation, a reshape's input, or, if `in_place`, the elementwise node that alone reads it and
    writes its results over it.
    """
    parent: dict[str, str] = {}

    def find(name: str) -> str:
        while name in parent:
            name = parent[name]
        return name

    for node in graph.nodes:
        if node.kind in ALIASES:
            parent[node.name] = find(node.inputs[0])
        elif node.kind in (Kind.CONCAT, Kind.STACK):
            for name in dict.fromkeys(node.inputs):
                # A network input comes as it is; what already lies in one concatenation must be copied into another.
                if name not in parent and graph[name].kind is not Kind.INPUT and node.inputs.count(name) == 1:
                    parent[name] = node.name
        elif in_place and node.kind in (Kind.ADD, Kind.TABLE):
            for name in node.inputs:
                if name not in parent and _only_reader(graph, name, node) and graph[name].shape == node.shape:
                    parent[name] = node.name
                    break
    return {node.name: find(node.name) for node in graph.nodes}


def _only_reader(graph: ShapeGraph, name: str, reader: Node) -> bool:
    made_here = graph[name].kind is not Kind.INPUT and name not in graph.outputs
    return made_here and graph.consumers[name] == (reader,) and reader.inputs.count(name) == 1


def readers(graph: ShapeGraph, root: Mapping[str, str]) -> dict[str, list[tuple[Node, str]]]:
    """Storage -> (node, input name) pairs that really read it; concatenations and reshapes in place do not."""
    found: dict[str, list[tuple[Node, str]]] = {name: [] for name in dict.fromkeys(root.values())}
    for node in graph.nodes:
        for name in dict.fromkeys(node.inputs):
            if root[name] != root[node.name]:
                found[root[name]].append((node, name))
    return found


def layerwise(graph: ShapeGraph, order: Sequence[Node] | None = None, *, copies: bool = False,
              in_place: bool = False) -> layout.Problem:  # fmt: skip
    """Buffers of layer-by-layer execution in `order`; one time step per node, freed after the last use.

    With `copies`, a concatenation copies its inputs instead of being written in place; with `in_place`, elementwise
    nodes write over an input that nobody else reads.
    """
    nodes = tuple(order or graph.nodes)
    step = {node.name: k for k, node in enumerate(nodes)}
    root = {n.name: n.name for n in nodes} if copies else roots(graph, in_place)
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    for node in nodes:
        holder = root[node.name]
        first[holder] = min(first.get(holder, len(nodes)), step[node.name])
        for name in (node.name, *node.inputs):
            last[root[name]] = max(last.get(root[name], 0), step[node.name])
    for name in graph.outputs:
        last[root[name]] = len(nodes) - 1
    sizes = {n: graph[n].nbytes for n in first}
    return layout.Problem(tuple(layout.Buffer(n, first[n], last[n] + 1, size) for n, size in sizes.items() if size))


def live_bytes(graph: ShapeGraph) -> list[int]:
    """Bytes that layer-by-layer execution keeps alive at every node."""
    buffers = layerwise(graph).buffers
    return [sum(b.size for b in buffers if b.lower <= k < b.upper) for k in range(len(graph.nodes))]
