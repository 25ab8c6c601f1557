# SPDX-License-Identifier: Apache-2.0
"""Sums over several commands: windows larger than the machine's, and weights that int8 does not hold."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esl_ref import arch, ir
from esl_ref.arch import Arch
from esl_ref.compiler import Choice, Compiled
from esl_ref.compiler import parts as module
from esl_ref.compiler.lower_depthwise import _ways
from esl_ref.compiler.model import prepare
from esl_ref.compiler.overlap import issue_cycles
from esl_ref.compiler.packing import addends
from esl_ref.compiler.parts import blocks, columns_of, fits_columns
from esl_ref.compiler.schedule import Compute, Group
from esl_ref.compiler.tasks import Part, Task
from esl_ref.ir import Graph
from esl_ref.pipeline import compile_model
from esl_ref.rewrite import split_channels
from esl_ref.workloads.builder import Builder
from esl_ref.workloads.seeded import seeded
from tests.helpers.networks import mismatches

BASE = arch.load("base")
ROOMY = BASE.with_depths(act_bytes=1 << 18, weight_words=512)


def _depthwise(size: tuple[int, int], channels: int, kernel: Any, stride: Any = 1, pad: Any = "same") -> Graph:
    b = Builder("t", (*size, channels))
    b.conv(channels, 1)
    b.depthwise(kernel, stride, pad)
    return seeded(b.build())


def _widened(graph: Graph, zero: int, seed: int = 0) -> Graph:
    """Weights over all of int8 with a zero point, which a requantisation chosen for smaller ones still takes."""
    rng = np.random.default_rng(seed)
    ops = [
        dataclasses.replace(op, weight=rng.integers(-128, 128, op.weight.shape).astype(np.int8), weight_zero=zero)
        if isinstance(op, ir.Conv2D | ir.DepthwiseConv2D | ir.FullyConnected) else op for op in graph.ops
    ]  # fmt: skip
    return graph.replace(ops=tuple(ops))


def _run(graph: Graph, machine: Arch | None = None, strip: int = 0) -> Compiled:
    """On the ESL machine against golden; in strips of all its tasks if asked for."""
    count = sum(len(low.tasks) for low in prepare(graph, machine or BASE, shaped=machine is not None)[3].values())
    choices = [Choice((Group(0, count, strip),))] if strip else None
    compiled = compile_model(graph, machine or BASE, trace=True, sized=machine, choices=choices)
    wrong, compared = mismatches(compiled)
    assert compared and not wrong, wrong
    assert len(compiled.steps) == 1, "some operator was left to the host"
    return compiled


def _task(graph: Graph, op: str, machine: Arch = BASE) -> tuple[Task, Arch]:
    _, shaped, _, lowered = prepare(graph, machine)
    return next(t for low in lowered.values() for t in low.tasks if t.op == op), shaped


@settings(max_examples=25, deadline=None)
@given(data=st.data(), kernel=st.tuples(st.integers(1, 12), st.integers(1, 17)), slots=st.sampled_from((3, 16, 40)),
       lines=st.sampled_from((24, 40, 128)), strip=st.sampled_from((0, 1, 3)), zero=st.sampled_from((0, 90)))
def test_any_window_on_any_machine(
    data: st.DataObject, kernel: tuple[int, int], slots: int, lines: int, strip: int, zero: int
) -> None:
    size = high, wide = tuple(data.draw(st.integers(max(1, k - 3), k + 5)) for k in kernel)
    top, left = (data.draw(st.integers((max(0, k - n) + 1) // 2, k - 1)) for k, n in zip(kernel, size, strict=True))
    stride = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    channels = data.draw(st.sampled_from((3, 16, 37)))
    graph = _depthwise((high, wide), channels, kernel, stride, (top, top, left, left))
    machine = ROOMY.with_depths(acc_words=slots, line_depth=lines)
    _run(_widened(graph, zero), machine, strip or 99)


@pytest.mark.parametrize(("size", "kernel", "stride", "times"), [
    (44, (7, 7), 1, 5.0), (88, (7, 7), 2, 3.5), (11, (7, 7), 1, 4.5), (24, (9, 9), 1, 6.0), (40, (10, 8), 1, 6.0),
    (40, (23, 1), 1, 1.8),
])  # fmt: skip
def test_large_windows_take_a_fraction_of_the_cycles_of_taps(
    size: int, kernel: tuple[int, int], stride: int, times: float
) -> None:
    task, shaped = _task(_depthwise((size, size), 16, kernel, stride), "depthwise1")
    cycles = issue_cycles(Compute(task, 0, task.ofm.height, 0), shaped)
    taps = task.ofm.height * task.ofm.width * kernel[0] * kernel[1]
    assert taps > times * cycles, f"{taps / cycles:.2f} times"


@settings(max_examples=100, deadline=None)
@given(kernel=st.tuples(st.integers(1, 20), st.integers(1, 20)), stride=st.tuples(st.integers(1, 4), st.integers(1, 4)))
def test_parts_have_every_tap_once(kernel: tuple[int, int], stride: tuple[int, int]) -> None:
    task, _ = _task(_depthwise((8, 8), 4, 3), "depthwise1")
    for _, parts in _ways(BASE, task.replace(kernel=kernel, stride=stride)):
        met = np.zeros(kernel, np.int64)
        for p in parts:
            ends = [a + (n - 1) * e + 1 for a, n, e in zip(p.at, p.kernel, p.every, strict=True)]
            assert ends[0] <= kernel[0] and ends[1] <= kernel[1]
            met[p.at[0] : ends[0] : p.every[0], p.at[1] : ends[1] : p.every[1]] += 1
        assert (met == 1).all(), parts


def test_blocks_fit_slots_and_line_buffers() -> None:
    machine = BASE.with_depths(acc_words=10, line_depth=60)
    graph = _depthwise((9, 23), 40, 7)
    _, _, _, lowered = prepare(graph, machine, shaped=True)
    task = next(t for low in lowered.values() for t in low.tasks if t.parts)
    assert columns_of(task) <= machine.line_depth
    done = np.zeros((9, 3), np.int64)
    for block in blocks(task, (0, 9), (0, 3), machine.lanes):
        results = (block.rows[1] - block.rows[0]) * block.task.ofm.width * (block.groups[1] - block.groups[0])
        assert results <= machine.acc_words
        if not block.keeps:
            done[slice(*block.rows), slice(*block.groups)] += block.task.ofm.width
    assert (done == 23).all()


def test_the_first_strip_that_is_too_wide_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    task, _ = _task(_depthwise((9, 30), 4, (9, 9)), "depthwise1")
    assert task.parts is not None
    task, seen = task.replace(parts=dataclasses.replace(task.parts, wide=1)), list[Task]()
    most = columns_of(task)
    assert fits_columns(task, most) and not fits_columns(task, most - 1)

    def counted(task: Task, part: Part, piece: Any = module.piece) -> Task:
        seen.append(task)
        return piece(task, part)

    monkeypatch.setattr(module, "piece", counted)
    assert not fits_columns(task, 0)
    assert len(seen) <= len(task.parts.each)


def test_debug_records_say_which_command_writes_what() -> None:
    (step,) = _run(_depthwise((9, 23), 40, 7), ROOMY.with_depths(acc_words=10, line_depth=60)).programs
    written = np.zeros((9, 23, 40), np.int64)
    for info in step.program.debug:
        if "depthwise1" in info.writes:
            written[tuple(slice(a, a + n) for a, n in (info.rows, info.columns, info.channels))] += 1
    assert (written == 1).all()


def test_a_model_gets_slots_for_a_row_of_its_sums() -> None:
    assert _run(_depthwise((12, 40), 16, 7)).arch.acc_words == 40
    assert _run(_depthwise((12, 40), 16, 5)).arch.acc_words == BASE.acc_words


@settings(max_examples=100, deadline=None)
@given(values=st.lists(st.integers(-600, 600), min_size=1, max_size=9))
def test_addends(values: list[int]) -> None:
    weight = np.array(values, np.int64)
    parts = addends(weight)
    np.testing.assert_array_equal(sum(parts), weight)
    assert all(p.min() >= -128 and p.max() <= 127 for p in parts)
    assert len(parts) == max(1, *(-(-v // 127) if v > 0 else -(v // 128) for v in values))


def _wide_layers(kind: str) -> Graph:
    b = Builder("t", (9, 10, 20))
    x = b.conv(20, 1)
    if kind == "grouped":
        b.conv(36, 3, groups=4)
    elif kind == "dilated":
        b.conv(20, 3, dilation=2)
    elif kind == "beside":  # its input's pixels lie apart, in a part of a concatenation
        b.concat(y := b.conv(12, 3, source=x), b.conv(12, 3, source=y))
    elif kind == "depthwise":
        b.depthwise(3, 2)
        b.depthwise(7)
    elif kind == "row":
        b.conv(48, (1, 5))
    else:
        b.dense(70)
    return seeded(b.build())


@pytest.mark.parametrize("kind", ["grouped", "dilated", "beside", "depthwise", "row", "dense"])
def test_weights_that_leave_int8(kind: str) -> None:
    """With a zero point of -128 there is a weight of 255, the sum of three that int8 holds."""
    _run(_widened(_wide_layers(kind), -128, seed=5), ROOMY.with_depths(acc_words=3), strip=99)


def test_weights_that_leave_int8_on_memories_of_the_planned_size() -> None:
    _run(_widened(_wide_layers("depthwise"), 60))


@pytest.mark.parametrize("name", ["tiny", "base"])
def test_line_buffers_of_the_planned_size_hold_a_part_that_is_alone(name: str) -> None:
    """Half of the channels have one addend, which runs in strips as wide as line buffers allow, not in those of two."""
    machine = arch.load(name)
    lanes, width = machine.lanes, machine.line_depth
    graph = _widened(_depthwise((5, width), 2 * lanes, 3), 60)
    narrow = tuple(
        dataclasses.replace(op, weight=np.concatenate([op.weight[..., :lanes], op.weight[..., lanes:] // 4], axis=-1))
        if isinstance(op, ir.DepthwiseConv2D) else op for op in graph.ops
    )  # fmt: skip
    wrong, compared = mismatches(compile_model(graph.replace(ops=narrow), machine, trace=True))
    assert compared and not wrong, wrong


def test_groups_without_such_weights_run_once() -> None:
    graph = _wide_layers("row")
    conv = next(op for op in graph.ops if op.name == "conv2")
    weight = np.clip(conv.weight, -100, 100).astype(np.int8)  # type: ignore[attr-defined]
    weight[20, 0, 4, 3] = -128
    graph = graph.replace(ops=tuple(
        dataclasses.replace(op, weight=weight, weight_zero=10) if op is conv else op for op in graph.ops
    ))  # fmt: skip
    (step,) = _run(graph).programs
    task = next(t for t in step.lowered.tasks if t.op == "conv2")
    assert task.parts is not None
    assert [(p.groups, p.run) for p in task.parts.each] == [(None, (0, 100)), (frozenset({1}), (80, 16))]
    sums = [c for c in step.program.commands if "acc_out" in c.fields and c["acc_out"]]
    assert sum(c["groups"] * c["oy_count"] * c["ox_count"] for c in sums) == 9 * 10, "one group's results"


@pytest.mark.parametrize(("outputs", "shares"), [(24, True), (256, False)])
def test_sums_over_slices_of_channels_of_such_weights(outputs: int, shares: bool) -> None:
    """256 sums would take all slots of the machine, and leave none for the layers that need some for a moment."""
    b = Builder("t", (1, 1, 24))
    b.conv(40, 1)
    b.table()
    b.dense(outputs)
    graph = split_channels(_widened(seeded(b.build()), 90), ["conv1", "table1", "dense1"], 3, sums=True)
    compiled = compile_model(graph, BASE, trace=True)
    assert any(t.share for t in compiled.programs[0].lowered.tasks) is shares
    wrong, compared = mismatches(compiled)
    assert compared and not wrong, wrong


@pytest.mark.parametrize(("size", "kernel", "dilation", "times"), [
    ((20, 22), (3, 3), (2, 2), 4.0), ((9, 7), (3, 3), (4, 3), 2.0), ((13, 9), (7, 7), (2, 2), 3.0),
    ((30, 1), (9, 1), (4, 1), 2.5), ((3, 3), (3, 3), (4, 4), 0.5),
])  # fmt: skip
@pytest.mark.parametrize("strip", [99, 1])
def test_dilated_windows_run_by_phases(
    size: tuple[int, int], kernel: tuple[int, int], dilation: tuple[int, int], times: float, strip: int
) -> None:
    graph = _depthwise(size, 24, kernel)
    top, left = ((k - 1) * d // 2 for k, d in zip(kernel, dilation, strict=True))
    bottom, right = ((k - 1) * d - first for k, d, first in zip(kernel, dilation, (top, left), strict=True))
    ops = [
        dataclasses.replace(op, dilation=dilation, padding=ir.Padding(top, bottom, left, right))
        if isinstance(op, ir.DepthwiseConv2D) else op for op in graph.ops
    ]  # fmt: skip
    (step,) = _run(graph.replace(ops=tuple(ops)), ROOMY, strip).programs
    phases = [t for t in step.lowered.tasks if t.op == "depthwise1"]
    taken = sum(issue_cycles(Compute(t, 0, t.ofm.height, 0), ROOMY) for t in phases)
    assert 2 * size[0] * size[1] * kernel[0] * kernel[1] > times * taken


def test_line_buffers_hold_the_widest_strip_of_columns() -> None:
    """Which is not the second: left of that, too, there is padding that is not visited."""
    tiny = arch.load("tiny").with_depths(act_bytes=1 << 18)
    _run(_depthwise((24, 19), 3, (9, 12), 1, (3, 2, 3, 6)), tiny, strip=99)


@pytest.mark.parametrize(("channels", "multiplier", "convolutions"), [(5, 3, 1), (24, 5, 8), (20, 20, 5), (40, 3, 8)])
def test_input_channels_share_convolutions_with_a_multiplier(
    channels: int, multiplier: int, convolutions: int
) -> None:
    b = Builder("t", (6, 7, channels))
    b.depthwise(6, 1, multiplier=multiplier)  # no window holds the kernel, no lanes share by these multipliers
    (step,) = _run(seeded(b.build()), ROOMY, strip=99).programs
    assert len(step.lowered.tasks) == convolutions
    assert sum(task.macs for task in step.lowered.tasks) <= 6 * 7 * channels * multiplier * 36
