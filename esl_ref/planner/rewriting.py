# SPDX-License-Identifier: Apache-2.0
"""The published methods that rewrite a network, on integer graphs: what they decide by shapes, done to the graph.

Each takes a graph and a budget in bytes (None: as few as it can) and returns an ordinary graph that computes the same
bytes; layer-by-layer execution of it is the method's plan.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from esl_ref.arch import Arch
from esl_ref.compiler.fold import fold_padding
from esl_ref.errors import BudgetError, PlanError
from esl_ref.ir import Graph
from esl_ref.planner.methods.fdt import Path, Slots, fdt
from esl_ref.planner.methods.mafat import Mafat, Planned
from esl_ref.planner.methods.restructure import Restructuring
from esl_ref.planner.methods.storage import live_bytes
from esl_ref.rewrite import Rewriting, Split, Tile, rewritten
from esl_ref.workloads.convert import shape_graph
from esl_ref.workloads.graph import ShapeGraph

__all__ = ["REWRITERS", "Rewritten", "channels", "spatial_tiles", "slices", "tiled_as"]


@dataclass(frozen=True)
class Rewritten:
    """The steps of rewriting, the graph after them, what was decided in words, and the bytes of tensors that the method
    reckons with."""

    steps: tuple[Rewriting, ...]
    graph: Graph
    decisions: tuple[str, ...]
    predicted: int


def spatial_tiles(graph: Graph, arch: Arch, budget: int | None = None) -> Rewritten:
    """MAFAT: one or two groups of fused layers around the largest one, in recomputing tiles, of least work."""
    graph = fold_padding(graph)
    shapes = shape_graph(graph)
    mafat = _on_device(graph, Mafat.around_peak(shapes))
    if budget is not None and mafat.outside > budget:
        raise BudgetError(f"layers outside the tiled chain need {mafat.outside} bytes", where=graph.name)
    planned = mafat.least() if budget is None else mafat.search(budget - mafat.across)
    if budget is None and max(mafat.outside, planned.nbytes + mafat.across) >= max(live_bytes(shapes)):
        raise PlanError("tiling does not lower the peak, which is met outside of the chain, too", where=graph.name)
    return tiled_as(graph, mafat, planned)


def _on_device(graph: Graph, mafat: Mafat) -> Mafat:
    """The chain without the host's operators at its ends (a quantisation of the network's input)."""
    producers, nodes = graph.producers(), mafat.graph.nodes
    first, last = mafat.first, mafat.last
    while first < last and producers[nodes[first].name].host:
        first += 1
    while last > first and producers[nodes[last - 1].name].host:
        last -= 1
    if last - first < 2:
        raise PlanError("no two layers on the accelerator to fuse", where=f"graph '{graph.name}'")
    return Mafat(mafat.graph, first, last)


def tiled_as(graph: Graph, mafat: Mafat, planned: Planned) -> Rewritten:
    """The graph tiled as a configuration says."""
    config, shapes = planned.config, mafat.graph
    middle = mafat.last if config.cut is None else mafat.first + config.cut
    groups = (mafat.first, middle, config.first), (middle, mafat.last, config.second or (1, 1))
    steps = tuple(
        Tile(_operators(graph, shapes, first, last), *grid)
        for first, last, grid in groups
        if last > first and grid != (1, 1)
    )
    work = planned.macs / max(1, _macs(mafat))
    decisions = (f"configuration {config} on {_span(shapes, mafat.first, mafat.last)}, MACs x{work:.3f}",)
    predicted = max(mafat.outside, planned.nbytes + mafat.across)
    return Rewritten(steps, rewritten(graph, steps), decisions, predicted)


def _macs(mafat: Mafat) -> int:
    return sum(node.macs for node in mafat.graph.nodes[mafat.first : mafat.last])


def _operators(graph: Graph, shapes: ShapeGraph, first: int, last: int) -> tuple[str, ...]:
    """Operators that make nodes `first` to `last` - 1; inputs of the network are nodes, too."""
    producers = graph.producers()
    return tuple(producers[node.name].name for node in shapes.nodes[first:last] if node.name in producers)


def slices(graph: Graph, arch: Arch, budget: int | None = None) -> Rewritten:
    """Dataflow restructuring: regions around the peaks in slices of rows; least work within the budget."""
    graph = fold_padding(graph)
    shapes = shape_graph(graph)
    front = Restructuring(shapes).front()
    found = front[-1] if budget is None else next((p for p in front if p.nbytes <= budget), None)
    if found is None:
        raise BudgetError(f"{budget} bytes are not enough", where=graph.name, hint=f"needs {front[-1].nbytes}")
    regions = [r for r in found.regions if r.count > 1]
    steps = tuple(Tile(_operators(graph, shapes, r.first, r.last), r.count, 1) for r in regions)
    decisions = tuple(f"{_span(shapes, r.first, r.last)}: {r.count} slices" for r in regions)
    return Rewritten(steps, rewritten(graph, steps), decisions or ("nothing sliced",), found.nbytes)


def _span(shapes: ShapeGraph, first: int, last: int) -> str:
    return " … ".join(dict.fromkeys(_short(shapes.nodes[k].name) for k in (first, last - 1)))


def _short(name: str) -> str:
    """Imported names list everything fused into a tensor: the last one is enough."""
    return name.split(";")[-1]


def channels(graph: Graph, arch: Arch, budget: int | None = None) -> Rewritten:
    """FDT: paths through the critical buffers cut along channels, until the budget is met or nothing improves."""
    graph = fold_padding(graph)
    found = fdt(shape_graph(graph), slots=Slots(arch.acc_words, arch.lanes), enough=budget or 0)
    predicted, steps, decisions = found.before, list[Rewriting](), list[str]()
    for step in found.steps:
        try:
            split = Split(_names(graph, step.path), step.parts, step.path.sums)
            graph = rewritten(graph, [split])
        except PlanError as error:
            decisions.append(f"left out, {_described(step.path)}: {error.what}")
            break
        steps.append(split)
        predicted = step.nbytes
        decisions.append(f"{_described(step.path)} in {step.parts} parts: {step.nbytes} bytes")
    if budget is not None and predicted > budget:
        raise BudgetError(f"{budget} bytes are not enough", where=graph.name, hint=f"needs {predicted}")
    none = ("no path along channels lowers the peak",)
    return Rewritten(tuple(steps), graph, tuple(decisions) or none, predicted)


def _described(path: Path) -> str:
    return " > ".join(map(_short, path.nodes))


def _names(graph: Graph, path: Path) -> tuple[str, ...]:
    producers = graph.producers()
    if missing := [name for name in path.nodes if name not in producers]:
        raise PlanError(f"{missing[0]} is a partial sum, no tensor")
    return tuple(producers[name].name for name in path.nodes)


REWRITERS: dict[str, Callable[[Graph, Arch, int | None], Rewritten]] = {
    "mafat": spatial_tiles, "restructure": slices, "fdt": channels,
}  # fmt: skip
