# SPDX-License-Identifier: Apache-2.0
"""Every planning method on a shape graph, behind one interface: what it needs on chip, what it costs, what it decided.

These plans are about bytes and work, for networks without weights or methods that stand for comparison; plans that run
are made by the compiler on imported models.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from esl_ref import layout
from esl_ref.errors import BudgetError, InputError, PlanError
from esl_ref.layout.storage import in_words
from esl_ref.planner.methods import blend as blending
from esl_ref.planner.methods.blend import Point
from esl_ref.planner.methods.fdt import fdt
from esl_ref.planner.methods.fuse import fuse
from esl_ref.planner.methods.ilp import Selector, within
from esl_ref.planner.methods.mafat import Mafat
from esl_ref.planner.methods.mappings import mappings
from esl_ref.planner.methods.restructure import Restructuring
from esl_ref.planner.methods.storage import layerwise
from esl_ref.workloads.graph import ShapeGraph

__all__ = ["METHODS", "SINGLE", "ShapePlan", "plan_shapes"]


@dataclass(frozen=True)
class ShapePlan:
    """`tensors` and `weights` are on-chip bytes, `bound` what liveness asks for; `external` bytes cross the bus.

    `layerwise` are the bytes that layer-by-layer execution keeps alive; `decisions` say what the method chose, `peak`
    which storages are alive with how many bytes when most are.
    """

    model: str
    topology_hash: str
    method: str
    parameters: int
    model_macs: int
    layerwise: int
    tensors: int
    weights: int
    bound: int
    macs: int
    external: int
    decisions: tuple[str, ...]
    peak: tuple[tuple[str, int], ...] = ()
    seconds: float = 0.0

    @property
    def saving(self) -> float:
        """Part of the layer-by-layer bytes that is saved."""
        return 1 - self.tensors / self.layerwise


@dataclass(frozen=True)
class _Request:
    graph: ShapeGraph
    budget: int | None
    seconds: float
    seed: int

    @property
    def ends(self) -> int:
        """Bytes of the network's input and outputs."""
        return self.graph.nodes[0].nbytes + sum(self.graph[name].nbytes for name in self.graph.outputs)

    def made(self, tensors: int, bound: int, decisions: tuple[str, ...], *, weights: int | None = None,
             macs: int | None = None, external: int | None = None, method: str = "",
             peak: tuple[tuple[str, int], ...] | None = None) -> ShapePlan:  # fmt: skip
        graph = self.graph
        if peak is None:
            whole = layerwise(graph)
            peak = tuple((b.id, b.size) for b in whole.alive_at(whole.peak()[0]))
        return ShapePlan(
            graph.name, graph.topology_hash, method, graph.parameters, graph.macs, layerwise(graph).bound, tensors,
            2 * blending.WORD if weights is None else weights, bound, graph.macs if macs is None else macs,
            graph.weight_bytes + self.ends if external is None else external, decisions, peak,
        )  # fmt: skip


def _layerwise(request: _Request) -> ShapePlan:
    found = layout.solve(layerwise(request.graph), request.seconds, request.seed)
    return request.made(found.height, found.bound, ("every layer whole, in order, freed after its last use",))


def _mdfi(request: _Request) -> ShapePlan:
    """Freed at last use, one layer's weights at a time, routes copied."""
    problem = layerwise(request.graph, copies=True)
    found = layout.solve(problem, request.seconds, request.seed)
    weights = max(node.weight_bytes for node in request.graph.nodes)
    return request.made(found.height, found.bound, ("weights loaded layer by layer",), weights=weights)


def _restructure(request: _Request) -> ShapePlan:
    found = Restructuring(request.graph)
    front = found.front()
    point = front[-1] if request.budget is None else next((p for p in front if p.nbytes <= request.budget), front[-1])
    decisions = tuple(
        f"{_span(request.graph, r.first, r.last)}: {r.count} slices" for r in point.regions if r.count > 1
    )
    weights = sum(r.count * node.weight_bytes for r in point.regions for node in request.graph.nodes[r.first : r.last])
    return request.made(point.nbytes, point.nbytes, decisions or ("nothing sliced",), macs=point.macs,
                        external=weights + request.ends)  # fmt: skip


def _mafat(request: _Request) -> ShapePlan:
    graph = request.graph
    mafat = Mafat.around_peak(graph)
    planned = mafat.least() if request.budget is None else mafat.search(request.budget - mafat.across)
    nbytes = max(mafat.outside, planned.nbytes + mafat.across)
    beside = [node for k, node in enumerate(graph.nodes) if not mafat.first <= k < mafat.last]
    weights = sum(len(g.tiles) * node.weight_bytes for g in planned.groups for node in g.chain.nodes)
    weights += sum(node.weight_bytes for node in beside)
    decision = f"configuration {planned.config} on {_span(graph, mafat.first, mafat.last)}"
    return request.made(nbytes, nbytes, (decision,), macs=planned.macs + sum(node.macs for node in beside),
                        external=weights + request.ends)  # fmt: skip


