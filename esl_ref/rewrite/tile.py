# SPDX-License-Identifier: Apache-2.0
"""Recomputing spatial tiles: a region of operators executed tile by tile of its last map, halos computed again.

Each tile follows its box backwards through the region (every input clipped at the map's edge, its padding just what is
left of the map's), takes slices of what comes from outside, and its last operator writes its part of the whole map.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from esl_ref.errors import PlanError
from esl_ref.ir import Concat, Graph, Op, Slice, Tensor
from esl_ref.rewrite.boxes import Box, grid
from esl_ref.rewrite.locality import Local, local

__all__ = ["tile"]


def tile(graph: Graph, names: Sequence[str], high: int, wide: int) -> Graph:
    """`graph` with the operators `names` executed in `high` x `wide` tiles of the last one's output.

    The output's tensor keeps its name; those inside the region exist per tile only, named `tensor#row.column`.
    PlanError if an operator needs whole maps, if a tensor inside the region is needed outside of it, or if the map has
    fewer rows or columns than tiles.
    """
    region = _Region.of(graph, names)
    rows, columns = region.shape(region.result)[1:3]
    if not (1 <= high <= rows and 1 <= wide <= columns):
        raise PlanError(f"a map of {rows} x {columns} has no {high} x {wide} tiles", where=f"tensor '{region.result}'")
    writer = _Writer(region)
    parts: list[list[str]] = [[] for _ in range(high)]
    for number, box in enumerate(grid(rows, columns, high, wide)):
        i, j = divmod(number, wide)
        parts[i].append(writer.tile(box, f"{i}.{j}"))
    writer.join(parts)
    ops: list[Op] = []
    for op in graph.ops:
        if op is region.ops[-1]:
            ops += writer.ops
        elif op.name not in region.names:
            ops.append(op)
    kept = {n: t for n, t in graph.tensors.items() if n not in region.made or n == region.result}
    return graph.replace(ops=tuple(ops), tensors={**kept, **writer.tensors})


@dataclass(frozen=True)
class _Region:
    """Operators in order; `made` are the tensors they make, `result` is the one that others read."""

    graph: Graph
    ops: tuple[Op, ...]
    names: frozenset[str]
    made: frozenset[str]
    result: str

    @classmethod
    def of(cls, graph: Graph, names: Sequence[str]) -> _Region:
        wanted = frozenset(names)
        ops = tuple(op for op in graph.ops if op.name in wanted)
        if len(ops) != len(wanted) or not ops:
            missing = sorted(wanted - {op.name for op in ops}) or ["(none given)"]
            raise PlanError(f"has no operator '{missing[0]}'", where=f"graph '{graph.name}'")
        made = frozenset(name for op in ops for name in op.outputs)
        outside = {name for op in graph.ops if op.name not in wanted for name in op.inputs} | set(graph.outputs)
        result = ops[-1].outputs[0]
        if len(graph.tensors[result].shape) != 4:
            raise PlanError("cannot be tiled: its result is no map", where=f"operator '{ops[-1].name}'")
        if leaks := sorted((made & outside) - {result}):
            raise PlanError("cannot be tiled: others read it too", where=f"tensor '{leaks[0]}'")
        return cls(graph, ops, wanted, made, result)

    def shape(self, name: str) -> tuple[int, ...]:
        return self.graph.tensors[name].shape

    def locals(self, box: Box) -> dict[str, Local]:
        """Operator name -> its part for `box` of the result; operators that the box does not need are left out."""
        needed: dict[str, Box] = {self.result: box}
        found: dict[str, Local] = {}
        for op in reversed(self.ops):
            if op.outputs[0] not in needed:
                continue
            if len(self.shape(op.outputs[0])) != 4:
                raise PlanError("cannot be tiled: its result is no map", where=f"operator '{op.name}'")
            part = local(op, needed[op.outputs[0]], tuple(self.shape(n) for n in op.inputs))
            found[op.name] = part
            for name, wanted in zip(op.inputs, part.inputs, strict=True):
                if name in self.made:
                    needed[name] = needed[name].union(wanted) if name in needed else wanted
        return found


@dataclass
class _Writer:
    """The operators and tensors of all tiles."""

    region: _Region
    ops: list[Op] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)

    def tile(self, box: Box, label: str) -> str:
        """Append one tile; the name of its part of the result."""
        parts = self.region.locals(box)
        have: dict[str, tuple[str, Box]] = {}
        for op in self.region.ops:
            if op.name not in parts:
                continue
            part, (out,) = parts[op.name], op.outputs
            inputs = tuple(
                self._input(name, want, have, f"{label}:{op.name}.{k}")
                for k, (name, want) in enumerate(zip(op.inputs, part.inputs, strict=True))
            )
            name = self._like(out, part.box.size, f"{out}#{label}")
            self.ops.append(dataclasses.replace(part.op, name=f"{op.name}#{label}", inputs=inputs, outputs=(name,)))
            have[out] = name, part.box
        name, made = have[self.region.result]
        return name if made == box else self._cut(name, made, box, f"{label}:result")

    def _input(self, name: str, want: Box, have: Mapping[str, tuple[str, Box]], label: str) -> str:
        """The part of a tensor that an operator reads: the tile's own, a slice of it, or a slice of a whole tensor."""
        tensor = self.region.graph.tensors[name]
        if name not in have:
            if len(tensor.shape) != 4 or want.size == tuple(tensor.shape[1:3]):
                return name
            if tensor.data is not None:
                return self._constant(tensor, want, label)
            return self._cut(name, Box(0, tensor.shape[1], 0, tensor.shape[2]), want, label)
        own, made = have[name]
        return own if made == want else self._cut(own, made, want, label)

    def _constant(self, tensor: Tensor, box: Box, label: str) -> str:
        assert tensor.data is not None
        data = tensor.data[:, box.top : box.bottom, box.left : box.right]
        name = f"{tensor.name}#{label}"
        self.tensors[name] = dataclasses.replace(tensor, name=name, shape=data.shape, data=data)
        return name

    def _cut(self, name: str, whole: Box, box: Box, label: str) -> str:
        """A slice of tensor `name`, which covers `whole`."""
        source = self.tensors.get(name) or self.region.graph.tensors[name]
        part = self._like(source.name, box.size, f"{name}#{label}", source)
        y, x = box.top - whole.top, box.left - whole.left
        begin, end = (0, y, x, 0), (1, y + box.size[0], x + box.size[1], source.shape[3])
        self.ops.append(Slice(f"cut {part}", (name,), (part,), begin, end, (1, 1, 1, 1)))
        return part

    def _like(self, tensor: str, size: tuple[int, int], name: str, source: Tensor | None = None) -> str:
        source = source or self.region.graph.tensors[tensor]
        self.tensors[name] = dataclasses.replace(source, name=name, shape=(1, *size, source.shape[3]), data=None)
        return name

    def join(self, parts: Sequence[Sequence[str]]) -> None:
        """Tiles side by side along columns, then along rows: their places in the result."""
        rows = []
        for i, names in enumerate(parts):
            if len(names) == 1:
                rows.append(names[0])
                continue
            tiles = [self.tensors[n].shape for n in names]
            whole = self.region.result if len(parts) == 1 else f"{self.region.result}#{i}"
            if len(parts) > 1:
                self._like(self.region.result, (tiles[0][1], sum(t[2] for t in tiles)), whole)
            self.ops.append(Concat(f"join {whole}", tuple(names), (whole,), 2))
            rows.append(whole)
        if len(parts) > 1:
            self.ops.append(Concat(f"join {self.region.result}", tuple(rows), (self.region.result,), 1))
        elif rows[0] != self.region.result:
            self._alone(rows[0])

    def _alone(self, name: str) -> None:
        """A single tile is the region itself: give its last operator the result's name back."""
        last = self.ops[-1]
        self.ops[-1] = dataclasses.replace(last, outputs=(self.region.result,))
        del self.tensors[name]
