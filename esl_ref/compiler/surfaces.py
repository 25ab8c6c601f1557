# SPDX-License-Identifier: Apache-2.0
"""Where tensors lie in external memory."""

from __future__ import annotations

from esl_ref.compiler.bind import contiguous
from esl_ref.compiler.views import View
from esl_ref.compiler.weights import Constants
from esl_ref.ir import Graph
from esl_ref.program.image import CONSTANTS, INPUTS, OUTPUTS, SCRATCH, Direction, Surface

__all__ = ["Surfaces"]

PITCH = 16
"""Rows start at multiples of this: a whole bus word on every architecture."""
LONGEST_ROW = (1 << 20) - 1


class Surfaces:
    """Surfaces of one Program, laid one after the other behind their BASE register."""

    def __init__(self, graph: Graph, inputs: tuple[str, ...]) -> None:
        self._graph = graph
        self._ends: dict[int, int] = {}
        self._all: dict[str, Surface] = {}
        for name in inputs:
            nbytes = graph.tensors[name].nbytes
            self._add(name, INPUTS, "in", 1, nbytes)

    def _add(self, tensor: str, base: int, direction: Direction, rows: int, row_bytes: int, name: str = "") -> Surface:
        pitch = -(-row_bytes // PITCH) * PITCH
        offset = self._ends.get(base, 0)
        surface = Surface(
            name or tensor, base, offset, self._graph.tensors[tensor].shape, row_bytes, rows, pitch, "int8", direction
        )
        self._ends[base] = surface.end
        self._all[surface.name] = surface
        return surface

    def source(self, tensor: str, constants: Constants) -> Surface:
        """Where to load a network input or a constant tensor from."""
        if tensor in self._all:
            return self._all[tensor]
        t = self._graph.tensors[tensor]
        assert t.data is not None
        offset = constants.add(t.data.tobytes())
        # constants live in the constant blob, not in a surface of their own: not listed among the Program's surfaces
        return Surface(tensor, CONSTANTS, offset, t.shape, t.nbytes, 1, -(-t.nbytes // PITCH) * PITCH)

    def sink(self, tensor: str, view: View, *, trace: bool) -> Surface:
        """Where to store a tensor: one long row if its bytes lie together, else row by row."""
        nbytes = view.nbytes
        whole = contiguous(view, view.shape) is not None and nbytes <= LONGEST_ROW
        rows, row_bytes = (1, nbytes) if whole else (view.height, view.width * view.channels)
        base, direction = (SCRATCH, "trace") if trace else (OUTPUTS, "out")
        return self._add(tensor, base, direction, rows, row_bytes, name=tensor)  # type: ignore[arg-type]

    @property
    def scratch_bytes(self) -> int:
        """Bytes behind the scratch base."""
        return self._ends.get(SCRATCH, 0)

    def all(self) -> tuple[Surface, ...]:
        """Every surface of the Program."""
        return tuple(self._all.values())
