# SPDX-License-Identifier: Apache-2.0
"""Recomputing tiles leave every byte of the result as it was, in golden and on the ESL machine."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esl_ref import arch, executor, ir
from esl_ref.compiler import Choice
from esl_ref.compiler.schedule import Group
from esl_ref.errors import PlanError
from esl_ref.ir import Graph
from esl_ref.pipeline import compile_model
from esl_ref.planner.choose import whole_maps
from esl_ref.program.fields import Opcode
from esl_ref.rewrite import tile
from esl_ref.workloads.builder import Builder
from esl_ref.workloads.seeded import seeded
from tests.helpers.networks import mismatches
from tests.helpers.random_nets import random_net


def _same(graph: Graph, rewritten: Graph) -> None:
    inputs = executor.random_inputs(graph, 3)
    before, after = executor.run(graph, inputs), executor.run(rewritten, inputs)
    for name in graph.outputs:
        np.testing.assert_array_equal(before[name], after[name])


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), high=st.integers(1, 4), wide=st.integers(1, 3))
def test_random_networks_keep_their_bytes(seed: int, high: int, wide: int) -> None:
    graph = random_net(seed)
    rows, columns = graph.tensors[graph.outputs[0]].shape[1:3]
    if high > rows or wide > columns:
        return
    rewritten = tile(graph, [op.name for op in graph.ops], high, wide)
    _same(graph, rewritten)


@pytest.mark.parametrize("seed", range(8))
def test_tiles_run_on_the_machine(seed: int) -> None:
    graph = random_net(seed, steps=4)
    rows, columns = graph.tensors[graph.outputs[0]].shape[1:3]
    rewritten = tile(graph, [op.name for op in graph.ops], min(2, rows), min(2, columns))
    compiled = compile_model(rewritten, arch.load("tiny"), trace=True, strategy=whole_maps)
    wrong, compared = mismatches(compiled)
    assert compared and not wrong, wrong


def test_tiles_stream_by_rows_too() -> None:
    graph = _chain()
    rewritten = tile(graph, ["conv1", "max_pool1", "conv2"], 1, 3)
    compiled = compile_model(rewritten, arch.load("base"), strategy=whole_maps)
    count = len(compiled.programs[0].lowered.tasks)
    streamed = compile_model(rewritten, arch.load("base"), trace=True, choices=[Choice((Group(0, count, 1),))])
    assert not mismatches(streamed)[0]
    assert streamed.arch.act_bytes < compiled.arch.act_bytes


def _chain() -> Graph:
    b = Builder("chain", (24, 20, 3))
    b.conv(16, 3)
    b.max_pool(2, 2, "same")
    b.conv(24, 3)
    b.conv(8, 1)
    return seeded(b.build())


def test_tiles_need_fewer_bytes_and_no_copies() -> None:
    graph = _chain()
    whole = compile_model(graph, arch.load("base"), strategy=whole_maps)
    tiled = compile_model(tile(graph, ["conv1", "max_pool1", "conv2"], 3, 2), arch.load("base"), strategy=whole_maps)
    assert tiled.arch.act_bytes < 0.7 * whole.arch.act_bytes
    kinds = {task.opcode.name for task in tiled.programs[0].lowered.tasks}
    assert len(tiled.programs[0].lowered.tasks) == 6 * 3 + 1  # slices and joins are addresses
    assert kinds == {"CONV", "POOL"}


def test_tiles_do_not_load_weights_that_are_there() -> None:
    tiled = compile_model(tile(_chain(), ["conv1", "max_pool1", "conv2"], 1, 3), arch.load("base"), strategy=whole_maps)
    lowered, program = tiled.programs[0].lowered, tiled.programs[0].program
    assert len({id(t.weights) for t in lowered.tasks if t.op.startswith("conv1#")}) == 1
    loaded = sum(c["words"] for c in program.commands if c.opcode is Opcode.LOAD_WEIGHTS)
    kinds = {id(t.weights): t for t in lowered.tasks}.values()
    assert loaded == sum(t.weights.per_group * (1 if t.weights.shared else t.groups(16)) for t in kinds)


def test_a_tile_computes_its_halo_and_no_more() -> None:
    tiled = tile(_chain(), ["conv1", "max_pool1", "conv2"], 2, 1)
    shapes = {n: t.shape for n, t in tiled.tensors.items()}
    assert shapes["conv2#0.0"] == (1, 6, 10, 24)
    assert shapes["max_pool1#0.0"] == (1, 7, 10, 16)  # a row of halo below
    assert shapes["conv1#0.0"] == (1, 14, 20, 16)
    assert shapes["conv1#1.0"] == (1, 14, 20, 16)
    first = next(op for op in tiled.ops if op.name == "conv1#0.0")
    assert isinstance(first, ir.Conv2D)
    assert (first.padding.top, first.padding.bottom) == (1, 0)


def test_upsampling_by_parts_of_pixels() -> None:
    b = Builder("up", (5, 5, 2))
    b.upsample(2)
    b.conv(4, 3)
    graph = seeded(b.build())
    rewritten = tile(graph, [op.name for op in graph.ops], 3, 3)
    _same(graph, rewritten)
    compiled = compile_model(rewritten, arch.load("tiny"), trace=True, strategy=whole_maps)
    assert all(not step.segment.host for step in compiled.steps)
    assert not mismatches(compiled)[0]


def test_constant_maps_are_cut_along() -> None:
    b = Builder("sum", (6, 6, 3))
    left = b.conv(5, 3)
    b.add(left, b.conv(5, 1, source="input"))
    graph = seeded(b.build())
    (add,) = (op for op in graph.ops if isinstance(op, ir.Add))
    data = np.random.default_rng(0).integers(-128, 128, (1, 6, 6, 5), np.int8)
    tensors = {**graph.tensors, add.inputs[1]: ir.Tensor(add.inputs[1], data.shape, data.dtype, data=data)}
    ops = tuple(op for op in graph.ops if op.outputs[0] != add.inputs[1])
    graph = graph.replace(ops=ops, tensors=tensors)
    _same(graph, tile(graph, [op.name for op in ops], 2, 3))


def test_what_cannot_be_tiled_says_why() -> None:
    b = Builder("net", (8, 8, 3))
    inner = b.conv(4, 3)
    b.conv(4, 3)
    b.dense(3)
    graph = seeded(b.build("conv2", "dense1"))
    with pytest.raises(PlanError, match="no map"):
        tile(graph, ["flatten conv2", "dense1"], 1, 1)
    pooled = Builder("mean", (8, 8, 3))
    pooled.mean()
    with pytest.raises(PlanError, match="Mean cannot be tiled: it needs whole maps"):
        tile(seeded(pooled.build()), ["mean1"], 1, 1)
    with pytest.raises(PlanError, match="2 tiles|9 x 1 tiles"):
        tile(graph, [inner, "conv2"], 9, 1)
    with pytest.raises(PlanError, match="no operator 'nothing'"):
        tile(graph, ["nothing"], 1, 1)
    both = seeded(b.build("conv1", "conv2"))
    with pytest.raises(PlanError, match="tensor 'conv1'.*others read it"):
        tile(both, ["conv1", "conv2"], 2, 2)
