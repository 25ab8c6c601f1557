# SPDX-License-Identifier: Apache-2.0
"""One layer alone on the accelerator: its Program in a given mapping, timed by the ESL machine.

Values do not matter for time, so weights are zeros that take no memory here. A Program of many equal strips grows by
the same number of cycles per strip once it is under way: two short ones give the long one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from esl_ref.arch import Arch
from esl_ref.compiler.emit import emit
from esl_ref.compiler.lower import Lowered, lower
from esl_ref.compiler.overlap import overlapped
from esl_ref.compiler.rolling import capacities, grids_of, rolled
from esl_ref.compiler.schedule import WHOLE, Group, Load, Schedule, Store, build
from esl_ref.compiler.segments import split
from esl_ref.compiler.tasks import Task
from esl_ref.compiler.views import Storage, View
from esl_ref.ir import Graph
from esl_ref.layout.storage import Interval, StoragePlan, plan_storage
from esl_ref.machine.timing import predict
from esl_ref.workloads.graph import Kind, Node, ShapeGraph
from esl_ref.workloads.seeded import seeded

__all__ = ["CHIP", "MEMORY", "Layer", "Mapping"]

MEMORY, CHIP = "memory", "chip"
"""Where a layer finds its input and leaves its output: in external memory, row by row, or whole in activation SRAM."""
FEW, MANY = 8, 16
"""Strips of the two short Programs that a longer one is reckoned from: by then, nothing changes any more."""
WORDS = 20_000
"""Weight words of a Program from which on half as many strips have to do: the bus is then all that counts."""


@dataclass(frozen=True)
class Mapping:
    """Output rows of a strip, weight words that the machine has, and where input and output are."""

    strip: int
    words: int
    reads: str
    writes: str


class Layer:
    """A node of a shape graph by itself on machines made from `arch`.

    Its extent is what it may have less of for a short Program: output rows, or groups of outputs if it is dense.
    """

    def __init__(self, graph: ShapeGraph, node: Node, arch: Arch) -> None:
        self.node, self.arch = node, arch
        self.sources = [graph[name] for name in node.inputs]
        self.extent = -(-node.shape[2] // arch.lanes) if node.kind is Kind.DENSE else node.shape[0]
        self._lowered: dict[int, tuple[Graph, Lowered]] = {}
        self._ordered: dict[tuple[int, int, str, str], tuple[Schedule, StoragePlan]] = {}

    @property
    def word_counts(self) -> tuple[int, int, int]:
        """Words of weight SRAM for one group at a time, for one that arrives while another is used, and for all."""
        _, lowered = self._at(min(self.extent, MANY))
        most = max(task.weights.per_group for task in lowered.tasks)
        count = -(-self.node.shape[2] // self.arch.lanes)
        total = sum(t.weights.per_group * (1 if t.weights.shared else count) for t in lowered.tasks)
        return most, min(2 * most, max(total, most)), max(total, most)

    def cost(self, mapping: Mapping) -> tuple[int, int]:
        """(cycles, bytes of activation SRAM) of the layer in this mapping."""
        dense = self.node.kind is Kind.DENSE
        arena = self._laid_out(self.extent, mapping)[1].height
        unit = 4 if dense else mapping.strip
        units, resident = -(-self.extent // unit), self.word_counts[2]
        heavy = mapping.words < resident and min(units, MANY) * resident > WORDS and not dense
        few, many = (FEW // 2, MANY // 2) if heavy else (FEW, MANY)
        if units <= many or self.node.kind is Kind.MEAN:
            return self._cycles(self.extent, mapping), arena
        short, long = (self._cycles(count * unit, mapping) for count in (few, many))
        return long + (self.extent - many * unit) * (long - short) // ((many - few) * unit), arena

    def _at(self, extent: int) -> tuple[Graph, Lowered]:
        if extent not in self._lowered:
            self._lowered[extent] = self._lower(extent)
        return self._lowered[extent]

    def _lower(self, extent: int) -> tuple[Graph, Lowered]:
        """The layer with so many rows, or groups. Few output channels stand for many while it is lowered."""
        node, lanes = self.node, self.arch.lanes
        dense = node.kind is Kind.DENSE
        height, channels = (1, min(node.shape[2], extent * lanes)) if dense else (extent, node.shape[2])
        rows = [source.shape[0] if dense else self._input_rows(source, height) for source in self.sources]
        sources = [
            Node(f"in{k}", Kind.INPUT, (), (r, *s.shape[1:]))
            for k, (r, s) in enumerate(zip(rows, self.sources, strict=True))
        ]
        thin = node.kind in (Kind.CONV, Kind.DENSE) and node.groups == 1 and channels > lanes
        shape = (height, node.shape[1], lanes if thin else channels)
        alone = replace(node, inputs=tuple(n.name for n in sources), shape=shape)
        graph = seeded(ShapeGraph(node.name, (*sources, alone), (node.name,)))
        lowered = lower(graph, next(s for s in split(graph) if not s.host), self.arch)
        if not thin:
            tasks = tuple(_weightless(t, t.weights.channels, lanes) for t in lowered.tasks)
            return graph, replace(lowered, tasks=tasks)
        return _widened(graph, lowered, channels)

    def _input_rows(self, source: Node, height: int) -> int:
        node = self.node
        if height == node.shape[0]:
            return source.shape[0]
        if node.kind is Kind.ADD:
            return height
        reach = (height - 1) * node.stride[0] + (node.kernel[0] - 1) * node.dilation[0] + 1
        return max(1, reach - node.pad[0] - node.pad[1])

    def _laid_out(self, extent: int, mapping: Mapping) -> tuple[Schedule, StoragePlan]:
        """Steps and addresses, which do not depend on the weight SRAM."""
        key = extent, mapping.strip, mapping.reads, mapping.writes
        if key not in self._ordered:
            schedule = self._schedule(extent, mapping)
            self._ordered[key] = schedule, plan_storage(_intervals(schedule))
        return self._ordered[key]

    def _schedule(self, extent: int, mapping: Mapping) -> Schedule:
        """Steps of the layer; what is on chip is not moved, and does not roll."""
        _, lowered = self._at(extent)
        strip = mapping.strip if mapping.strip < lowered.tasks[-1].ofm.height else WHOLE
        built = build(lowered, (Group(0, len(lowered.tasks), strip, 0),), self._machine(mapping.words))
        moved = [Load] * (mapping.reads == CHIP) + [Store] * (mapping.writes == CHIP)
        steps = tuple(s for s in built.steps if not isinstance(s, tuple(moved)))
        schedule = Schedule(steps, built.groups)
        grids = grids_of(schedule)
        rows = capacities(schedule, grids)
        if mapping.writes == CHIP:
            rows.pop(lowered.tasks[-1].ofm.storage.name, None)
        return overlapped(replace(schedule, steps=tuple(rolled(steps, rows, grids))), self._machine(mapping.words))

    def _machine(self, words: int) -> Arch:
        return self.arch.with_depths(weight_words=max(2, words))

    def _cycles(self, extent: int, mapping: Mapping) -> int:
        graph, lowered = self._at(extent)
        schedule, plan = self._laid_out(extent, mapping)
        unit = 2 * self.arch.lanes
        arch = self._machine(mapping.words).with_depths(act_bytes=max(unit, -(-plan.height // unit) * unit))
        program = emit(graph, schedule, arch, plan.addresses, lowered.segment.inputs, graph.name, 2)
        return predict(program).cycles


def _widened(graph: Graph, lowered: Lowered, channels: int) -> tuple[Graph, Lowered]:
    """A layer of one task with more output channels than it was lowered with."""
    (task,) = lowered.tasks
    height, width, _ = task.ofm.shape
    name = task.ofm.storage.name
    ofm = View.dense(Storage(name, height * width * channels), (height, width, channels))
    lowered.binder.views[name] = ofm
    task = _weightless(task.replace(ofm=ofm), channels, lowered.arch.lanes)
    output = graph.tensors[name]
    tensors = {**graph.tensors, name: replace(output, shape=(*output.shape[:-1], channels))}
    return Graph(graph.name, tensors, (), graph.inputs, ()), replace(lowered, tasks=(task,))


def _weightless(task: Task, channels: int, lanes: int) -> Task:
    """The task with zero weights for so many output channels: an array that is one byte."""
    weights = task.weights
    if weights.shared:
        return task
    zeros = np.broadcast_to(np.zeros((), np.uint8), (-(-channels // lanes), *weights.words.shape[1:]))
    return task.replace(weights=replace(weights, words=zeros, channels=channels))


def _intervals(schedule: Schedule) -> tuple[Interval, ...]:
    return tuple(_spans(schedule))


def _spans(schedule: Schedule) -> Iterator[Interval]:
    for name, (size, first, last) in schedule.lifetimes().items():
        yield Interval(name, size, first, last)
