# SPDX-License-Identifier: Apache-2.0
"""Tensors -> views: concat, reshape, slice and in-place results by addressing alone, wherever offsets allow.

Backward first (a concat's output decides where its inputs are written), then forward while operators are lowered.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Sequence

from esl_ref import ir
from esl_ref.compiler.views import Storage, View, map_shape
from esl_ref.ir import Graph, Op

__all__ = ["Binder", "contiguous"]


def contiguous(view: View, shape: tuple[int, int, int]) -> View | None:
    """The bytes of `view` as a dense map of `shape`, or None if they have gaps."""
    packed = view.pixel_stride == view.channels or view.width == 1 and view.height == 1
    rows = view.height == 1 or view.row_stride == view.width * view.channels
    if not (packed and rows):
        return None
    flat = dataclasses.replace(view, offset=view.offset + view.channel, channel=0)
    return flat.reshaped(shape)


class Binder:
    """Views of a segment's tensors. Ask `view` for inputs and `target` for outputs, in execution order.

    apart: outputs of concatenations that are never put together.
    """

    def __init__(
        self, graph: Graph, ops: Sequence[Op], outputs: Sequence[str], *, in_place: bool = True,
        apart: Collection[str] = (),
    ) -> None:  # fmt: skip
        self.graph, self.in_place, self.apart = graph, in_place, frozenset(apart)
        self.views: dict[str, View] = {}
        self._made = {n: op for op in ops for n in op.outputs}
        self._readers = graph.consumers()
        self._kept = set(outputs)
        self._users: dict[str, set[str]] = {}
        self._ended: set[str] = set()  # written over in place
        for op in reversed(ops):
            self._bind_backward(op)

    def shape(self, tensor: str) -> tuple[int, int, int]:
        """Height, width, channels of a tensor."""
        return map_shape(self.graph.tensors[tensor].shape)

    def view(self, tensor: str) -> View:
        """Where a tensor is; network inputs and constants get a storage when first asked for."""
        if tensor not in self.views:
            self._set(tensor, self._fresh(tensor))
        return self.views[tensor]

    def target(self, tensor: str, op: Op | None = None) -> View:
        """Where to write a tensor: its place in a concat, the place of an input that ends here, or a new storage."""
        if tensor not in self.views:
            reuse = self._reusable(tensor, op) if op and self.in_place else None
            self._set(tensor, reuse or self._fresh(tensor))
        return self.views[tensor]

    def alias(self, tensor: str, view: View) -> bool:
        """Let `tensor` be `view`, if nothing has decided otherwise before."""
        if tensor in self.views:
            return False
        self._set(tensor, view)
        return True

    def _fresh(self, tensor: str) -> View:
        shape = self.shape(tensor)
        return View.dense(Storage(tensor, shape[0] * shape[1] * shape[2]), shape)

    def _set(self, tensor: str, view: View) -> None:
        self.views[tensor] = view
        self._users.setdefault(view.storage.name, set()).add(tensor)

    def _bind_backward(self, op: Op) -> None:
        if isinstance(op, ir.Concat):
            if op.outputs[0] not in self.apart:
                self._bind_concat(op)
        elif isinstance(op, ir.Reshape) and op.outputs[0] in self.views and self._free(op.inputs[0]):
            view = contiguous(self.views[op.outputs[0]], self.shape(op.inputs[0]))
            if view is not None:
                self._set(op.inputs[0], view)

    def _free(self, tensor: str) -> bool:
        """Whether this segment computes the tensor, and nothing has placed it yet."""
        producer = self._made.get(tensor)
        return producer is not None and not isinstance(producer, ir.Slice) and tensor not in self.views

    def _bind_concat(self, op: ir.Concat) -> None:
        out = op.outputs[0]
        if out not in self.views:
            self._set(out, self._fresh(out))
        for tensor, part in self.concat_parts(op):
            if self._free(tensor) and op.inputs.count(tensor) == 1:
                self._set(tensor, part)

    def concat_parts(self, op: ir.Concat) -> Iterator[tuple[str, View]]:
        """Each input of a concat with its part of the output."""
        whole, rank = self.views[op.outputs[0]], len(self.graph.tensors[op.outputs[0]].shape)
        axis = op.axis % rank - rank  # -1 channels, -2 columns, -3 rows
        at = 0
        for tensor in op.inputs:
            shape = self.shape(tensor)
            y, x, c = (at if axis == a else 0 for a in (-3, -2, -1))
            yield tensor, whole.window(y, x, c, shape)
            at += shape[axis + 3]

    def _reusable(self, tensor: str, op: Op) -> View | None:
        """The view of an input of the output's shape, alone in its storage, that is not needed any more: what other
        readers need of a row they have taken when `op` comes to it, also when rows stream. The input of a residual
        block is the first choice: it is there as a whole, where what the block computes streams."""
        for name in sorted(op.inputs, key=lambda n: -len(self._readers[n])):
            view = self.views.get(name)
            if view is None or name not in self._made or view.shape != self.shape(tensor) or not view.is_dense:
                continue
            others = [reader for reader in self._readers[name] if reader.name != op.name]
            if not all(_row_by_row(reader) and self._feeds(reader, op) for reader in others):
                continue
            if self._users[view.storage.name] - self._ended == {name} and name not in self._kept:
                self._ended.add(name)
                return view
        return None

    def _feeds(self, first: Op, last: Op) -> bool:
        """Whether `last` computes with what `first` makes, so that each row of it comes after that row of `first`."""
        open_, seen = [*last.inputs], set()
        while open_:
            name = open_.pop()
            maker = self._made.get(name)
            if maker is None or name in seen:
                continue
            if maker.name == first.name:
                return True
            seen.add(name)
            open_ += maker.inputs
        return False


def _row_by_row(op: Op) -> bool:
    """Whether row r of the output needs row r of the input, and no later row of the output does."""
    return isinstance(op, ir.Conv2D) and op.weight.shape[1] == 1 and op.stride[0] == 1 and op.padding.top == 0
