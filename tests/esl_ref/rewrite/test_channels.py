# SPDX-License-Identifier: Apache-2.0
"""Channel splits leave every byte as it was; a fan-in sums its parts in accumulator slots."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esl_ref import arch, executor, ir
from esl_ref.compiler import Choice, Compiled, overlap
from esl_ref.compiler.model import Strategy
from esl_ref.compiler.rolling import grids_of
from esl_ref.compiler.schedule import Compute, Group, layerwise_groups
from esl_ref.errors import PlanError
from esl_ref.ir import Graph
from esl_ref.macs import total_macs
from esl_ref.numerics import Profile, Requant
from esl_ref.pipeline import compile_model
from esl_ref.planner.choose import whole_maps
from esl_ref.program.fields import Opcode
from esl_ref.rewrite import split_channels
from esl_ref.workloads.builder import Builder
from esl_ref.workloads.seeded import seeded
from tests.helpers.networks import mismatches

BASE = arch.load("base")
BODY = ["conv1", "depthwise1", "table1", "mean1"]


def _net(channels: int = 37, seed: int = 0) -> Graph:
    b = Builder("head", (6, 7, 3))
    b.conv(channels, 3)
    b.depthwise(3)
    b.table()
    b.mean()
    b.dense(20)
    b.dense(7)
    return seeded(b.build(), seed)


def _same(graph: Graph, rewritten: Graph) -> None:
    inputs = executor.random_inputs(graph, 3)
    before, after = executor.run(graph, inputs), executor.run(rewritten, inputs)
    for name in graph.outputs:
        np.testing.assert_array_equal(before[name], after[name])


def _compiled(graph: Graph, strategy: Strategy = whole_maps) -> Compiled:
    compiled = compile_model(graph, BASE, trace=True, strategy=strategy)
    wrong, compared = mismatches(compiled)
    assert compared and not wrong, wrong
    return compiled


def _partial(compiled: Compiled) -> int:
    commands = compiled.programs[0].program.commands
    return sum(c["acc_out"] for c in commands if c.opcode is Opcode.CONV)


@settings(max_examples=40, deadline=None)
@given(channels=st.integers(2, 40), parts=st.integers(2, 9), length=st.integers(1, 4), sums=st.booleans(),
       seed=st.integers(0, 99))  # fmt: skip
def test_any_part_of_the_path_keeps_its_bytes(channels: int, parts: int, length: int, sums: bool, seed: int) -> None:
    graph = _net(channels, seed)
    path = [*BODY, "dense1"] if sums else BODY[:length]
    if parts <= channels:
        rewritten = split_channels(graph, path, parts, sums=sums)
        _same(graph, rewritten)
        assert total_macs(rewritten) == total_macs(graph)


@pytest.mark.parametrize("own", ["multiplier", "shift", "add"])
def test_constants_of_all_channels_and_of_each_mix(own: str) -> None:
    graph = _net(12)
    conv = next(op for op in graph.ops if op.name == "conv1")
    each = {"multiplier": np.array([40]), "shift": np.array([-12]), "add": np.array([2048])}
    each[own] = each[own] + np.arange(12) * {"multiplier": 1, "shift": 0, "add": 99}[own]
    requant = Requant(profile=Profile.MUL_ADD_SHIFT, **each)
    ops = tuple(dataclasses.replace(op, requant=requant) if op is conv else op for op in graph.ops)
    graph = graph.replace(ops=ops)
    _same(graph, split_channels(graph, BODY, 3))


@pytest.mark.parametrize("parts", [2, 3, 5, 37])
def test_fan_in_sums_on_the_machine(parts: int) -> None:
    graph = _net()
    compiled = _compiled(split_channels(graph, [*BODY, "dense1"], parts, sums=True))
    made = -(-37 // -(-37 // parts))
    assert _partial(compiled) >= made - 1
    storages = {view.storage.name for t in compiled.programs[0].lowered.tasks for view in (t.ifm, t.ofm)}
    assert "mean1" not in storages  # the parts never are together


def test_fan_in_of_a_convolution_with_padding_and_a_zero_point() -> None:
    b = Builder("net", (4, 3, 5))
    b.conv(24, 3)
    b.conv(6, 3)
    graph = seeded(b.build(), 4)
    assert graph.ops[1].zero_in != 0  # type: ignore[attr-defined]
    rewritten = split_channels(graph, ["conv1", "conv2"], 3, sums=True)
    _same(graph, rewritten)
    assert _partial(_compiled(rewritten)) == 2


def test_sums_that_have_no_slots_are_read_together() -> None:
    b = Builder("net", (8, 8, 5))
    b.conv(24, 3)
    b.conv(40, 3)  # 64 pixels in 3 groups: more results than accumulator slots
    rewritten = split_channels(seeded(b.build()), ["conv1", "conv2"], 2, sums=True)
    assert _partial(_compiled(rewritten)) == 0


def test_two_fan_ins_keep_their_slots_apart_while_rows_stream() -> None:
    graph = split_channels(_net(), [*BODY, "dense1"], 4, sums=True)
    graph = split_channels(graph, ["dense1", "dense2"], 2, sums=True)
    tasks = _compiled(graph).programs[0].lowered.tasks
    streamed = compile_model(graph, BASE, trace=True, choices=[Choice((Group(0, len(tasks), 1),))])
    assert not mismatches(streamed)[0]
    bases = {t.op.split("/")[0]: t.share.base for t in tasks if t.share}
    assert len(set(bases.values())) == 2


def test_weights_of_a_fan_in_come_in_chunks_of_groups() -> None:
    b = Builder("net", (3, 3, 5))
    b.conv(96, 1)
    b.conv(40, 3, 1, "valid")
    graph = split_channels(seeded(b.build()), ["conv1", "conv2"], 2, sums=True)
    compiled = _compiled(graph, lambda graph, lowered, sizing, budget: Choice(layerwise_groups(lowered), 4))
    bases = {c["acc_base"] for c in compiled.programs[0].program.commands if c.opcode is Opcode.CONV and c["acc_out"]}
    assert len(bases) == 3  # a slot for each group of 16 channels, in commands of their own


def test_shares_keep_their_order_whatever_is_ready_first() -> None:
    graph = split_channels(_net(), [*BODY, "dense1"], 3, sums=True)
    schedule = _compiled(graph).programs[0].schedule
    nodes = overlap.dependences(schedule.steps, grids_of(schedule))
    shares = [i for i, step in enumerate(schedule.steps) if isinstance(step, Compute) and step.task.share]
    assert len(shares) == 3
    assert all(before in nodes[after].before for before, after in zip(shares, shares[1:], strict=False))


def test_bytes_fall_and_work_does_not_grow() -> None:
    graph = _net(96)
    whole = compile_model(graph, BASE, strategy=whole_maps)
    split = compile_model(split_channels(graph, [*BODY, "dense1"], 6, sums=True), BASE, strategy=whole_maps)
    assert split.programs[0].plan.height < whole.programs[0].plan.height / 3
    work = [sum(t.macs for t in c.programs[0].lowered.tasks) for c in (whole, split)]
    assert work[0] == work[1] == total_macs(graph)


def test_what_cannot_be_split_says_why() -> None:
    graph = _net()
    with pytest.raises(PlanError, match="cannot be cut into 99"):
        split_channels(graph, ["conv1"], 99)
    with pytest.raises(PlanError, match="does not make channels"):
        split_channels(graph, ["depthwise1"], 2)
    with pytest.raises(PlanError, match="mixes channels"):
        split_channels(graph, ["dense1", "dense2"], 2)
    with pytest.raises(PlanError, match="no path"):
        split_channels(graph, ["nothing"], 2)
    with pytest.raises(PlanError, match="not all that"):
        split_channels(graph, ["conv1", "dense1"], 2, sums=True)
    grouped = dataclasses.replace(graph.ops[0], groups=1)
    assert isinstance(grouped, ir.Conv2D)
    two = graph.replace(outputs=("conv1", *graph.outputs))
    with pytest.raises(PlanError, match="others read it"):
        split_channels(two, ["conv1", "depthwise1"], 2)
