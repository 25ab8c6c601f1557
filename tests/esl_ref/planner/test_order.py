# SPDX-License-Identifier: Apache-2.0
"""Orders of fewest bytes: against every order of small networks, and as a step that the joint method takes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esl_ref import arch
from esl_ref.errors import PlanError
from esl_ref.ir import Graph
from esl_ref.pipeline import compile_model, plan_model
from esl_ref.planner.joint import Effort
from esl_ref.planner.order import Work, least_peak
from esl_ref.planner.reorder import reordered
from esl_ref.rewrite import Ordered
from esl_ref.rewrite.steps import as_records, from_records
from esl_ref.tradeoffs import plan_within_slack
from esl_ref.workloads.builder import Builder
from esl_ref.workloads.seeded import seeded
from tests.helpers.networks import check

BASE = arch.load("base")


def _orders(work: Work, done: int = 0) -> Iterator[tuple[int, ...]]:
    """Every valid order."""
    ready = work.ready(done)
    if not ready:
        yield ()
    for op in ready:
        for rest in _orders(work, done | 1 << op):
            yield (op, *rest)


@st.composite
def _works(draw: st.DrawFn) -> Work:
    """Up to seven operators, each reading results before it and making one; some share a storage."""
    count = draw(st.integers(1, 7))
    reads = [draw(st.sets(st.integers(0, k - 1), max_size=3)) if k else set() for k in range(count)]
    place = [draw(st.integers(0, k)) if draw(st.integers(0, 4)) == 0 else k for k in range(count)]
    users = [0] * count
    for op in range(count):
        for made in (*reads[op], op):
            users[place[made]] |= 1 << op
    sizes = draw(st.lists(st.integers(0, 50), min_size=count, max_size=count))
    held = draw(st.frozensets(st.integers(0, count - 1), max_size=2))
    return Work(tuple(sum(1 << k for k in r) for r in reads), tuple(users), tuple(sizes), held)


@settings(max_examples=150, deadline=None)
@given(_works())
def test_no_order_of_a_small_network_is_better(work: Work) -> None:
    found = least_peak(work)
    assert found.peak == found.bound == work.peak(found.order) == min(work.peak(order) for order in _orders(work))
    assert sorted(found.order) == list(range(len(work.after)))


@settings(max_examples=60, deadline=None)
@given(_works())
def test_a_search_cut_short_gives_a_bound_and_nothing_worse_than_the_model(work: Work) -> None:
    found = least_peak(work, states=1)
    best = min(work.peak(order) for order in _orders(work))
    assert found.bound <= best <= found.peak <= work.peak(range(len(work.after)))
    assert work.peak(found.order) == found.peak


def _branches(side: int = 16) -> Graph:
    """Two branches that grow and shrink: one after the other they need less than side by side, as written here."""
    b = Builder("branches", (side, side, 8))
    x = b.conv(8, 1)
    wide = [b.conv(64, 1, source=x), b.conv(64, 1, source=x)]
    b.conv(8, 1, source=b.add(*[b.conv(8, 3, source=w) for w in wide]))
    return seeded(b.build())


def test_branches_run_one_after_the_other() -> None:
    graph = _branches()
    (step,) = reordered(graph, BASE)
    assert step.ops.index("conv4") < step.ops.index("conv3")
    given, found = (compile_model(g, BASE).programs[0].plan.height for g in (graph, step.on(graph)))
    assert found < 0.7 * given
    check(step.on(graph), BASE)
    assert not reordered(step.on(graph), BASE)


def test_the_fastest_plan_takes_an_order_that_costs_no_cycles() -> None:
    graph = _branches(96)
    given, planned = plan_model(graph, BASE, "rows"), plan_model(graph, BASE)
    assert planned.height < 0.7 * given.height and planned.cycles <= 1.002 * given.cycles
    assert planned.decisions[1] == "operators run in the order of fewest bytes"
    (choice,) = (s.choice for s in planned.compiled.programs)
    assert isinstance(choice.rewriting[0], Ordered)


def test_budgets_and_slacks_know_the_order_too() -> None:
    graph = _branches()
    ordered = reordered(graph, BASE)[0].on(graph)
    budget = compile_model(ordered, BASE).programs[0].plan.height
    assert plan_model(graph, BASE, sram=budget).height <= budget
    given = compile_model(graph, BASE).programs[0].plan.height
    assert plan_within_slack(graph, BASE, 5, Effort()).height < given


def test_an_order_is_for_the_network_that_it_names() -> None:
    (step,) = reordered(_branches(), BASE)
    assert from_records(as_records((step,))) == (step,)
    with pytest.raises(PlanError, match="other operators"):
        Ordered(step.ops[1:]).on(_branches())
