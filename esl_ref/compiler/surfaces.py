# SPDX-License-Identifier: Apache-2.0
"""Where tensors lie in external memory."""

from __future__ import annotations

import dataclasses

from esl_ref.compiler.bind import contiguous
from esl_ref.compiler.views import View
from esl_ref.compiler.weights import Constants
from esl_ref.ir import Graph
from esl_ref.program.image import CONSTANTS, INPUTS, OUTPUTS, SCRATCH, Direction, Surface

__all__ = ["Surfaces"]

ALIGN = 16
"""Surfaces start at multiples of this: a whole bus word on every architecture."""
LONGEST_ROW = (1 << 20) - 1


class Surfaces:
    """Surfaces of one Program, laid one after the other behind their BASE register."""

    def __init__(self, graph: Graph, inputs: tuple[str, ...], bus: int) -> None:
        self._graph, self._bus = graph, bus
        self._ends: dict[int, int] = {}
        self._all: dict[str, Surface] = {}
        self._inputs = inputs

    def _add(self, tensor: str, base: int, direction: Direction, rows: int, row_bytes: int) -> Surface:
        return self._place(tensor, base, direction, self._graph.tensors[tensor].shape, rows, row_bytes)

    def _place(
        self, name: str, base: int, direction: Direction, shape: tuple[int, ...], rows: int, row_bytes: int
    ) -> Surface:
        pitch = -(-row_bytes // self._bus) * self._bus
        offset = -(-self._ends.get(base, 0) // ALIGN) * ALIGN
        surface = Surface(name, base, offset, shape, row_bytes, rows, pitch, "int8", direction)
        self._ends[base] = surface.end
        self._all[surface.name] = surface
        return surface

    def source(self, tensor: str, view: View, constants: Constants) -> Surface:
        """Where to load a network input or a constant tensor from, in rows as `view` has them."""
        if tensor in self._all:
            return self._all[tensor]
        t, row_bytes = self._graph.tensors[tensor], view.width * view.channels
        if t.data is None:
            return self._add(tensor, INPUTS, "in", view.height, row_bytes)
        # constants live in the constant blob: they are not among the Program's surfaces
        probe = Surface(tensor, CONSTANTS, 0, t.shape, row_bytes, view.height, -(-row_bytes // self._bus) * self._bus)
        return dataclasses.replace(probe, offset=constants.add(probe.lay(t.data)))

    def unread(self) -> None:
        """Inputs that nothing loads still get a surface, so that callers can hand them over."""
        for name in self._inputs:
            if name not in self._all:
                self._add(name, INPUTS, "in", 1, self._graph.tensors[name].nbytes)

    def parked(self, storage: str, view: View) -> Surface:
        """Where a storage is parked, in rows as `view` has them."""
        name = f"{storage} parked"
        if name not in self._all:
            shape = (view.height, view.width * view.channels)
            self._place(name, SCRATCH, "scratch", shape, *shape)
        return self._all[name]

    def sink(self, tensor: str, view: View, *, trace: bool, whole: bool = True) -> Surface:
        """Where to store a tensor: one long row if it leaves `whole` and its bytes lie together, else row by row."""
        if tensor in self._all and self._all[tensor].direction != "in":
            return self._all[tensor]
        nbytes = view.nbytes
        round_the_end = view.row_offset(0) + view.channel + nbytes > view.storage.wrap  # of a rolling storage
        dense = contiguous(view, view.shape) is not None and not round_the_end
        together = whole and dense and nbytes <= LONGEST_ROW
        rows, row_bytes = (1, nbytes) if together else (view.height, view.width * view.channels)
        base, direction = (SCRATCH, "trace") if trace else (OUTPUTS, "out")
        return self._add(tensor, base, direction, rows, row_bytes)  # type: ignore[arg-type]

    @property
    def scratch_bytes(self) -> int:
        """Bytes behind the scratch base."""
        return self._ends.get(SCRATCH, 0)

    def all(self) -> tuple[Surface, ...]:
        """Every surface of the Program."""
        return tuple(self._all.values())
