# SPDX-License-Identifier: Apache-2.0
"""Fused depthwise tiling (Stahl, Mueller-Gritschneder, Schlichtmann, TinyML Research Symposium 2023).

A path through the network is cut along channels: it starts at an operator whose output channels can be made a slice at
a time (fan-out), passes through operators that keep channels apart, and ends by joining the slices, or in an operator
that sums over them (fan-in). Nothing is computed twice; a fan-in adds its partial sums, which are int32, in place.

The search is the paper's: plan, take the critical buffers, largest first, enumerate the paths around the operator that
makes it, rewrite, schedule and lay each out, keep the best, and begin again until nothing improves.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from esl_ref import layout
from esl_ref.planner.methods.storage import layerwise, roots
from esl_ref.workloads.graph import Kind, Node, ShapeGraph

__all__ = ["Path", "Slots", "Step", "Tiled", "fdt", "paths", "split"]

_FAN_OUT = frozenset({Kind.CONV, Kind.DENSE, Kind.EMBED})
_FAN_IN = frozenset({Kind.CONV, Kind.DENSE})
_PASSES = frozenset({Kind.DEPTHWISE, Kind.MAX_POOL, Kind.AVG_POOL, Kind.MEAN, Kind.TABLE, Kind.UPSAMPLE})
_PARTS = (2, 3, 4, 5, 6, 7, 8, 12, 16, 32, 64)


@dataclass(frozen=True)
class Path:
    """Names of nodes cut along channels, first to last; `sums` if the last one sums over the slices."""

    nodes: tuple[str, ...]
    sums: bool


@dataclass(frozen=True)
class Slots:
    """`count` accumulators of `lanes` sums each, beside the arena."""

    count: int
    lanes: int

    def hold(self, node: Node) -> bool:
        """Whether there is one for each of the node's results."""
        return node.shape[0] * node.shape[1] * -(-node.shape[2] // self.lanes) <= self.count


@dataclass(frozen=True)
class Step:
    """One accepted rewriting and the bytes it led to."""

    path: Path
    parts: int
    nbytes: int


@dataclass(frozen=True)
class Tiled:
    """The rewritten graph, its layout, the decisions, and the bytes before the first of them."""

    graph: ShapeGraph
    layout: layout.Layout
    steps: tuple[Step, ...]
    before: int


def fdt(
    graph: ShapeGraph, parts: Sequence[int] = _PARTS, seconds: float = 2.0, seed: int = 0, *,
    slots: Slots | None = None, enough: int = 0,
) -> Tiled:  # fmt: skip
    """Cut `graph` along channels while that lowers the arena, or until it has `enough` bytes or less. Each layout may
    take `seconds`. With `slots`, partial sums that fit them take no bytes of the arena."""
    best = _plan(graph, seconds, seed)
    before, steps = best.height, list[Step]()
    while best.height > enough:
        found = _improve(graph, best, parts, seconds, seed, slots)
        if found is None:
            break
        graph, best, step = found
        steps.append(step)
    return Tiled(graph, best, tuple(steps), before)


def _plan(graph: ShapeGraph, seconds: float, seed: int) -> layout.Layout:
    return layout.solve(layerwise(graph, in_place=True), seconds, seed)


def _improve(
    graph: ShapeGraph, now: layout.Layout, parts: Sequence[int], seconds: float, seed: int, slots: Slots | None
) -> tuple[ShapeGraph, layout.Layout, Step] | None:
    """The best rewriting around the largest critical buffer that has one which helps."""
    problem = layerwise(graph, in_place=True)
    for critical in problem.alive_at(problem.peak()[0]):
        best: tuple[ShapeGraph, layout.Layout, Step] | None = None
        for path in paths(graph, critical.id):
            for count in parts:
                if count > graph[path.nodes[0]].shape[2]:
                    continue
                trial = split(graph, path, count, slots)
                if layerwise(trial, in_place=True).bound >= (best[1] if best else now).height:
                    continue
                found = _plan(trial, seconds, seed)
                if found.height < (best[1] if best else now).height:
                    best = (trial, found, Step(path, count, found.height))
        if best is not None:
            return best
    return None


def paths(graph: ShapeGraph, storage: str) -> Iterator[Path]:
    """Paths through the nodes whose bytes lie in `storage`: every start at or before, every end at or after."""
    root = roots(graph, in_place=True)
    for node in graph.nodes:
        if root[node.name] == storage:
            for start in _starts(graph, node):
                yield from _ends(graph, start, node)


def _starts(graph: ShapeGraph, node: Node) -> Iterator[Node]:
    """Operators whose channels reach `node` through nothing but operators that keep channels apart."""
    while True:
        if node.kind in _FAN_OUT and node.groups == 1:
            yield node
            return
        if node.kind not in _PASSES or len(node.inputs) != 1 or _multiplies(graph, node):
            return
        node = graph[node.inputs[0]]


def _ends(graph: ShapeGraph, start: Node, through: Node) -> Iterator[Path]:
    """Paths from `start` over `through`: joined after any operator, or summed by the next one."""
    names, node, reached = [start.name], start, start.name == through.name
    while True:
        users = graph.consumers[node.name]
        if len(users) != 1 or node.name in graph.outputs:
            return
        if reached and len(names) > 1:
            yield Path(tuple(names), False)
        user = users[0]
        if user.kind in _FAN_IN and user.groups == 1 and reached:
            yield Path((*names, user.name), True)
        if user.kind not in _PASSES or _multiplies(graph, user):
            return
        names.append(user.name)
        node, reached = user, reached or user.name == through.name


def _multiplies(graph: ShapeGraph, node: Node) -> bool:
    return node.kind is Kind.DEPTHWISE and node.shape[2] != graph[node.inputs[0]].shape[2]


def split(graph: ShapeGraph, path: Path, parts: int, slots: Slots | None = None) -> ShapeGraph:
    """`graph` with `path` cut into `parts` slices of channels, one slice after the other."""
    channels = graph[path.nodes[0]].shape[2]
    width = -(-channels // parts)
    sizes = [min(width, channels - at) for at in range(0, channels, width)]
    body = path.nodes[:-1] if path.sums else path.nodes
    cut = set(path.nodes)
    made: list[Node] = []
    for node in graph.nodes:
        if node.name not in cut:
            made.append(node)
        elif node.name == path.nodes[-1]:
            itemsize = 0 if slots is not None and slots.hold(node) else max(4, node.itemsize)
            made += _slices(graph, body, sizes, node if path.sums else None, itemsize)
    return ShapeGraph(graph.name, tuple(made), graph.outputs)


def _slices(
    graph: ShapeGraph, body: Sequence[str], sizes: Sequence[int], summing: Node | None, itemsize: int
) -> list[Node]:
    """Nodes of all slices in order, and what joins them under the name of the path's last node: sums of `itemsize`."""
    made: list[Node] = []
    ends: list[str] = []
    total = ""
    channels = graph[body[0]].shape[2]
    for k, size in enumerate(sizes):
        for name in body:
            node = graph[name]
            source = node.inputs[0] if name == body[0] else f"{node.inputs[0]}/{k}"
            made.append(_slice(node, f"{name}/{k}", source, size, channels))
        ends.append(f"{body[-1]}/{k}")
        if summing is not None:
            last = k == len(sizes) - 1
            total = _accumulate(made, summing, ends[-1], k, size / channels, itemsize, last=last, before=total)
    if summing is None:
        node = graph[body[-1]]
        made.append(Node(node.name, Kind.CONCAT, tuple(ends), node.shape, itemsize=node.itemsize))
    return made


def _slice(node: Node, name: str, source: str, size: int, channels: int) -> Node:
    share = size / channels
    return dataclasses.replace(
        node, name=name, inputs=(source,), shape=(*node.shape[:2], size),
        groups=size if node.kind is Kind.DEPTHWISE else node.groups,
        weights=round(node.weights * share), biases=round(node.biases * share), macs=round(node.macs * share),
    )  # fmt: skip


def _accumulate(
    made: list[Node], node: Node, source: str, k: int, share: float, itemsize: int, *, last: bool, before: str
) -> str:
    """Append the partial sums of slice `k`, int32, added in place to those `before`; requantised after the last."""
    part = dataclasses.replace(
        node, name=f"{node.name}/{k}", inputs=(source,), weights=round(node.weights * share),
        biases=0 if before else node.biases, macs=round(node.macs * share), itemsize=itemsize,
    )  # fmt: skip
    made.append(part)
    total = part.name
    if before:
        total = f"{node.name}+{k}"
        made.append(Node(total, Kind.ADD, (before, part.name), node.shape, itemsize=part.itemsize))
    if last:
        made.append(Node(node.name, Kind.TABLE, (total,), node.shape, itemsize=node.itemsize))
    return total
