# SPDX-License-Identifier: Apache-2.0
"""Strategies for one segment: rank plans by price, work out the best few exactly, keep the one that the ESL machine
finds fastest. `esl_ref.pipeline` names them as methods and chooses among their results."""

from __future__ import annotations

from esl_ref.arch import MOST_ACT_BYTES
from esl_ref.compiler.lower import Lowered
from esl_ref.compiler.model import Choice, Strategy, realise
from esl_ref.compiler.sizing import Sizing
from esl_ref.errors import BudgetError, InputError, PlanError
from esl_ref.ir import Graph
from esl_ref.layout.storage import check_budget
from esl_ref.planner.joint import Effort, Rated, Search, undominated, whole_layers
from esl_ref.planner.joint.search import BYTE_COSTS

__all__ = ["Rated", "pareto", "row_streamed", "whole_maps", "within_slack"]

_EFFORT = Effort()
NEAR = 1.06
"""Plans so much slower than allowed are worth polishing."""
CLOSE = 1.002
"""The same beside a plan that polishing has already made faster, besides what it gained there."""


def whole_maps(
    graph: Graph, lowered: Lowered, sizing: Sizing, budget: int | None, *, effort: Effort = _EFFORT
) -> Choice:
    """Layer by layer with every map whole on chip: of the ways to cut the first layer and the weights, the fastest that
    fits `budget`; if none does, the smallest."""
    search = Search(graph, lowered, sizing, effort)
    if fitting := search.whole(budget):
        return min(fitting, key=lambda r: (r.cycles, r.height)).choice
    return min(whole_layers(lowered), key=lambda choice: search.rater.realised(choice).height)


def row_streamed(
    graph: Graph, lowered: Lowered, sizing: Sizing, budget: int | None, *, effort: Effort = _EFFORT
) -> Choice:
    """Groups of layers that stream rows: the fastest plan within `budget` bytes of activation SRAM, or those that a
    machine can have. Where whole layers fit, the fastest of whole layers, unless `effort` gives time to look further.

    BudgetError, saying the smallest arena found and what stands in the way, if none fits.
    """
    search = Search(graph, lowered, sizing, effort)
    budget = MOST_ACT_BYTES if budget is None else budget
    whole = search.whole(budget)
    if {r.choice.groups for r in whole} == {cut.groups for cut in whole_layers(lowered)}:
        if effort.seconds is not None:
            search.stream()
            search.improve(lambda r: (r.cycles, r.height))
        return min(search.rated, key=lambda r: (r.cycles, r.height)).choice
    search.stream(budget, slowest=effort.slowest)
    if effort.slowest is not None and not any(r.height <= budget and r.cycles <= effort.slowest for r in search.rated):
        raise PlanError("no plan comes near the fastest one known", where=f"model '{graph.name}'")
    if not any(r.height <= budget for r in search.rated):
        search.stream()

    def cost(plan: Rated) -> tuple[float, ...]:
        return max(0, plan.height - budget), plan.cycles, plan.height

    search.refuse()
    if not search.settled(budget):
        first, *others = sorted(search.rated, key=cost)[:2]
        polished = search.polish(first, cost)
        for plan in others:
            # Polishing shortens waits by much the same share: what is further behind than that does not catch up.
            if first.height > budget or plan.cycles * polished.cycles <= CLOSE * first.cycles**2:
                search.polish(plan, cost)
        search.improve(cost)
    best = min(search.rated, key=cost)
    if best.height <= budget:
        return best.choice
    smallest = min(search.rated, key=lambda r: (r.height, r.cycles)).choice
    check_budget(realise(lowered, smallest, sizing.planning()).plan, budget, graph.name)
    raise BudgetError("no plan fits", where=f"model '{graph.name}'")


def within_slack(percent: float, effort: Effort = _EFFORT) -> Strategy:
    """Strategy: the smallest arena among the plans at most `percent` % slower than the fastest."""
    if not 0 <= percent <= 1000:
        raise InputError(f"a slack of {percent} % of the cycles", hint="give 0 to 1000")

    def strategy(graph: Graph, lowered: Lowered, sizing: Sizing, budget: int | None) -> Choice:
        search = Search(graph, lowered, sizing, effort)
        whole = search.whole()
        search.refuse()
        fastest = min(r.cycles for r in whole)
        search.stream(slowest=fastest * (1 + percent / 100))
        limit = min(r.cycles for r in search.rated) * (1 + percent / 100)

        def cost(plan: Rated) -> tuple[float, ...]:
            return max(0.0, plan.cycles - limit), plan.height, plan.cycles

        best = min(search.rated, key=cost)
        near = [r for r in search.rated if r.height < best.height and r.cycles <= NEAR * limit]
        for plan in sorted(near, key=cost):
            # One that is a little too slow may become fast enough, as long as it stays smaller.
            best = min(best, search.polish(plan, lambda r, most=best.height: (r.height >= most, *cost(r))), key=cost)  # type: ignore[misc]
        search.improve(cost)
        return min(search.rated, key=cost).choice

    return strategy


def pareto(graph: Graph, lowered: Lowered, sizing: Sizing, effort: Effort = _EFFORT) -> list[Rated]:
    """Plans that no other found is as good as in arena, on-chip bytes, cycles and external traffic, by rising arena:
    all worked out and timed."""
    search = Search(graph, lowered, sizing, effort)
    search.whole()
    for byte_cost in BYTE_COSTS:
        search.stream(byte_cost=byte_cost)
    search.refuse()
    search.thrifty()
    search.improve(None)
    return undominated(search.rated)
