# SPDX-License-Identifier: Apache-2.0
"""Primitive selection by integer programming (TASO: Wen et al., SBAC-PAD 2020).

Every layer gets one of its primitives; an edge between layers of different data layouts costs a conversion; the time is
the sum, the workspace the largest of any layer. One solve per workspace that an optimum really uses gives the exact
front. The candidates come from outside, so that their times may be an analytic model's or a machine's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from ortools.sat.python import cp_model

from esl_ref.errors import BudgetError, PlanError
from esl_ref.layout.interruptible import solved
from esl_ref.workloads.graph import ShapeGraph

__all__ = ["Candidates", "Choice", "Conversion", "Selection", "Selector", "within"]


@dataclass(frozen=True)
class Choice:
    """One primitive for one layer: cycles, on-chip bytes while it runs, data layouts it reads and writes.

    `weights` are bytes of a second memory: the workspace is the largest `nbytes` plus the largest `weights`, each of
    whatever layer.
    """

    name: str
    cycles: int
    nbytes: int
    reads: str
    writes: str
    weights: int = 0

    @property
    def both(self) -> int:
        """Bytes that it needs by itself."""
        return self.nbytes + self.weights


Candidates: TypeAlias = Mapping[str, Sequence[Choice]]
"""Node name -> its primitives, at least one."""

Conversion: TypeAlias = Callable[[str, str, str], int]
"""(node whose tensor it is, layout it has, layout wanted) -> cycles; 0 for equal layouts."""


@dataclass(frozen=True)
class Selection:
    """Chosen primitive per node, with the total time and the workspace."""

    choices: Mapping[str, Choice]
    cycles: int
    nbytes: int


def within(front: Sequence[Selection], slack: float) -> Selection:
    """Least workspace on a front at no more than (1 + slack) times its least time."""
    return [selection for selection in front if selection.cycles <= (1 + slack) * front[0].cycles][-1]


class Selector:
    """Optimal selections for one network."""

    def __init__(self, graph: ShapeGraph, candidates: Candidates, conversion: Conversion) -> None:
        for node in graph.nodes:
            if not candidates.get(node.name):
                raise PlanError("has no primitive", where=f"node '{node.name}' of '{graph.name}'")
        self.graph, self.candidates, self.conversion = graph, candidates, conversion

    def price(self, choices: Mapping[str, Choice]) -> Selection:
        """Time and workspace of given choices; a tensor is converted once per layout its readers want."""
        cycles = sum(choice.cycles for choice in choices.values())
        for name, layout in self._wanted(choices):
            cycles += self.conversion(name, choices[name].writes, layout)
        picked = choices.values()
        return Selection(dict(choices), cycles, max(c.nbytes for c in picked) + max(c.weights for c in picked))

    def _wanted(self, choices: Mapping[str, Choice]) -> Iterator[tuple[str, str]]:
        for node in self.graph.nodes:
            layouts = dict.fromkeys(choices[user.name].reads for user in self.graph.consumers[node.name])
            yield from ((node.name, layout) for layout in layouts if layout != choices[node.name].writes)

    def greedy(self) -> Selection:
        """Each layer's fastest primitive, conversions not considered."""
        return self.price({n: min(c, key=lambda x: (x.cycles, x.nbytes)) for n, c in self.candidates.items()})

    def fastest(self, limit: int | None = None) -> Selection:
        """Least time within `limit` on-chip bytes, and among those least workspace of the solver's answer.

        BudgetError says which layer stands in the way and what it needs.
        """
        allowed = {n: [c for c in cs if limit is None or c.both <= limit] for n, cs in self.candidates.items()}
        for name, left in allowed.items():
            if not left:
                least = min(choice.both for choice in self.candidates[name])
                raise BudgetError(f"needs {least} bytes, {limit} are allowed", where=f"node '{name}'")
        if limit is not None and limit >= self._enough:
            limit = None
        two = any(choice.weights for choices in allowed.values() for choice in choices)
        keep = _undominated if two and limit is not None else _fastest
        solved = _solve(self.graph, {n: keep(c) for n, c in allowed.items()}, self.conversion, limit if two else None)
        return self.price(solved)

    @cached_property
    def _enough(self) -> int:
        """Bytes with which nothing is left out."""
        every = [choice for choices in self.candidates.values() for choice in choices]
        return max(c.nbytes for c in every) + max(c.weights for c in every)

    def front(self) -> list[Selection]:
        """Every undominated pair of workspace and time, fastest first."""
        found: list[Selection] = []
        limit: int | None = None
        while True:
            try:
                selection = self.fastest(limit)
            except BudgetError:
                return found
            if found and found[-1].cycles == selection.cycles:
                found.pop()  # as fast with fewer bytes
            found.append(selection)
            limit = selection.nbytes - 1


