# SPDX-License-Identifier: Apache-2.0
"""A model's memory against its cycles: the smallest plan within a slack of cycles, and the front of all plans.

The compiler runs some operators in ways of fewer cycles and more bytes (`Graph.plain`), and the model's order of
operators may not be the one that keeps the fewest bytes alive. Which is better depends on the question, so that it is
asked of every such network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from esl_ref.arch import Arch
from esl_ref.compiler.fold import fold_padding
from esl_ref.compiler.lower import Lowered
from esl_ref.compiler.model import prepare
from esl_ref.compiler.sizing import Sizing, scratch_bytes
from esl_ref.ir import Graph
from esl_ref.pipeline import Planned, alternatives, compile_model, described, noted, plan_model
from esl_ref.planner.choose import pareto, within_slack
from esl_ref.planner.joint import Effort
from esl_ref.planner.pareto import undominated
from esl_ref.planner.points import Point, joined
from esl_ref.rewrite import Rewriting, rewritten

__all__ = ["model_front", "plan_within_slack"]


def _ways(graph: Graph, arch: Arch) -> list[tuple[Rewriting, ...]]:
    """Steps that make the networks to plan: the model as it is, and those that may need fewer bytes."""
    return [(), *alternatives(graph, arch)]


def _shared(effort: Effort, ways: Sequence[object]) -> Effort:
    """The effort for one of several searches."""
    return effort if effort.seconds is None else replace(effort, seconds=effort.seconds / len(ways))


def plan_within_slack(graph: Graph, arch: Arch, percent: float, effort: Effort) -> Planned:
    """The smallest arena among the plans at most `percent` % slower than the fastest of the model as it is."""
    _, *others = ways = _ways(graph, arch)
    effort = _shared(effort, ways)
    best = Planned(compile_model(graph, arch, strategy=within_slack(percent, effort)), "joint")
    allowed = plan_model(graph, arch, "layerwise").cycles * (1 + percent / 100) if others else 0.0
    for steps in others:
        limit = max(best.cycles, allowed)
        other = rewritten(fold_padding(graph), steps)
        slack = 100 * (limit / plan_model(other, arch, "layerwise").cycles - 1)
        if slack < 0:
            continue
        found = compile_model(other, arch, strategy=within_slack(min(slack, 1000.0), effort))
        planned = Planned(noted(found, steps), "joint", (described(steps),))
        if planned.cycles <= limit and planned.height < best.height:
            best = planned
    return best


def model_front(graph: Graph, arch: Arch, effort: Effort) -> list[tuple[Point, list[Lowered]]]:
    """Plans of the model that no other found is as good as in arena, on-chip bytes, cycles and traffic, by rising
    arena, each with the segments that its choices are made for."""
    ways, found = _ways(graph, arch), []
    for steps in ways:
        folded, shaped, _, lowered = prepare(rewritten(fold_padding(graph), steps), arch)
        sizing = Sizing(shaped, tuple(lowered.values()), scratch_bytes(arch))
        points = joined([pareto(folded, low, sizing, _shared(effort, ways)) for low in lowered.values()])
        lows = list(lowered.values())
        for point in points:
            choices = tuple(replace(choice, rewriting=steps) for choice in point.choices)
            found.append((replace(point, choices=choices), lows))
    return undominated(found, lambda item: item[0].costs())
