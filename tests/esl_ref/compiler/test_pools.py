# SPDX-License-Identifier: Apache-2.0
"""Large maximum pools in steps: the same tensors in fewer cycles, and whole where bytes matter more."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esl_ref import arch, executor
from esl_ref.compiler.pools import divided, in_steps
from esl_ref.errors import BudgetError
from esl_ref.ir import Act, Graph, MaxPool, Padding, Tensor
from esl_ref.machine.timing import predict
from esl_ref.pipeline import compile_model, plan_model
from esl_ref.planner import saved
from esl_ref.rewrite import Plain, steps
from esl_ref.workloads.builder import Builder
from esl_ref.workloads.seeded import seeded
from tests.helpers.networks import check

BASE = arch.load("base")


def _pools(*pools: MaxPool, size: tuple[int, int] = (13, 11), channels: int = 5) -> Graph:
    """Pools of one map, their results as outputs; shapes are golden's."""
    tensors = {"x": Tensor("x", (1, *size, channels), np.dtype(np.int8))}
    for op in pools:
        p = op.padding
        high = (size[0] + p.top + p.bottom - op.window[0]) // op.stride[0] + 1
        wide = (size[1] + p.left + p.right - op.window[1]) // op.stride[1] + 1
        tensors[op.outputs[0]] = Tensor(op.outputs[0], (1, high, wide, channels), np.dtype(np.int8))
    return Graph("pools", tensors, pools, ("x",), tuple(op.outputs[0] for op in pools))


Pair = tuple[int, int]


def _pool(name: str, window: Pair, stride: Pair, sides: tuple[int, ...], low: int = -128) -> MaxPool:
    return MaxPool(name, ("x",), (f"{name}.out",), window, stride, Padding(*sides), Act(0, low, 127))


def _same(graph: Graph, after: Graph) -> None:
    inputs = executor.random_inputs(graph, 3)
    before, now = executor.run(graph, inputs), executor.run(after, inputs)
    for name in graph.outputs:
        np.testing.assert_array_equal(before[name], now[name])


@st.composite
def _random(draw: st.DrawFn, name: str) -> MaxPool:
    """Any pool whose windows meet the map."""
    window = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    sides = [draw(st.integers(0, window[axis] - 1)) for axis in (0, 0, 1, 1)]
    low = draw(st.sampled_from((-128, -128, -20)))
    return _pool(name, window, draw(st.sampled_from(((1, 1), (1, 1), (2, 1), (2, 3)))), tuple(sides), low)


@settings(max_examples=150, deadline=None)
@given(pools=st.tuples(_random("a"), _random("b"), _random("c")))
def test_steps_give_the_same_tensors(pools: tuple[MaxPool, ...]) -> None:
    graph = _pools(*pools)
    after = in_steps(graph, BASE)
    _same(graph, after)
    assert in_steps(after, BASE).ops == after.ops, "compiled again it would be another plan's network"


@pytest.mark.parametrize(
    ("window", "stride", "first"),
    [((5, 5), (1, 1), (1, 5)), ((8, 8), (2, 2), (1, 8)), ((4, 6), (4, 1), (4, 1)), ((6, 4), (1, 3), (1, 4))],
)
def test_the_step_that_shrinks_the_map_first(window: Pair, stride: Pair, first: Pair) -> None:
    graph = _pools(_pool("a", window, stride, (2, 2, 2, 2)), size=(24, 25), channels=20)
    ops = in_steps(graph, BASE).ops
    assert [op.window for op in ops if isinstance(op, MaxPool)][0] == first and len(ops) == 2
    _same(graph, in_steps(graph, BASE))


@pytest.mark.parametrize(
    ("window", "stride"), [((2, 2), (2, 2)), ((3, 3), (2, 2)), ((13, 11), (1, 1)), ((1, 9), (1, 1))]
)
def test_a_pool_that_gains_nothing_stays(window: Pair, stride: Pair) -> None:
    graph = _pools(_pool("a", window, stride, (0, 0, 0, 0)))
    assert in_steps(graph, BASE).ops == graph.ops and not divided(graph, BASE)


def test_pools_of_a_pyramid_read_each_other() -> None:
    order = [_pool(f"p{k}", (k, k), (1, 1), (k // 2,) * 4) for k in (13, 5, 9)]
    graph = _pools(*order, size=(13, 13))
    after = in_steps(graph, BASE)
    _same(graph, after)
    assert sorted(op.window for op in after.ops if isinstance(op, MaxPool)) == [(1, 5)] * 3 + [(5, 1)] * 3


def test_a_clamp_of_the_smaller_pool_is_not_passed_on() -> None:
    small, large = _pool("a", (3, 3), (1, 1), (1,) * 4, 10), _pool("b", (5, 5), (1, 1), (2,) * 4)
    graph = _pools(small, large)
    after = in_steps(graph, BASE)
    _same(graph, after)
    assert all("a.out" not in op.inputs for op in after.ops)


def test_on_the_machine_whole_and_in_strips() -> None:
    b = Builder("t", (20, 18, 3))
    b.conv(20, 3)
    b.max_pool(8, 2, "same")
    b.conv(16, 1)
    graph = seeded(b.build())
    fast = check(graph, BASE)
    whole = check(Plain(("max_pool1",)).on(graph), BASE)
    cycles = [predict(c.programs[0].program).cycles for c in (fast, whole)]
    assert cycles[0] < 0.55 * cycles[1]
    assert "max_pool1:columns" in fast.graph.tensors and "max_pool1:columns" not in whole.graph.tensors
    streamed = compile_model(graph, BASE, sram=fast.programs[0].plan.height // 3)
    assert predict(streamed.programs[0].program).cycles < cycles[1]


def _beside() -> Graph:
    """A pool whose input is needed whole at the same time, so that a map between costs bytes."""
    b = Builder("t", (12, 12, 16))
    x = b.conv(64, 1)
    b.conv(8, 1, source=b.add(x, b.max_pool(7, 1, "same", source=x)))
    return seeded(b.build())


def test_pools_stay_whole_where_a_budget_asks_for_it() -> None:
    graph = _beside()
    with pytest.raises(BudgetError):
        plan_model(graph, BASE, "rows", sram=6_600)
    planned = plan_model(graph, BASE, sram=6_600)
    assert planned.decisions[1] == "operators run as they stand"
    choices = [step.choice for step in planned.compiled.programs]
    assert "max_pool1:columns" not in check(graph, BASE, choices).graph.tensors
    (record,) = saved.as_record([step.lowered for step in planned.compiled.programs], choices)
    assert steps.from_records(record["rewriting"]) == choices[0].rewriting


def test_a_pool_on_the_host_is_left_alone() -> None:
    graph = _pools(_pool("a", (5, 5), (1, 1), (2,) * 4))
    wide = {n: dataclasses.replace(t, dtype=np.dtype(np.int16)) for n, t in graph.tensors.items()}
    assert in_steps(graph.replace(tensors=wide), BASE).ops == graph.ops