def _fastest(choices: Sequence[Choice]) -> list[Choice]:
    """Per pair of layouts the fastest primitive: within a limit that all keep, bytes do not matter any more."""
    best: dict[tuple[str, str], Choice] = {}
    for choice in sorted(choices, key=lambda c: (c.cycles, c.nbytes, c.name)):
        best.setdefault((choice.reads, choice.writes), choice)
    return list(best.values())


def _undominated(choices: Sequence[Choice]) -> list[Choice]:
    """Per pair of layouts those that no other is as good as in cycles and in both memories."""
    kept: list[Choice] = []
    for c in sorted(choices, key=lambda c: (c.cycles, c.nbytes, c.weights, c.name)):
        like = (k for k in kept if (k.reads, k.writes) == (c.reads, c.writes))
        if not any(k.nbytes <= c.nbytes and k.weights <= c.weights for k in like):
            kept.append(c)
    return kept


def _solve(
    graph: ShapeGraph, candidates: Mapping[str, Sequence[Choice]], conversion: Conversion, limit: int | None = None
) -> dict[str, Choice]:
    """The integer programme: x[node, primitive], per tensor and wanted layout one conversion, and two memories that
    share `limit` bytes if that is given."""
    model = cp_model.CpModel()
    x = {n: [model.new_bool_var(f"{n}:{c.name}") for c in cs] for n, cs in candidates.items()}
    if limit is not None:
        _share(model, candidates, x, limit)
    terms = []
    for name, picks in x.items():
        model.add_exactly_one(picks)
        terms += [c.cycles * v for c, v in zip(candidates[name], picks, strict=True)]
    for node in graph.nodes:
        users = [user.name for user in graph.consumers[node.name]]
        for layout in sorted({c.reads for user in users for c in candidates[user]}):
            costs = [conversion(node.name, c.writes, layout) for c in candidates[node.name]]
            paid = model.new_int_var(0, max(costs), f"{node.name}->{layout}")
            for user in users:
                wants = [v for c, v in zip(candidates[user], x[user], strict=True) if c.reads == layout]
                for cost, v in zip(costs, x[node.name], strict=True):
                    if cost:
                        # Paid as soon as this primitive writes and any wanting one reads.
                        model.add(paid >= cost * (sum(wants) + v - 1))
            terms.append(1 * paid)
    model.minimize(sum(terms))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    status = solved(solver, model)
    if status == cp_model.INFEASIBLE and limit is not None:
        raise BudgetError(f"{limit} bytes are too few for both memories", where=f"network '{graph.name}'")
    if status != cp_model.OPTIMAL:
        raise PlanError("the integer programme was not solved to optimality", where=f"network '{graph.name}'")
    return {n: candidates[n][next(k for k, v in enumerate(picks) if solver.value(v))] for n, picks in x.items()}


def _share(
    model: cp_model.CpModel, candidates: Mapping[str, Sequence[Choice]],
    x: Mapping[str, Sequence[cp_model.IntVar]], limit: int,
) -> None:  # fmt: skip
    """Each memory as large as the largest need in it, both together within the limit.

    The need of a layer is a sum over its primitives, of which one is picked: that is the tight way to say it.
    """
    arena, weights = (model.new_int_var(0, limit, name) for name in ("arena", "weights"))
    model.add(arena + weights <= limit)
    for name, choices in candidates.items():
        model.add(arena >= sum(c.nbytes * v for c, v in zip(choices, x[name], strict=True)))
        model.add(weights >= sum(c.weights * v for c, v in zip(choices, x[name], strict=True)))
