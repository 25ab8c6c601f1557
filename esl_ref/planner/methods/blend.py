# SPDX-License-Identifier: Apache-2.0
"""Everything together on shapes: channel splits, row-streamed groups, strip heights and weight residency.

A point is a plan with its on-chip bytes (activations and weights), its external bytes and its work; the answer is their
front. A group of several nodes either keeps its weights on chip and reads them once, or reads those of a layer again
for every strip of it, two words of the array at a time. A node by itself goes over its whole map once per word.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from esl_ref.planner.methods.fdt import fdt
from esl_ref.planner.methods.fuse import Fusion, Group, fuse
from esl_ref.planner.pareto import undominated
from esl_ref.workloads.graph import Kind, ShapeGraph

__all__ = ["Point", "blend", "point", "smallest"]

WORD = 256
"""Weights of one step of a 16 x 16 array; two are on chip so that loading hides behind computing."""
_RESIDENT = (0, 4 << 10, 16 << 10, 48 << 10, 128 << 10, 512 << 10)
_STRIPS = (1, 2, 4)


@dataclass(frozen=True)
class Point:
    """One plan: on-chip bytes for tensors and for weights, bytes to and from external memory, work, and its origin."""

    fusion: Fusion
    tensors: int
    weights: int
    external: int
    macs: int
    origin: str

    @property
    def nbytes(self) -> int:
        """On-chip bytes: activations and weights."""
        return self.tensors + self.weights


def point(fusion: Fusion, resident: int, origin: str) -> Point:
    """Account for `fusion` if groups of several nodes keep their weights on chip when those are `resident` or less."""
    graph = fusion.graph
    kept, external = 2 * WORD * max((n.itemsize for n in graph.nodes), default=1), 0
    for group in fusion.groups:
        nodes = range(group.first, group.last)
        total = sum(graph.nodes[k].weight_bytes for k in nodes)
        if len(nodes) > 1 and total <= resident:
            kept = max(kept, total)
            external += total
        else:
            external += sum(_reads(group, k) * graph.nodes[k].weight_bytes for k in nodes)
    external += sum(node.nbytes for node in graph.nodes if node.kind is Kind.INPUT)
    external += sum(graph[name].nbytes for name in graph.outputs)
    return Point(fusion, fusion.height, kept, external, graph.macs, origin)


def _reads(group: Group, node: int) -> int:
    """How often a node's weights are read: once per strip of a group, once if it is alone."""
    return 1 if group.last - group.first == 1 else int(np.count_nonzero(group.plan.nodes == node))


def blend(graph: ShapeGraph, time_limit: float = 60.0, seed: int = 0) -> list[Point]:
    """Undominated points in on-chip and external bytes, fewest on-chip bytes first."""
    until = time.monotonic() + time_limit
    points: list[Point] = []
    for network, origin in _networks(graph, seed):
        for strip, most in _options():
            if points and time.monotonic() > until:
                break
            share = max(1.0, (until - time.monotonic()) / 8)
            found = fuse(network, strip, share, seed, most)
            label = f"{origin}, strips of {strip}, " + ("weights re-read" if most is None else f"{most} B resident")
            points.append(point(found, most or 0, label))
    return undominated(points, lambda p: (p.nbytes, p.external))


def smallest(graph: ShapeGraph, time_limit: float = 20.0, seed: int = 0) -> Point:
    """Fewest bytes of tensors on chip, whatever the traffic: never worse than rows or channel splits by themselves."""
    found = [point(fuse(network, 1, time_limit, seed), 0, origin) for network, origin in _networks(graph, seed)]
    return min(found, key=lambda p: (p.tensors, p.external))


def _networks(graph: ShapeGraph, seed: int) -> Iterator[tuple[ShapeGraph, str]]:
    yield graph, "rows"
    tiled = fdt(graph, seed=seed)
    if tiled.steps:
        yield tiled.graph, "channel splits and rows"


def _options() -> Iterator[tuple[int, int | None]]:
    yield 1, None
    for most in _RESIDENT:
        for strip in _STRIPS if most else (1,):
            yield strip, most
    for strip in _STRIPS[1:]:
        yield strip, None
