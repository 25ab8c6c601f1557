# SPDX-License-Identifier: Apache-2.0
"""Large maximum pools in steps: the machine takes one tap per cycle, and a maximum need not see every tap.

A maximum over a rectangle is the maximum over its columns of the maxima over its rows: k + k taps instead of k * k,
at the price of a map between the two. And where one pool covers another of the same map, it is a smaller one of that
pool's result: pools of 5, 9 and 13 (spatial pyramids) are three of 5, one behind the other. Padding never wins, so both
hold at borders. This is a pass over the integer graph: the maps between are tensors like any other, which the planner
streams, places and counts, and which golden computes. `Graph.plain` names pools that get no map between, where its
bytes are worth more than the cycles.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from esl_ref.arch import Arch
from esl_ref.ir import Act, Graph, MaxPool, Op, Padding, Tensor
from esl_ref.machine.engine_timing import EngineTiming, IssueClock
from esl_ref.program.commands import Command
from esl_ref.program.fields import Opcode

__all__ = ["divided", "in_steps"]

Shape = tuple[int, ...]


def in_steps(graph: Graph, arch: Arch) -> Graph:
    """The graph with its large maximum pools in the steps that take the fewest issue cycles on `arch`."""
    while True:
        changed = _rows_then_columns(_cascaded(graph), arch)
        if changed.ops == graph.ops:
            return graph
        graph = changed


def divided(graph: Graph, arch: Arch) -> frozenset[str]:
    """Pools of `graph` that `in_steps` puts maps into: what leaving them whole would save bytes of."""
    return frozenset(op.name for op in _pools(graph) if _first_step(graph, op, arch) is not None)


def _pools(graph: Graph) -> Iterator[MaxPool]:
    """Maximum pools that the accelerator runs."""
    return (op for op in graph.ops if isinstance(op, MaxPool) and graph.tensors[op.inputs[0]].dtype == np.int8)


def _cascaded(graph: Graph) -> Graph:
    """Pools of one map that cover each other read each other's results, the smallest first."""
    alike: dict[str, list[MaxPool]] = {}
    for op in _pools(graph):
        if op.stride == (1, 1):
            alike.setdefault(op.inputs[0], []).append(op)
    ops: list[Op] = list(graph.ops)
    for pools in alike.values():
        ordered = sorted(pools, key=lambda op: op.window)
        chained = [ordered[0], *(_behind(small, large) for small, large in zip(ordered, ordered[1:], strict=False))]
        if chained != ordered:
            at = min(ops.index(op) for op in pools)
            ops = [op for op in ops if op not in pools]
            ops[at:at] = chained
    return graph.replace(ops=tuple(ops))


def _behind(small: MaxPool, large: MaxPool) -> MaxPool:
    """`large` as a pool of the result of `small`, if every window of it is made of windows of that; else as it is."""
    window = (large.window[0] - small.window[0] + 1, large.window[1] - small.window[1] + 1)
    s, p = small.padding, large.padding
    padding = Padding(p.top - s.top, p.bottom - s.bottom, p.left - s.left, p.right - s.right)
    sides = {0: (padding.top, padding.bottom), 1: (padding.left, padding.right)}
    clamps = small.act == large.act or (small.act.low, small.act.high) == (Act().low, Act().high)
    # Every window has to meet the smaller pool's map: what lies outside of that adds nothing then.
    if not clamps or not all(0 <= side < window[axis] for axis in sides for side in sides[axis]):
        return large
    return dataclasses.replace(large, inputs=small.outputs, window=window, padding=padding)


def _rows_then_columns(graph: Graph, arch: Arch) -> Graph:
    ops: list[Op] = []
    tensors: dict[str, Tensor] = dict(graph.tensors)
    pools = {op.name for op in _pools(graph)} - graph.plain
    for op in graph.ops:
        first = _first_step(graph, op, arch) if isinstance(op, MaxPool) and op.name in pools else None
        if first is None:
            ops.append(op)
            continue
        assert isinstance(op, MaxPool)
        ops += [first, _second_step(op, first)]
        between = _out_shape(first, graph.tensors[op.inputs[0]].shape)
        tensors[first.outputs[0]] = dataclasses.replace(
            graph.tensors[op.inputs[0]], name=first.outputs[0], shape=between
        )
    return graph.replace(ops=tuple(ops), tensors=tensors)


def _first_step(graph: Graph, op: MaxPool, arch: Arch) -> MaxPool | None:
    """The pool along one axis that `op` should begin with; None if it is best as it is."""
    shape = graph.tensors[op.inputs[0]].shape
    if min(op.window) == 1:
        return None
    p = op.padding
    steps = [
        _step(op, "columns", (1, op.window[1]), (1, op.stride[1]), Padding(0, 0, p.left, p.right)),
        _step(op, "rows", (op.window[0], 1), (op.stride[0], 1), Padding(p.top, p.bottom, 0, 0)),
    ]

    def cycles(first: MaxPool) -> int:
        return _issues(arch, [first, _second_step(op, first)], shape)

    best = min(steps, key=cycles)
    timing = EngineTiming.of(arch)
    saved = _issues(arch, [op], shape) - cycles(best)
    return best if saved > timing.completion + timing.wait else None  # the second step waits for the first one's end


def _step(op: MaxPool, what: str, window: tuple[int, int], stride: tuple[int, int], padding: Padding) -> MaxPool:
    return MaxPool(f"{op.name}:{what}", op.inputs, (f"{op.outputs[0]}:{what}",), window, stride, padding)


def _second_step(op: MaxPool, first: MaxPool) -> MaxPool:
    """What `op` still has to do behind `first`, a pool along one of its axes."""
    p = op.padding
    rows = first.window[1] == 1  # done already
    return dataclasses.replace(
        op, inputs=first.outputs, window=(1, op.window[1]) if rows else (op.window[0], 1),
        stride=(1, op.stride[1]) if rows else (op.stride[0], 1),
        padding=Padding(0, 0, p.left, p.right) if rows else Padding(p.top, p.bottom, 0, 0),
    )  # fmt: skip


def _out_shape(op: MaxPool, shape: Shape) -> Shape:
    """Output shape of a pool of a map [1, H, W, C]."""
    p = op.padding
    high = (shape[1] + p.top + p.bottom - op.window[0]) // op.stride[0] + 1
    wide = (shape[2] + p.left + p.right - op.window[1]) // op.stride[1] + 1
    return shape[0], high, wide, shape[3]


def _issues(arch: Arch, pools: Sequence[MaxPool], shape: Shape) -> int:
    """Issue cycles of pools one behind the other, from a map of `shape`."""
    clock, cycle = IssueClock(arch), 0
    for op in pools:
        shape = _out_shape(op, shape)
        command = Command(Opcode.POOL, {
            "groups": -(-shape[3] // arch.lanes), "oy_count": shape[1], "ox_count": shape[2],
            "ky_count": op.window[0], "kx_count": op.window[1], "chunks": 1,
        })  # fmt: skip
        cycle = clock.run(command, cycle).last + 1
    return cycle
