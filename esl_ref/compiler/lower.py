# SPDX-License-Identifier: Apache-2.0
"""Operators -> tasks: the one table that says how each kind of operator runs on the accelerator."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from esl_ref import ir
from esl_ref.arch import Arch
from esl_ref.compiler import lower_conv, lower_move, lower_pool
from esl_ref.compiler.bind import Binder
from esl_ref.compiler.context import Context
from esl_ref.compiler.fan_in import fan_ins, interleaved
from esl_ref.compiler.narrow import turned
from esl_ref.compiler.parts import narrowed
from esl_ref.compiler.segments import Segment
from esl_ref.compiler.tasks import Task, Weights
from esl_ref.errors import UnsupportedError
from esl_ref.ir import Graph, Op

__all__ = ["Lowered", "lower"]

_LOWER: dict[type[Op], Callable[[Context, Any], Iterable[Task]]] = {
    ir.Conv2D: lower_conv.conv2d,
    ir.DepthwiseConv2D: lower_conv.depthwise,
    ir.FullyConnected: lower_conv.fully_connected,
    ir.AveragePool: lower_pool.average,
    ir.MaxPool: lower_pool.largest,
    ir.Mean: lower_pool.mean,
    ir.Add: lower_pool.add,
    ir.Sub: lower_pool.add,
    ir.Mul: lower_pool.multiply,
    ir.Table: lower_move.table,
    ir.Pad: lower_move.pad,
    ir.Concat: lower_move.concat,
    ir.Slice: lower_move.cut,
    ir.Reshape: lower_move.reshape,
    ir.ResizeNearest: lower_move.resize,
}

_FUSES_TABLE = (
    ir.Conv2D, ir.DepthwiseConv2D, ir.FullyConnected, ir.AveragePool, ir.MaxPool, ir.Mean, ir.Add, ir.Sub, ir.Mul,
)  # fmt: skip


@dataclass(frozen=True)
class Lowered:
    """A segment as tasks in order, with the views of its tensors. columns: how long line buffers may be, None for as
    long as tasks need."""

    graph: Graph
    segment: Segment
    tasks: tuple[Task, ...]
    binder: Binder
    constants: tuple[str, ...]
    arch: Arch
    columns: int | None = None

    @cached_property
    def spread(self) -> Lowered:
        """The same with every result in a storage of its own, none written in place over an operand: what is parked in
        external memory is written by one group of tasks only."""
        return lower(self.graph, self.segment, self.arch, in_place=False, columns=self.columns)

    @cached_property
    def upright(self) -> Lowered:
        """The same with maps one pixel wide as they stand, if any is turned into one row."""
        names = turned(self.graph)
        if not names:
            return self
        graph = self.graph.replace(plain=self.graph.plain | names)
        return lower(graph, self.segment, self.arch, columns=self.columns)


def _fused_tables(graph: Graph, segment: Segment) -> dict[str, ir.Table]:
    """Producer's name -> the table operator that its post-processor applies on the way out."""
    consumers, inside = graph.consumers(), {op.name for op in segment.ops}
    fused = {}
    for op in segment.ops:
        if not isinstance(op, _FUSES_TABLE):
            continue
        (out,) = op.outputs
        readers = consumers[out]
        if len(readers) == 1 and isinstance(readers[0], ir.Table) and readers[0].name in inside:
            if out not in graph.outputs and out not in segment.outputs:
                fused[op.name] = readers[0]
    return fused


def lower(graph: Graph, segment: Segment, arch: Arch, *, in_place: bool = True, columns: int | None = None) -> Lowered:
    """Tasks of an accelerator segment, for line buffers as long as they need or of `columns`. UnsupportedError names an
    operator that has no lowering."""
    tables = _fused_tables(graph, segment)
    skipped = {t.name for t in tables.values()}
    sums = fan_ins(graph, segment.ops, segment.outputs, arch)
    apart = [op.inputs[0] for op in segment.ops if op.name in sums]
    binder = Binder(graph, segment.ops, segment.outputs, in_place=in_place, apart=apart)
    tasks: list[Task] = []
    known: dict[int, list[Weights]] = {}
    for layer, op in enumerate(segment.ops):
        if op.name in skipped:
            continue
        rule = _LOWER.get(type(op))
        if rule is None:
            raise UnsupportedError(f"no accelerator mapping for {op.kind}", where=f"operator '{op.name}'")
        made = rule(Context(graph, arch, binder, layer, tables.get(op.name), sums), op)
        weight = getattr(op, "weight", None)
        tasks.extend(made if weight is None else _once(made, known.setdefault(id(weight), [])))
    tasks.extend(_dense_outputs(graph, arch, binder, segment, tasks))
    constants = tuple(n for n in binder.views if graph.tensors.get(n) is not None and graph.tensors[n].is_const)
    if columns is not None:
        tasks = [narrowed(task, columns) for task in tasks]
    return Lowered(graph, segment, tuple(interleaved(tasks)), binder, constants, arch, columns)


def _once(tasks: Iterable[Task], known: list[Weights]) -> Iterator[Task]:
    """The tasks of an operator; tiles of one operator share its weights: what is on chip is not loaded again."""
    for task in tasks:
        same = next((w for w in known if w.equals(task.weights)), None)
        if same is None:
            known.append(task.weights)
        yield task if same is None else task.replace(weights=same)


def _dense_outputs(graph: Graph, arch: Arch, binder: Binder, segment: Segment, tasks: list[Task]) -> list[Task]:
    """Outputs that lie with gaps (a part of a concat, a slice) are copied out: a surface has dense rows."""
    copies = []
    for name in segment.outputs:
        view = binder.view(name)
        if view.pixel_stride != view.channels:
            copies.append(lower_move.packed_copy(arch, binder, name, view, len(segment.ops)))
    return copies
