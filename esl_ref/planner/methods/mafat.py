# SPDX-License-Identifier: Apache-2.0
"""MAFAT, memory-aware fusing and tiling (Farley and Gerstlauer, 2021): two groups of fused, spatially tiled layers.

A configuration is written `N1xM1/cut/N2xM2`: layers before `cut` in N1 x M1 tiles of their last map, the others in
N2 x M2; or `NxM/NoCut`. Both groups' ends are whole maps.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property

from esl_ref import layout
from esl_ref.errors import BudgetError, InputError, PlanError
from esl_ref.planner.methods.storage import layerwise, live_bytes
from esl_ref.planner.methods.tiles import TiledChain, chain_of, chains
from esl_ref.workloads.graph import Kind, ShapeGraph

__all__ = ["Config", "Mafat", "Planned"]

MOST_TILES = 6


@dataclass(frozen=True)
class Config:
    """Grids of the groups; `cut` counts layers (the network input is none), None for a single group."""

    first: tuple[int, int]
    cut: int | None = None
    second: tuple[int, int] | None = None

    def __str__(self) -> str:
        first = "x".join(map(str, self.first))
        return f"{first}/NoCut" if self.second is None else f"{first}/{self.cut}/{'x'.join(map(str, self.second))}"

    @classmethod
    def parse(cls, text: str) -> Config:
        """`5x5/8/2x2` or `3x3/NoCut`; InputError for anything else."""
        if match := re.fullmatch(r"(\d+)x(\d+)/NoCut", text.strip(), re.IGNORECASE):
            return cls((int(match[1]), int(match[2])))
        if match := re.fullmatch(r"(\d+)x(\d+)/(\d+)/(\d+)x(\d+)", text.strip()):
            n1, m1, cut, n2, m2 = map(int, match.groups())
            return cls((n1, m1), cut, (n2, m2))
        raise InputError(f"'{text}' is no configuration", hint="write for example 5x5/8/2x2 or 3x3/NoCut")


@dataclass(frozen=True)
class Planned:
    """A configuration with its exact work and its predicted bytes."""

    config: Config
    nbytes: int
    macs: int
    groups: tuple[TiledChain, ...]

    def executed(self) -> int:
        """Bytes that execution really takes: the largest of the groups' layouts."""
        return max(layout.solve(group.problem()).height for group in self.groups)


class Mafat:
    """Configurations of a chain of layers, nodes [first, last) of a network, or of all of it."""

    def __init__(self, graph: ShapeGraph, first: int = 1, last: int | None = None) -> None:
        self.graph, self.first, self.last = graph, first, len(graph.nodes) if last is None else last
        self.layers = self.last - first
        self._group = cache(self._tiled)

    @classmethod
    def around_peak(cls, graph: ShapeGraph) -> Mafat:
        """The chain that contains the layer at which layer-by-layer execution needs most bytes; PlanError if the
        largest of them is in none, because it branches or needs whole maps."""
        live = live_bytes(graph)
        peak = live.index(max(live))
        for first, last in chains(graph):
            if first <= peak < last and last - first > 1:
                return cls(graph, first, last)
        what = "cannot be tiled: the largest layer is in no chain of layers that keep to their neighbourhood"
        raise PlanError(what, where=f"layer '{graph.nodes[peak].name}'")

    @cached_property
    def outside(self) -> int:
        """Most bytes that the layers before and behind the chain need, layer by layer."""
        live, nodes = live_bytes(self.graph), self.graph.nodes
        beside = (k for k in range(len(nodes)) if not self.first <= k < self.last and nodes[k].kind is not Kind.INPUT)
        return max((live[k] for k in beside), default=0)

    @cached_property
    def across(self) -> int:
        """Bytes of tensors that are neither the chain's source nor its own, alive while it runs."""
        inside = {self.graph.nodes[k].name for k in range(self.first - 1, self.last)}
        return sum(
            b.size for b in layerwise(self.graph).buffers
            if b.id not in inside and b.lower < self.last and b.upper > self.first
        )  # fmt: skip

    def _tiled(self, first: int, last: int, high: int, wide: int) -> TiledChain:
        return chain_of(self.graph, first + self.first, last + self.first).tiled(high, wide)

    def plan(self, config: Config | str) -> Planned:
        """Evaluate one configuration; InputError/PlanError if it does not fit the network."""
        config = Config.parse(config) if isinstance(config, str) else config
        groups: tuple[TiledChain, ...]
        if config.second is None or config.cut is None:
            groups = (self._group(0, self.layers, *config.first),)
        elif not 0 < config.cut < self.layers:
            raise InputError(f"cut {config.cut} is not between layers 1 and {self.layers - 1}", where=str(config))
        else:
            groups = (self._group(0, config.cut, *config.first), self._group(config.cut, self.layers, *config.second))
        return Planned(config, max(g.nbytes for g in groups), sum(g.macs for g in groups), groups)

    def configurations(self, most: int = MOST_TILES) -> Iterator[Config]:
        """Every configuration of up to `most` tiles per side."""
        whole = self._grids(self.layers, most)
        yield from (Config(grid) for grid in whole)
        for cut in range(1, self.layers):
            for first in self._grids(cut, most):
                yield from (Config(first, cut, second) for second in whole)

    def _grids(self, layer: int, most: int) -> list[tuple[int, int]]:
        """Grids of up to `most` tiles per side that the output of the chain's layer number `layer` (from 1) has."""
        rows, columns, _ = self.graph.nodes[self.first + layer - 1].shape
        return [(n, m) for n in range(1, min(most, rows) + 1) for m in range(1, min(most, columns) + 1)]

    def search(self, limit: int, most: int = MOST_TILES) -> Planned:
        """Least work within `limit` bytes, then fewest tiles; the groups of a cut do not influence each other.

        BudgetError names the smallest configuration if none fits.
        """
        whole = self._grids(self.layers, most)
        found = [self.plan(Config(g)) for g in whole if self._group(0, self.layers, *g).nbytes <= limit]
        for cut in range(1, self.layers):
            first = self._cheapest(0, cut, self._grids(cut, most), limit)
            second = self._cheapest(cut, self.layers, whole, limit)
            if first and second:
                found.append(self.plan(Config(first, cut, second)))
        if not found:
            least = self.least(most)
            raise BudgetError(f"no configuration fits {limit} bytes", hint=f"{least.config} needs {least.nbytes}")
        return min(found, key=_cost)

    def least(self, most: int = MOST_TILES) -> Planned:
        """The configuration of fewest bytes, then of least work."""
        limits = [self._least(0, self.layers, most)]
        limits += [max(self._least(0, k, most), self._least(k, self.layers, most)) for k in range(1, self.layers)]
        return self.search(min(limits), most)

    def _least(self, first: int, last: int, most: int) -> int:
        return min(self._group(first, last, *grid).nbytes for grid in self._grids(last, most))

    def _cheapest(self, first: int, last: int, grids: list[tuple[int, int]], limit: int) -> tuple[int, int] | None:
        fitting = [g for g in grids if self._group(first, last, *g).nbytes <= limit]
        return min(fitting, key=lambda g: (self._group(first, last, *g).macs, g[0] * g[1]), default=None)


def _cost(planned: Planned) -> tuple[int, int, str]:
    return planned.macs, sum(len(group.tiles) for group in planned.groups), str(planned.config)
