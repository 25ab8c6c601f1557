# SPDX-License-Identifier: Apache-2.0
"""The joint strategy: rank plans by price, work out the best few exactly, keep the one the ESL machine finds fastest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from esl_ref.compiler.emit import emit
from esl_ref.compiler.lower import Lowered
from esl_ref.compiler.model import Choice, realise
from esl_ref.compiler.schedule import layerwise_groups
from esl_ref.compiler.sizing import Sizing
from esl_ref.compiler.sizing import Sizing
from esl_ref.errors import BudgetError
from esl_ref.ir import Graph
from esl_ref.machine.timing import predict
from esl_ref.planner.joint import Pricer, front
from esl_ref.planner.storage import check_budget

__all__ = ["Rated", "joint", "layerwise", "rate"]

STRIPS = (1, 16)
"""Into how many strips the first layer is cut, so that it may start before all of the network input is there."""
PARTS = (4, 8)
"""How finely weights are cut: finer starts earlier, coarser has fewer commands."""
TRIED = 4
"""Plans of the front that are worked out exactly."""


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


def joint(graph: Graph, lowered: Lowered, sizing: Sizing, budget: int | None) -> Choice:
    """The fastest plan within `budget` bytes of activation SRAM; without one, the fastest.

    BudgetError, saying the smallest arena found, if none fits.
    """
    whole = [rate(graph, lowered, choice, sizing) for choice in _whole_layers(lowered)]
    fitting = [r for r in whole if budget is None or r.height <= budget]
    if fitting and budget is None:
        return min(fitting, key=lambda r: (r.cycles, r.height)).choice
    candidates = front(Pricer(lowered, sizing.planning()))
    near = [c for c in candidates if c.peak <= (budget or 0)]
    best_first = sorted(near, key=lambda c: c.cycles)[:TRIED]
    rated = fitting + [rate(graph, lowered, Choice(c.groups), sizing) for c in best_first]
    inside = [r for r in rated if r.height <= (budget or 0)]
    if inside:
        return min(inside, key=lambda r: (r.cycles, r.height)).choice
    smallest = realise(lowered, Choice(candidates[0].groups), sizing.planning())
    check_budget(smallest.plan, budget or 0, graph.name)
    raise BudgetError("no plan fits", where=f"model '{graph.name}'")
