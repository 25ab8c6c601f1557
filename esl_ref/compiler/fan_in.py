# SPDX-License-Identifier: Apache-2.0
"""Sums over parts of the channels: operators of `Graph.fan_in` read the parts of their input as they are made.

The input, a concatenation along channels, is then never put together: one task per part adds its products to sums in
accumulator slots, and the last one finishes them. The slots lie at the top end, each operator has its own.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import prod

from esl_ref import ir
from esl_ref.arch import Arch
from esl_ref.compiler.lower_depthwise import in_parts
from esl_ref.compiler.tasks import Task
from esl_ref.compiler.wide import leaves_int8
from esl_ref.ir import Graph, Op

__all__ = ["FanIn", "fan_ins", "interleaved", "reserved"]


@dataclass(frozen=True)
class FanIn:
    """The tensors that an operator sums over, in the order of their channels, and its first accumulator slot."""

    parts: tuple[str, ...]
    base: int


def fan_ins(graph: Graph, ops: Sequence[Op], outputs: Sequence[str], arch: Arch) -> dict[str, FanIn]:
    """Operator name -> what it sums over, for all of `graph.fan_in` that `ops` allow and the slots have room for."""
    made = {name for op in ops for name in op.outputs}
    readers, top = graph.consumers(), arch.acc_words
    # one slot stays for layers that sum over commands of their own
    left = any(leaves_int8(op) or (isinstance(op, ir.DepthwiseConv2D) and in_parts(op, arch)) for op in ops)
    found: dict[str, FanIn] = {}
    for join in ops:
        if not isinstance(join, ir.Concat) or not _apart(graph, join, made, outputs):
            continue
        summing = readers[join.outputs[0]]
        slots = [_slots(graph, op, arch.lanes) for op in summing]
        if all(op.name in graph.fan_in for op in summing) and sum(slots) + left <= top:
            for op, count in zip(summing, slots, strict=True):
                top -= count
                found[op.name] = FanIn(join.inputs, top)
    return found


def _apart(graph: Graph, join: ir.Concat, made: Collection[str], outputs: Sequence[str]) -> bool:
    """Whether the parts are different channels that are computed here, and nobody outside needs them together."""
    (out,) = join.outputs
    along_channels = join.axis % len(graph.tensors[out].shape) == len(graph.tensors[out].shape) - 1
    different = len(set(join.inputs)) == len(join.inputs) and all(name in made for name in join.inputs)
    return along_channels and different and out not in outputs


def _slots(graph: Graph, op: Op, lanes: int) -> int:
    """Result vectors of an operator."""
    shape = graph.tensors[op.outputs[0]].shape
    return prod(shape[:-1]) * -(-shape[-1] // lanes)


def interleaved(tasks: Sequence[Task]) -> list[Task]:
    """Every share but the last right behind the task that completes its part: then the part need not wait."""
    order = list(tasks)
    for task in tasks:
        if task.share is None or task.share.last:
            continue
        at = next(i for i, t in enumerate(order) if t is task)
        storage = task.ifm.storage.name
        makers = [i for i, t in enumerate(order[:at]) if t.ofm.storage.name == storage]
        before = [i for i, t in enumerate(order[:at]) if t.share and t.op == task.op]
        order.pop(at)
        order.insert(max([*makers, *before], default=at - 1) + 1, task)
    return order


def reserved(tasks: Sequence[Task], arch: Arch) -> int:
    """Accumulator slots that fan-ins keep for themselves."""
    return arch.acc_words - min((t.share.base for t in tasks if t.share), default=arch.acc_words)
