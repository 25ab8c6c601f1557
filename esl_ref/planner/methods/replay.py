# SPDX-License-Identifier: Apache-2.0
"""The judge of fusions: plays every row of every group on a map of who owns which byte. Shares nothing with the planner
but the graph, the events, the addresses and the rings' heights."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from esl_ref.planner.methods.rows import Schedule
from esl_ref.planner.methods.storage import roots
from esl_ref.workloads.graph import ALIASES, Kind, Node, ShapeGraph

__all__ = ["Fault", "Reason", "replay"]


class Reason(enum.Enum):
    """Why a fusion is illegal."""

    NOT_MADE = "a row is read before it was made"
    LOST = "a row is read after something else was written over it"
    CLOBBERED = "a row is overwritten while it is being read"
    OUTSIDE = "a row lies outside the arena"
    REMADE = "a row is made twice, or out of order"
    MISSING = "rows of a network output are never made"


@dataclass(frozen=True)
class Fault:
    """One broken rule, where it happened."""

    reason: Reason
    node: str
    row: int


class Plan(Protocol):
    """What is judged; groups are (first, last, plan) in order."""

    @property
    def graph(self) -> ShapeGraph: ...
    @property
    def address(self) -> Mapping[str, int]: ...
    @property
    def rows(self) -> Mapping[str, int]: ...
    @property
    def height(self) -> int: ...


class _Arena:
    """Owner of every byte: a number per (storage, row)."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.graph = plan, plan.graph
        self.root = roots(plan.graph, in_place=True)
        self.owner = np.full(plan.height, -1, np.int64)
        self.base = {node.name: k << 32 for k, node in enumerate(plan.graph.nodes)}
        self.made = dict.fromkeys(self.base, 0)
        self.faults: list[Fault] = []

    def span(self, name: str, row: int) -> slice:
        storage = self.root[name]
        size = self.graph[storage].row_bytes
        start = self.plan.address[storage] + row % self.plan.rows[storage] * size
        return slice(start, start + size)

    def holds(self, name: str, row: int) -> bool:
        return bool((self.owner[self.span(name, row)] == self.base[self.root[name]] + row).all())

    def reads(self, node: Node, name: str, row: int) -> set[tuple[str, int]]:
        """Rows of input `name` that row `row` of `node` reads; through another shape, all of the tensor."""
        if self.graph[name].kind in ALIASES:
            holder = self.root[name]
            return {(holder, y) for y in range(self.graph[holder].shape[0])}
        return {(name, y) for y in range(*node.rows(self.graph[name].shape, row))}

    def fault(self, reason: Reason, node: str, row: int) -> None:
        self.faults.append(Fault(reason, node, row))

    def run(self, node: Node, target: int) -> None:
        """Make rows of `node` up to `target`: all reads must be there before and after the writes."""
        if target <= self.made[node.name] or target > node.shape[0]:
            return self.fault(Reason.REMADE, node.name, target)
        fresh = range(self.made[node.name], target)
        reads = {read for name in node.inputs for row in fresh for read in self.reads(node, name, row)}
        for name, row in sorted(reads):
            if row >= self.made[name]:
                self.fault(Reason.NOT_MADE, name, row)
            elif not self.holds(name, row):
                self.fault(Reason.LOST, name, row)
        for row in fresh if node.kind not in ALIASES else ():
            span = self.span(node.name, row)
            if span.start < 0 or span.stop > self.plan.height:
                self.fault(Reason.OUTSIDE, node.name, row)
            self.owner[span] = self.base[self.root[node.name]] + row
        self.made[node.name] = target
        for name, row in sorted(reads):
            if row < self.made[name] and not self.holds(name, row):
                self.fault(Reason.CLOBBERED, name, row)
        return None


def replay(plan: Plan, schedules: list[Schedule], *, ends: bool = False) -> list[Fault]:
    """All rules that `plan` breaks when its groups run by `schedules`.

    Network inputs come and outputs leave row by row; with `ends` the inputs are there from the start, and the outputs
    have to be there when all is done.
    """
    arena = _Arena(plan)
    nodes = plan.graph.nodes
    if ends:
        for node in nodes:
            if node.kind is Kind.INPUT:
                arena.run(node, node.shape[0])
    for schedule in schedules:
        for number, target in zip(schedule.nodes.tolist(), schedule.targets.tolist(), strict=True):
            if not (ends and nodes[number].kind is Kind.INPUT):
                arena.run(nodes[number], target)
    for name in plan.graph.outputs:
        if arena.made[name] < plan.graph[name].shape[0]:
            arena.fault(Reason.MISSING, name, arena.made[name])
        elif ends and plan.graph[name].kind not in ALIASES:
            for row in range(plan.graph[name].shape[0]):
                if not arena.holds(name, row):
                    arena.fault(Reason.LOST, name, row)
    return arena.faults
