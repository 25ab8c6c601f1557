# SPDX-License-Identifier: Apache-2.0
"""The strategies on the embedded model: fronts, budgets, slack; every plan runs on the ESL machine."""

from __future__ import annotations

from itertools import count
from random import Random

import pytest

from esl_ref import arch
from esl_ref.compiler.model import Choice, prepare
from esl_ref.compiler.sizing import Sizing, scratch_bytes
from esl_ref.errors import InputError
from esl_ref.frontends import load
from esl_ref.ir import Graph
from esl_ref.machine.timing import MemoryTiming, predict
from esl_ref.models import embedded_path
from esl_ref.pipeline import compile_model, plan_model
from esl_ref.planner.choose import Rated, pareto, row_streamed, whole_maps, within_slack
from esl_ref.planner.joint import Effort, Rater, search
from esl_ref.planner.joint.improve import neighbour, roomier
from tests.helpers.networks import check, mismatches


@pytest.fixture(scope="module")
def graph() -> Graph:
    return load(embedded_path())


@pytest.fixture(scope="module")
def plans(graph: Graph) -> list[Rated]:
    base = arch.load("base")
    folded, shaped, _, lowered = prepare(graph, base)
    (low,) = lowered.values()
    return pareto(folded, low, Sizing(shaped, (low,), scratch_bytes(base)))


def _costs(plan: Rated) -> tuple[int, ...]:
    return plan.height, plan.on_chip, plan.cycles, plan.traffic


def test_no_plan_of_the_front_beats_another(plans: list[Rated]) -> None:
    assert len(plans) >= 3
    for a in plans:
        for b in plans:
            assert a is b or any(x < y for x, y in zip(_costs(a), _costs(b), strict=True))


def test_front_trades_all_three(plans: list[Rated]) -> None:
    assert min(p.height for p in plans) < max(p.height for p in plans) / 3
    assert min(p.cycles for p in plans) < max(p.cycles for p in plans)
    assert min(p.traffic for p in plans) < max(p.traffic for p in plans)


def test_less_weight_sram_is_fewer_bytes_on_chip(graph: Graph, plans: list[Rated]) -> None:
    thrifty = next(p for p in plans if p.choice.weight_words is not None)
    compiled = compile_model(graph, arch.load("base"), choices=[thrifty.choice])
    assert compiled.arch.memory_bytes() == thrifty.on_chip
    assert thrifty.on_chip < max(p.on_chip for p in plans if p.height == thrifty.height)


def test_same_seed_same_neighbours(graph: Graph, plans: list[Rated]) -> None:
    (low,) = prepare(graph, arch.load("base"))[3].values()

    def walk(seed: int) -> list[Choice]:
        random, choice = Random(seed), plans[0].choice
        walked = []
        for _ in range(20):
            choice = neighbour(choice, low, random)
            walked.append(choice)
        return walked

    assert walk(3) == walk(3)
    assert walk(3) != walk(4)
    for choice in walk(5):
        ends = [g.last for g in choice.groups]
        assert [g.first for g in choice.groups] == [0, *ends[:-1]] and all(g.first < g.last for g in choice.groups)


