# SPDX-License-Identifier: Apache-2.0
"""Which operator runs where, and the cut of a graph into accelerator segments with host operators between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from esl_ref import ir
from esl_ref.ir import Graph, Op
from esl_ref.numerics import Profile, Requant

__all__ = ["Segment", "host_reason", "split"]


@dataclass(frozen=True)
class Segment:
    """Operators that run together: on the accelerator as one Program, or on the host one by one."""

    host: bool
    ops: tuple[Op, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def host_reason(op: Op, graph: Graph) -> str:
    """Why the accelerator leaves `op` to the host; '' if it takes it."""
    if op.host:
        return f"{op.kind} is host work by definition (float-like or a general permutation)"
    ins, outs = graph.io(op)
    if any(t.dtype != np.int8 for t in (*ins, *outs)):
        return "only int8 tensors are held in activation SRAM"
    if any(t.shape[0] != 1 for t in (*ins, *outs) if len(t.shape) == 4 or (len(t.shape) > 1 and not t.is_const)):
        return "batch sizes other than 1"
    if reason := _rounding(op, graph.profile):
        return reason
    check: Callable[[Any, Graph], str] | None = _CHECKS.get(type(op))
    return check(op, graph) if check else ""


def _rounding(op: Op, profile: Profile) -> str:
    """What rounds once in a model that rounds twice is lowered so; no other machine has two ways."""
    requant: Requant | None = getattr(op, "requant", None)
    if requant is None or requant.profile is profile:
        return ""
    once = (profile, requant.profile) == (Profile.TFLITE, Profile.SINGLE) and isinstance(op, ir.FullyConnected)
    return "" if once else f"it rounds as {requant.profile.value}, the model as {profile.value}"


_HEADROOM = {Profile.TFLITE: 20, Profile.SINGLE: 20, Profile.EVEN: 20, Profile.MUL_ADD_SHIFT: 0, Profile.POW2: 0}
"""Bits by which the machine shifts an operand of a sum to the left before it is scaled."""


def _binary(op: ir.Add | ir.Mul, graph: Graph) -> str:
    (a, b), (out,) = graph.io(op)
    if isinstance(op, ir.Add) and op.left_shift != _HEADROOM[op.requant.profile]:
        return f"addition with a left shift of {op.left_shift}, not {_HEADROOM[op.requant.profile]}"
    if len(out.shape) > 4:
        return "rank above 4"
    for t in (a, b):
        if t.shape and t.shape[-1] != out.shape[-1]:
            return "an operand broadcasts along the channels"
        if any(t.shape[i] not in (1, out.shape[i]) for i in range(-len(t.shape), 0)):
            return "operand shapes that do not broadcast"
    return ""


def _average(op: ir.AveragePool, graph: Graph) -> str:
    rebiased = op.zero_in == op.act.zero_point == -128 and graph.profile is Profile.TFLITE
    return f"average pooling about a zero point of {op.zero_in}" if op.zero_in and not rebiased else ""


def _mean(op: ir.Mean, graph: Graph) -> str:
    (ifm,), _ = graph.io(op)
    if len(ifm.shape) != 4 or not set(op.axes) <= {1, 2}:
        return f"mean over axes {op.axes} of a rank {len(ifm.shape)} tensor"
    return ""


def _resize(op: ir.ResizeNearest, graph: Graph) -> str:
    (ifm,), _ = graph.io(op)
    for size, table in zip(ifm.shape[1:3], (op.rows, op.columns), strict=True):
        factor = len(table) // size
        if len(table) != factor * size or list(table) != [i // factor for i in range(len(table))]:
            return "nearest resize by other than a whole factor"
    return ""


def _slice(op: ir.Slice, graph: Graph) -> str:
    (ifm,), _ = graph.io(op)
    if any(s < 1 for s in op.stride):
        return "slices with negative strides"
    if op.stride[-1] != 1 or len(ifm.shape) > 4:
        return "slices that skip channels"
    return ""


def _pad(op: ir.Pad, graph: Graph) -> str:
    (ifm,), _ = graph.io(op)
    if len(ifm.shape) != 4 or op.pads[0] != (0, 0):
        return "padding of other than rows, columns and channels of a map"
    return ""


def _concat(op: ir.Concat, graph: Graph) -> str:
    _, (out,) = graph.io(op)
    axis = op.axis % len(out.shape)
    if len(out.shape) > 4 or (axis == 0 and len(out.shape) > 1):
        return "concatenation along the batch or of rank above 4"
    return ""


_CHECKS: dict[type[Op], Callable[[Any, Graph], str]] = {
    ir.Add: _binary,
    ir.Sub: _binary,
    ir.Mul: _binary,
    ir.AveragePool: _average,
    ir.Mean: _mean,
    ir.ResizeNearest: _resize,
    ir.Slice: _slice,
    ir.Pad: _pad,
    ir.Concat: _concat,
}


def split(graph: Graph) -> tuple[Segment, ...]:
    """Segments in execution order. Stage numbers are even for the accelerator and odd for the host, each as small as
    the inputs allow, so that as few segments as possible result."""
    stage: dict[str, int] = {name: 0 for name in graph.inputs}
    stages: dict[int, list[Op]] = {}
    for op in graph.ops:
        host = bool(host_reason(op, graph))
        needed = max((stage.get(n, 0) for n in op.inputs), default=0)
        at = needed if needed % 2 == host else needed + 1
        stages.setdefault(at, []).append(op)
        stage.update({n: at for n in op.outputs})
    return tuple(_segment(graph, at % 2 == 1, tuple(stages[at]), stages) for at in sorted(stages))


def _segment(graph: Graph, host: bool, ops: tuple[Op, ...], stages: dict[int, list[Op]]) -> Segment:
    made = {n for op in ops for n in op.outputs}
    inside = {op.name for op in ops}
    used = {n for op in ops for n in op.inputs if n not in made and not graph.tensors[n].is_const}
    wanted = set(graph.outputs) | {n for op in graph.ops if op.name not in inside for n in op.inputs}
    order = [n for n in graph.tensors if n in used]
    return Segment(host, ops, tuple(order), tuple(n for n in graph.tensors if n in made and n in wanted))
