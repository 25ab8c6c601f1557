# SPDX-License-Identifier: Apache-2.0
"""Slacks and fronts of networks with operators that run in two ways: no worse than either, and every point runs."""

from __future__ import annotations

import json
from pathlib import Path

from esl_ref import arch
from esl_ref.pipeline import alternatives, compile_model, plan_model
from esl_ref.planner import saved
from esl_ref.planner.choose import within_slack
from esl_ref.planner.joint import Effort
from esl_ref.rewrite import rewritten
from esl_ref.tradeoffs import model_front, plan_within_slack
from esl_ref.workloads import workload
from esl_ref.workloads.seeded import seeded
from tests.helpers.networks import check

BASE = arch.load("base")
GRAPH = seeded(workload("mw"))


def test_a_slack_is_kept_and_more_of_it_never_needs_more_bytes() -> None:
    fastest = plan_model(GRAPH, BASE, "layerwise").cycles
    plans = [plan_within_slack(GRAPH, BASE, percent, Effort()) for percent in (0, 50, 150, 1000)]
    heights = [plan.height for plan in plans]
    assert heights == sorted(heights, reverse=True)
    assert all(p.cycles <= fastest * (1 + s / 100) for p, s in zip(plans, (0, 50, 150, 1000), strict=True))
    turned = compile_model(GRAPH, BASE, strategy=within_slack(1000)).programs[0].plan.height
    assert plans[-1].height < turned / 2
    check(GRAPH, BASE, [step.choice for step in plans[-1].compiled.programs])


def test_a_front_holds_points_of_both_kinds_and_a_file_gives_them_back(tmp_path: Path) -> None:
    found = model_front(GRAPH, BASE, Effort())
    kinds = {point.choices[0].rewriting for point, _ in found}
    assert kinds == {(), *alternatives(GRAPH, BASE)}
    costs = [point.costs() for point, _ in found]
    assert not any(a != b and all(x <= y for x, y in zip(a, b, strict=True)) for a in costs for b in costs)
    point, lows = min(found, key=lambda item: item[0].arena)
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({"plan": saved.as_record(lows, point.choices)}))
    choices = saved.read(str(path), GRAPH, BASE)
    assert choices == point.choices
    compiled = compile_model(GRAPH, BASE, choices=choices)
    assert compiled.programs[0].plan.height == point.arena
    assert compiled.graph.plain == rewritten(GRAPH, choices[0].rewriting).plain
