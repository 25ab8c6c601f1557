# SPDX-License-Identifier: Apache-2.0
"""The joint strategy: rank plans by price, work out the best few exactly, keep the one the ESL machine finds
fastest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from esl_ref.compiler.emit import emit
from esl_ref.compiler.lower import Lowered
from esl_ref.compiler.model import Choice, Strategy, realise
from esl_ref.compiler.schedule import layerwise_groups
from esl_ref.compiler.sizing import Sizing
from esl_ref.errors import BudgetError, InputError
from esl_ref.ir import Graph
from esl_ref.machine.timing import predict
from esl_ref.planner.joint import Pricer, front
from esl_ref.planner.storage import check_budget

__all__ = ["Rated", "joint", "layerwise", "pareto", "rate", "within_slack"]

STRIPS = (1, 16)
"""Into how many strips the first layer is cut, so that it may start before all of the network input is there."""
PARTS = (4, 8)
"""How finely weights are cut: finer starts earlier, coarser has fewer commands."""


@dataclass(frozen=True)
class Rated:
    """A choice with its exact arena height and the cycles that the ESL machine predicts."""

    choice: Choice
    height: int
    cycles: int


def rate(graph: Graph, lowered: Lowered, choice: Choice, sizing: Sizing) -> Rated:
    """Lay out, write and time one choice on a machine with as much SRAM as it needs."""
    realised = realise(lowered, choice, sizing.planning())
    machine = sizing.fitted(realised.height, realised.columns)
    inputs = lowered.segment.inputs
    program = emit(graph, realised.schedule, machine, realised.plan.addresses, inputs, graph.name, choice.parts)
    return Rated(choice, realised.plan.height, predict(program).cycles)


def _whole_layers(lowered: Lowered) -> Iterable[Choice]:
    return (Choice(layerwise_groups(lowered, strips), parts) for strips in STRIPS for parts in PARTS)


def layerwise(graph: Graph, lowered: Lowered, sizing: Sizing, budget: int | None) -> Choice:
    """Whole layers one after the other, in the fastest of the ways to cut the first layer and the weights."""
    rated = [rate(graph, lowered, choice, sizing) for choice in _whole_layers(lowered)]
    return min(rated, key=lambda r: (r.cycles, r.height)).choice


def pareto(
    graph: Graph, lowered: Lowered, sizing: Sizing, progress: Callable[[int, int], None] | None = None
) -> list[Rated]:
    """Plans that no other found beats in both arena and cycles, by rising arena: all worked out and timed."""
    choices = [
        *_whole_layers(lowered),
        *(Choice(c.groups) for c in front(Pricer(lowered, sizing.planning()), progress)),
    ]
    rated = sorted((rate(graph, lowered, c, sizing) for c in choices), key=lambda r: (r.height, r.cycles))
    kept: list[Rated] = []
    for plan in rated:
        if not kept or plan.cycles < kept[-1].cycles:
            kept.append(plan)
    return kept


def joint(graph: Graph, lowered: Lowered, sizing: Sizing, budget: int | None) -> Choice:
    """The fastest plan within `budget` bytes of activation SRAM; without one, the fastest.

    BudgetError, saying the smallest arena found and what stands in the way, if none fits.
    """
    whole = [rate(graph, lowered, choice, sizing) for choice in _whole_layers(lowered)]
    if budget is None or all(r.height <= budget for r in whole):
        return min(whole, key=lambda r: (r.cycles, r.height)).choice
    plans = pareto(graph, lowered, sizing)
    inside = [r for r in plans if r.height <= budget]
    if inside:
        return min(inside, key=lambda r: (r.cycles, r.height)).choice
    check_budget(realise(lowered, plans[0].choice, sizing.planning()).plan, budget, graph.name)
    raise BudgetError("no plan fits", where=f"model '{graph.name}'")


def within_slack(percent: float) -> Strategy:
    """Strategy: the smallest arena among the plans at most `percent` % slower than the fastest."""
    if not 0 <= percent <= 1000:
        raise InputError(f"a slack of {percent} % of the cycles", hint="give 0 to 1000")

    def strategy(graph: Graph, lowered: Lowered, sizing: Sizing, budget: int | None) -> Choice:
        plans = pareto(graph, lowered, sizing)
        limit = min(r.cycles for r in plans) * (1 + percent / 100)
        return min((r for r in plans if r.cycles <= limit), key=lambda r: (r.height, r.cycles)).choice

    return strategy