def test_time_improves_and_the_seed_decides(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    base = arch.load("base")
    folded, shaped, _, lowered = prepare(graph, base)
    (low,) = lowered.values()
    sizing = Sizing(shaped, (low,), scratch_bytes(base))
    rater = Rater(folded, low, sizing)

    def searched(seconds: float | None) -> Rated:
        ticks = count()  # a clock that goes on whenever somebody looks: the same on every machine
        monkeypatch.setattr(search.time, "process_time", lambda: 0.1 * next(ticks))
        return rater.rate(row_streamed(folded, low, sizing, 4096, effort=Effort(seconds, 3)))

    plain, longer, again, hasty = searched(None), searched(9.0), searched(9.0), searched(0.1)
    assert all(plan.height <= 4096 for plan in (plain, longer, hasty))
    assert longer.cycles <= plain.cycles <= hasty.cycles
    assert longer == again


def test_every_plan_of_the_front_is_what_it_says(graph: Graph, plans: list[Rated]) -> None:
    for plan in [*plans[::4], plans[-1]]:
        compiled = check(graph, arch.load("base"), [plan.choice])
        assert compiled.programs[0].plan.height == plan.height
        untraced = compile_model(graph, arch.load("base"), choices=[plan.choice])
        assert predict(untraced.programs[0].program).cycles == plan.cycles


def test_streaming_beats_whole_layers_in_memory(graph: Graph, plans: list[Rated]) -> None:
    whole = compile_model(graph, arch.load("base"), strategy=whole_maps)
    assert plans[0].height < whole.programs[0].plan.height / 3


def test_parked_maps_between_groups_take_the_front_below_what_streaming_needs(plans: list[Rated]) -> None:
    streamed = min(p.height for p in plans if not p.choice.parked)
    parked = [p for p in plans if p.choice.parked]
    assert min(p.height for p in parked) < 0.6 * streamed
    # Each way to memory and back is traffic, and some of these plans stream several layers at a time.
    assert all(p.traffic > min(q.traffic for q in plans) for p in parked)
    assert any(g.last - g.first > 1 for p in parked for g in p.choice.groups)


def test_joint_is_never_worse_than_whole_layers_at_their_budget(graph: Graph) -> None:
    whole = compile_model(graph, arch.load("base"), strategy=whole_maps).programs[0]
    joint = compile_model(graph, arch.load("base"), sram=whole.plan.height).programs[0]
    assert joint.plan.height <= whole.plan.height
    assert predict(joint.program).cycles <= predict(whole.program).cycles


def test_budget_is_kept_and_bytes_are_golden(graph: Graph, plans: list[Rated]) -> None:
    budget = plans[0].height
    compiled = compile_model(graph, arch.load("base"), sram=budget, trace=True)
    assert compiled.arch.act_bytes < budget + 2 * compiled.arch.lanes
    assert not mismatches(compiled)[0]


def test_slack_trades_cycles_for_bytes(graph: Graph, plans: list[Rated]) -> None:
    fastest = min(p.cycles for p in plans)
    compiled = compile_model(graph, arch.load("base"), strategy=within_slack(10))
    program = compiled.programs[0]
    assert predict(program.program).cycles <= 1.1 * fastest
    assert program.plan.height <= min(p.height for p in plans if p.cycles <= 1.1 * fastest)


def test_room_makes_buffers_larger_and_bytes_stay_golden(graph: Graph, plans: list[Rated]) -> None:
    base = arch.load("base")
    (low,) = prepare(graph, base)[3].values()
    choice, more = plans[0].choice, None
    for task in low.tasks:
        more = more or roomier(choice, low, task.ofm.storage.name)
    assert more is not None and more.room[0][1] == 1
    plain, roomy = (check(graph, base, [c]).programs[0].plan for c in (choice, more))
    name = more.room[0][0]
    sizes = [{i.name: i.bytes for i in plan.intervals} for plan in (plain, roomy)]
    assert sizes[1][name] > sizes[0][name]
    assert {n: b for n, b in sizes[0].items() if n != name} == {n: b for n, b in sizes[1].items() if n != name}


def test_slack_must_be_a_percentage() -> None:
    with pytest.raises(InputError, match="slack"):
        within_slack(-1)


def test_plans_suit_the_memory_that_they_are_made_for(graph: Graph) -> None:
    slow = MemoryTiming(latency=100, gap=7)
    usual, other = (plan_model(graph, arch.load("base"), "rows", sram=9000, memory=m) for m in (None, slow))
    assert other.costs() == other.costs(slow)
    assert usual.costs() == usual.costs(MemoryTiming())
    assert other.costs()[0] < usual.costs(slow)[0]
    assert usual.costs()[0] < other.costs(MemoryTiming())[0]
    assert other.costs()[1] < usual.costs()[1], "where bytes are dear, fewer of them move"
