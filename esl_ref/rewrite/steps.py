# SPDX-License-Identifier: Apache-2.0
"""Rewriting as data: what was done to a graph, so that a plan in a file can do it again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from esl_ref.errors import InputError, PlanError
from esl_ref.ir import Graph
from esl_ref.rewrite.channels import split_channels
from esl_ref.rewrite.tile import tile
from esl_ref.rewrite.upright import upright

__all__ = ["Ordered", "Plain", "Rewriting", "Split", "Tile", "Upright", "as_records", "from_records", "rewritten"]


@dataclass(frozen=True)
class Tile:
    """Operators executed in `high` x `wide` tiles of the last one's output."""

    ops: tuple[str, ...]
    high: int
    wide: int

    def on(self, graph: Graph) -> Graph:
        """`graph` with it done. PlanError if it does not apply."""
        return tile(graph, self.ops, self.high, self.wide)


@dataclass(frozen=True)
class Split:
    """A path of operators cut into `parts` slices of channels; `sums` if the last one sums over them."""

    ops: tuple[str, ...]
    parts: int
    sums: bool = False

    def on(self, graph: Graph) -> Graph:
        """`graph` with it done. PlanError if it does not apply."""
        return split_channels(graph, self.ops, self.parts, sums=self.sums)


@dataclass(frozen=True)
class Plain:
    """Operators that the compiler runs as they stand, see `Graph.plain`."""

    ops: tuple[str, ...]

    def on(self, graph: Graph) -> Graph:
        """`graph` with it noted: what is computed stays the same, only the compiler looks at it."""
        return graph.replace(plain=graph.plain | set(self.ops))


@dataclass(frozen=True)
class Upright:
    """Operators on maps one row high that run on maps one pixel wide."""

    ops: tuple[str, ...]

    def on(self, graph: Graph) -> Graph:
        return upright(graph, self.ops)


@dataclass(frozen=True)
class Ordered:
    """All operators, in the order in which they are to run."""

    ops: tuple[str, ...]

    def on(self, graph: Graph) -> Graph:
        place = {name: k for k, name in enumerate(self.ops)}
        if place.keys() != {op.name for op in graph.ops}:
            raise PlanError("has other operators than the order", where=f"graph '{graph.name}'")
        return graph.replace(ops=tuple(sorted(graph.ops, key=lambda op: place[op.name])))


Rewriting: TypeAlias = Tile | Split | Plain | Upright | Ordered
_NAMED: dict[str, type[Plain] | type[Upright] | type[Ordered]] = {
    "plain": Plain, "upright": Upright, "ordered": Ordered,
}  # fmt: skip


def rewritten(graph: Graph, steps: Iterable[Rewriting]) -> Graph:
    """The graph with all steps done in order. PlanError for one that does not apply."""
    for step in steps:
        graph = step.on(graph)
    return graph


def as_records(steps: Iterable[Rewriting]) -> list[dict[str, Any]]:
    """Steps as they are written to a file."""
    return [{"step": type(step).__name__.lower(), **asdict(step)} for step in steps]


def from_records(records: Any, where: str = "") -> tuple[Rewriting, ...]:
    """The inverse; InputError for anything else, whatever came out of the file."""
    if not isinstance(records, (list, tuple)):
        raise InputError("holds a damaged rewriting: no list of steps", where=where)
    return tuple(_from_record(record, where) for record in records)


def _from_record(record: Any, where: str) -> Rewriting:
    try:
        kind, ops = record["step"], _names(record["ops"])
        if kind == "split":
            return Split(ops, _count(record["parts"]), bool(record["sums"]))
        if kind == "tile":
            return Tile(ops, _count(record["high"]), _count(record["wide"]))
        return _NAMED[kind](ops)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"holds a damaged rewriting: {type(error).__name__} {error}", where=where) from error


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not value or not all(isinstance(name, str) for name in value):
        raise ValueError(f"{value!r} are no names of operators")
    return tuple(value)


def _count(value: Any) -> int:
    if type(value) is not int or value < 1:  # no bool
        raise ValueError(f"{value!r} is no number from 1")
    return value