def _fdt(request: _Request) -> ShapePlan:
    found = fdt(request.graph, seconds=min(2.0, request.seconds), seed=request.seed)
    decisions = tuple(f"{' > '.join(s.path.nodes)} in {s.parts} parts: {s.nbytes} bytes" for s in found.steps)
    none = ("no path along channels lowers the peak",)
    return request.made(found.layout.height, found.layout.bound, decisions or none, macs=found.graph.macs)


def _ilp(request: _Request) -> ShapePlan:
    selector = Selector(request.graph, *mappings(request.graph))
    best = selector.fastest(request.budget) if request.budget is not None else within(selector.front(), 0.15)
    decisions = tuple(f"{name}: {choice.name}" for name, choice in best.choices.items() if choice.cycles)
    return request.made(best.nbytes, best.nbytes, (f"{best.cycles} cycles on the ESL machine", *decisions))


_SHARE = 0.4
"""Of the seconds of a request, what the search for row-streamed groups takes, of the network as it is and as it is cut
along channels."""


def _rows(request: _Request) -> ShapePlan:
    found = fuse(request.graph, 1, _SHARE * request.seconds, request.seed)
    return _of_point(request, blending.point(found, 0, "rows"))


def _joint(request: _Request) -> ShapePlan:
    """The best of row-streamed groups, with and without channel splits, and of the answers of every single method that
    decides on tensors: without a budget fewest of their bytes; with one, least traffic within it."""
    found = [_of_point(request, blending.smallest(request.graph, _SHARE * request.seconds, request.seed))]
    if request.budget is not None and found[0].tensors <= request.budget:
        points = blending.blend(request.graph, (1 - 2 * _SHARE) * request.seconds, request.seed)
        found += [_of_point(request, p) for p in points if p.nbytes <= request.budget]
    for method in (*SINGLE, "rows"):
        try:
            plan = _found(method, request)
        except PlanError:
            continue
        found.append(dataclasses.replace(plan, decisions=(f"method {method}", *plan.decisions)))
    inside = [p for p in found if request.budget is None or p.tensors <= request.budget]
    if request.budget is None or not inside:
        return min(found, key=lambda p: (p.tensors, p.external, p.macs))
    return min(inside, key=lambda p: (p.external, p.macs, p.tensors))


@lru_cache(maxsize=16)
def _found(method: str, request: _Request) -> ShapePlan:
    """What a method finds; kept, since the joint method asks for what single ones have just been asked for."""
    return METHODS[method](request)


def _of_point(request: _Request, found: Point) -> ShapePlan:
    groups = tuple(
        f"{_span(found.fusion.graph, g.first, g.last)}: {g.last - g.first} layers row by row, {g.nbytes} bytes"
        for g in found.fusion.groups
        if g.last - g.first > 1
    )
    largest = max(found.fusion.groups, key=lambda g: g.nbytes)
    return request.made(found.tensors, found.fusion.bound, (found.origin, *groups), weights=found.weights,
                        macs=found.macs, external=found.external, peak=largest.state.at_peak())  # fmt: skip


def _span(graph: ShapeGraph, first: int, last: int) -> str:
    """First and last node of a range, by the tails of their names (imported names list everything fused into them)."""
    ends = (graph.nodes[first].name.split(";")[-1], graph.nodes[last - 1].name.split(";")[-1])
    return " … ".join(dict.fromkeys(ends))


SINGLE = ("layerwise", "mdfi", "restructure", "mafat", "fdt")
"""Methods besides row streaming whose bytes are those of the tensors."""
METHODS: dict[str, Callable[[_Request], ShapePlan]] = {
    "joint": _joint, "rows": _rows, "layerwise": _layerwise, "mdfi": _mdfi, "restructure": _restructure,
    "mafat": _mafat, "fdt": _fdt, "ilp": _ilp,
}  # fmt: skip


def plan_shapes(graph: ShapeGraph, method: str = "joint", *, budget: int | None = None, seconds: float = 20.0,
                seed: int = 0) -> ShapePlan:  # fmt: skip
    """Plan `graph` by `method`, within `budget` bytes of tensors if given.

    InputError for an unknown method, PlanError saying why if it does not apply, BudgetError with the least it can do.
    """
    if method not in METHODS:
        raise InputError(f"no method '{method}'", hint=f"there are: {', '.join(METHODS)}")
    started = time.perf_counter()
    try:
        found = _found(method, _Request(graph, budget, seconds, seed))
    except PlanError as error:
        if isinstance(error, BudgetError):
            raise
        raise PlanError(f"method {method} does not apply: {error.what}", where=error.where or graph.name) from error
    if budget is not None and found.tensors > budget:
        raise BudgetError(
            f"method {method} needs {found.tensors} bytes for tensors, {budget} are allowed", where=graph.name,
            hint=f"--sram {found.tensors} is the least it finds; alive together then: {in_words(found.peak)}",
        )  # fmt: skip
    return dataclasses.replace(found, method=method, seconds=round(time.perf_counter() - started, 2))
