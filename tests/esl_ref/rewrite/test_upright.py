# SPDX-License-Identifier: Apache-2.0
"""Sequences in maps of one row, turned upright: the same bytes in every tensor, and rows that stream."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from esl_ref import arch, executor
from esl_ref.compiler.fold import fold_padding
from esl_ref.errors import BudgetError, PlanError
from esl_ref.ir import Add, Conv2D, Graph, Reshape, Tensor
from esl_ref.ops.finish import slice_channels
from esl_ref.pipeline import alternatives, compile_model, plan_model
from esl_ref.planner.joint import Effort
from esl_ref.rewrite import Plain, Upright, lying, rewritten, upright
from esl_ref.rewrite.steps import as_records, from_records
from esl_ref.tradeoffs import plan_within_slack
from esl_ref.workloads.builder import Builder
from esl_ref.workloads.seeded import seeded
from tests.helpers.networks import check

BASE, _EFFORT = arch.load("base"), Effort()


def _sequence() -> Graph:
    """120 values of 6 channels: windows of all kinds, a residual sum, a concatenation, a function, a mean."""
    b = Builder("sequence", (1, 120, 6))
    x = b.conv(16, (1, 5))
    y = b.depthwise((1, 7), source=b.table(source=x))
    z = b.add(x, b.conv(16, 1, source=y))
    w = b.max_pool((1, 3), (1, 3), source=z)
    b.concat(b.conv(12, (1, 4), (1, 2), (0, 0, 1, 2), source=w), b.conv(8, (1, 2), (1, 2), source=w))
    b.conv(16, (1, 9))
    b.dense(4, source=b.mean())
    return seeded(b.build())


def test_operators_on_single_rows_alone_are_turned() -> None:
    graph = _sequence()
    assert len(lying(graph)) == 11 and not any("dense" in name for name in lying(graph))
    b = Builder("t", (2, 30, 4))
    b.conv(8, (1, 3))
    assert lying(seeded(b.build())) == ()


def test_every_tensor_keeps_its_bytes() -> None:
    graph = _sequence()
    turned = upright(graph, lying(graph))
    inputs = executor.random_inputs(graph, 3)
    before, after = executor.run(graph, inputs, keep="all"), executor.run(turned, inputs, keep="all")
    for name, value in before.items():
        assert after[name].tobytes() == value.tobytes(), name
    kernels = [op.weight.shape for op in turned.ops if isinstance(op, Conv2D)]
    assert all(shape[2] == 1 for shape in kernels) and kernels[0][1] == 5
    assert turned.inputs == graph.inputs and turned.outputs == graph.outputs
    assert turned.tensors["conv1"].shape == (1, 120, 1, 16)


def test_part_of_a_network_may_be_turned() -> None:
    graph = _sequence()
    turned = upright(graph, ("depthwise1", "conv2"))
    inputs = executor.random_inputs(graph, 4)
    np.testing.assert_array_equal(*(executor.run(g, inputs)[graph.outputs[0]] for g in (graph, turned)))
    with pytest.raises(PlanError, match="operator 'dense1': cannot be turned upright"):
        upright(graph, ("dense1",))


def test_sequences_of_vectors_between_maps_are_turned_with_them() -> None:
    """As converters write 1-D convolutions: maps of rank 4, everything between them of rank 3."""
    dtype = np.dtype(np.int8)
    shapes = {"x": (1, 40, 8), "a": (1, 1, 40, 8), "b": (1, 1, 40, 8), "c": (1, 40, 8), "d": (1, 40, 8)}
    template = next(op for op in _sequence().ops if isinstance(op, Conv2D))
    weight = template.weight[:8].repeat(2, 3)[..., :8]
    conv = dataclasses.replace(
        template, name="conv", inputs=("a",), outputs=("b",), weight=weight, bias=template.bias[:8],
        requant=slice_channels(template.requant, slice(0, 8)),
    )  # fmt: skip
    add = next(op for op in _sequence().ops if isinstance(op, Add))
    graph = Graph("t", {n: Tensor(n, s, dtype) for n, s in shapes.items()}, (
        Reshape("r", ("x",), ("a",)), conv, Reshape("s", ("b",), ("c",)),
        dataclasses.replace(add, name="add", inputs=("x", "c"), outputs=("d",)),
    ), ("x",), ("d",))  # fmt: skip
    assert set(lying(graph)) == {"r", "conv", "s", "add"}
    turned = upright(graph, lying(graph))
    assert turned.tensors["b"].shape == (1, 40, 1, 8) and "c" not in turned.tensors
    inputs = executor.random_inputs(graph, 5)
    assert executor.run(turned, inputs)["d"].tobytes() == executor.run(graph, inputs)["d"].tobytes()
    check(turned, BASE)


def test_a_budget_that_one_row_does_not_fit_is_met_by_rows_that_stream() -> None:
    graph = _sequence()
    whole = compile_model(graph, BASE).programs[0].plan.height
    with pytest.raises(BudgetError):
        plan_model(graph, BASE, "rows", sram=whole // 3)
    planned = plan_model(graph, BASE, sram=whole // 3)
    assert planned.height <= whole // 3
    check(graph, BASE, [step.choice for step in planned.compiled.programs])
    assert plan_within_slack(graph, BASE, 1000, _EFFORT).height <= whole // 3


def test_steps_as_records() -> None:
    steps = alternatives(_sequence(), BASE)[0]
    assert [type(step) for step in steps] == [Upright, Plain]
    assert from_records(as_records(steps)) == steps
    stood = rewritten(fold_padding(_sequence()), steps)
    assert stood.plain >= {"conv1", "depthwise1"}
