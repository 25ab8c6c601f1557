# SPDX-License-Identifier: Apache-2.0
"""What an importer sees: a node's inputs as constants or views, its attributes, and a place to put operators."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from esl_ref.errors import ModelError, UnsupportedError
from esl_ref.floating.graph import FloatOp, Parameter, Reshape, Transpose
from esl_ref.frontends.onnx.attributes import Attributes
from esl_ref.frontends.onnx.schema import MAX_TENSOR_ELEMENTS, Array, FileModel, FileNode, Source, elements
from esl_ref.frontends.onnx.views import View

__all__ = ["Context", "Quantised", "Value"]

_SHAPES_READ = 1 << 16
"""Constants that are shapes, axes or scales have at most this many elements."""


@dataclass(frozen=True)
class Quantised:
    """A constant of the file behind a DequantizeLinear: real = scale * (ints - zero), along `axis` if many."""

    ints: Source
    scale: Array
    zero: Array
    axis: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the integers."""
        return self.ints.shape


Value = Source | Quantised | View
F = TypeVar("F", bound=FloatOp)


class Context(Attributes):
    """The model under construction. Every method raises errors that name the file and the node."""

    def __init__(self, model: FileModel) -> None:
        self.model = model
        self.values: dict[str, Value] = dict(model.constants)
        self.ops: list[FloatOp] = []
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.constants: dict[str, Parameter] = {}
        self.notes: list[str] = []
        self.readers = Counter(name for node in model.nodes for name in node.inputs)
        self.readers.update(value.name for value in model.outputs)
        self._inferred = dict(model.shapes)
        self._realised: dict[tuple[str, tuple[int, ...], tuple[int, ...]], str] = {}
        self._makers: dict[str, int] = {}
        self._used: set[str] = set()

    def value(self, node: FileNode, position: int) -> Value:
        """Input number `position`, which must be there."""
        if position >= len(node.inputs) or not node.inputs[position]:
            raise self.bad(node, f"input {position} is missing")
        return self.values[node.inputs[position]]

    def given(self, node: FileNode, position: int) -> bool:
        """Whether an optional input is there."""
        return position < len(node.inputs) and bool(node.inputs[position])

    def view(self, node: FileNode, position: int) -> View:
        """An input that is computed."""
        value = self.value(node, position)
        if isinstance(value, View):
            return value
        if isinstance(value, Quantised):
            raise self.unsupported(node, f"input {position} is a quantised constant")
        raise self.unsupported(node, f"input {position} ('{node.inputs[position]}') is a constant")

    def source(self, node: FileNode, position: int) -> Source:
        """An input that must be a plain constant."""
        value = self.value(node, position)
        if not isinstance(value, Source):
            raise self.unsupported(node, f"input {position} ('{node.inputs[position]}') must be a constant")
        return value

    def array(self, node: FileNode, position: int) -> Array:
        """A small constant: scale, zero point, shape, axes."""
        source = self.source(node, position)
        if source.elements > _SHAPES_READ:
            raise self.bad(node, f"input {position} has {source.elements} elements; a short list is needed")
        return source.read()

    def integers(self, node: FileNode, position: int) -> list[int]:
        """A small constant list of integers."""
        array = self.array(node, position)
        if not np.issubdtype(array.dtype, np.integer) or array.size > 64:
            raise self.bad(node, f"input {position} must be a short list of integers, not {array.dtype}{array.shape}")
        return [int(v) for v in array.reshape(-1)]

    def fresh(self, hint: str) -> str:
        """A name that no tensor of the graph has."""
        name, number = hint, 1
        while name in self.shapes or name in self.constants:
            name, number = f"{hint}#{number}", number + 1
        return name

    def emit(self, kind: type[F], name: str, inputs: Sequence[str], shape: tuple[int, ...], **fields: Any) -> str:
        """Append an operator named like the tensor it makes; returns that name."""
        if any(d < 1 for d in shape) or elements(shape) > MAX_TENSOR_ELEMENTS:
            raise ModelError(f"tensor '{name}' has shape {list(shape)}", where=self.model.path,
                             hint=f"1 to {MAX_TENSOR_ELEMENTS} elements are supported")  # fmt: skip
        name = self.fresh(name)
        self._makers[name] = len(self.ops)
        self._used.update(inputs)
        self.ops.append(kind(name, tuple(inputs), name, **fields))
        self.shapes[name] = shape
        return name

    def constant(self, hint: str, values: Parameter) -> str:
        """Enter a constant operand."""
        name = self.fresh(hint)
        self.constants[name], self.shapes[name] = values, values.shape
        return name

    def realise(self, view: View, order: Sequence[int]) -> str:
        """A graph tensor whose axis j is file axis order[j] of `view`: itself, reshaped, or transposed by a copy."""
        if view.tail is not None:
            whole = View(view.name, view.base, view.perm)
            view = View.plain(self._reshape(self.realise(whole, range(len(view.perm))), view.tail), view.tail)
        axes = tuple(view.perm[axis] for axis in order)
        shape = tuple(view.base[axis] for axis in axes)
        moved = [axis for axis in axes if view.base[axis] != 1]
        if moved == sorted(moved):
            return self._reshape(view.name, shape)
        key = (view.name, view.base, axes)
        if key not in self._realised:
            source = self._reshape(view.name, view.base)
            self.notes.append(f"'{view.name}' is transposed by a copy: {list(view.base)} to {list(shape)}")
            self._realised[key] = self.emit(Transpose, f"{view.name}_transposed", (source,), shape, perm=axes)
        return self._realised[key]

    def _reshape(self, name: str, shape: tuple[int, ...]) -> str:
        if self.shapes[name] == shape:
            return name
        key = (name, shape, ())
        if key not in self._realised:
            self._realised[key] = self.emit(Reshape, f"{name}_reshaped", (name,), shape)
        return self._realised[key]

    def laid(self, view: View, out: str) -> tuple[str, str]:
        """(graph tensor, name of the result) for an operator that works on each element by itself.

        A view with a tail has no tensor of the file's shape; what is made from it is named apart from the file's.
        """
        if view.tail is None:
            return self._reshape(view.name, view.base), out
        return view.name, f"{out}#unordered"

    def alone(self, node: FileNode, position: int = 0) -> int | None:
        """Index of the operator that made input `position`, if nothing but this node reads its result."""
        view = self.values[node.inputs[position]]
        if not isinstance(view, View) or self.readers[node.inputs[position]] != 1:
            return None
        return self.unread(view.name)

    def unread(self, name: str) -> int | None:
        """Index of the operator that made a tensor, if no operator has read that, and no output is it."""
        outputs = (self.values.get(value.name) for value in self.model.outputs)
        shared = sum(isinstance(value, View) and value.name == name for value in outputs)
        return None if name in self._used or shared > 1 else self._makers.get(name)

    def change(self, index: int, name: str, **fields: Any) -> str:
        """Replace an operator nobody has read yet by one with other fields that makes tensor `name`."""
        op = self.ops[index]
        shape = self.shapes.pop(op.output)
        name = self.fresh(name)
        self.shapes[name] = shape
        self._makers[name] = index
        self.ops[index] = dataclasses.replace(op, name=name, output=name, **fields)
        return name

    def set_free(self, name: str) -> None:
        """Give the tensor that has a name another one, wherever it occurs."""
        if name not in self._makers:
            return
        index, other = self._makers.pop(name), self.fresh(f"{name}#before")
        self._makers[other] = index
        self.shapes[other] = self.shapes.pop(name)
        self.ops[index] = dataclasses.replace(self.ops[index], name=other, output=other)
        for k, op in enumerate(self.ops):
            if name in op.inputs:
                self.ops[k] = dataclasses.replace(op, inputs=tuple(other if n == name else n for n in op.inputs))
        if name in self._used:
            self._used.add(other)
        for key, value in self.values.items():
            if isinstance(value, View) and value.name == name:
                self.values[key] = dataclasses.replace(value, name=other)
        kept = self._realised.items()
        self._realised = {(other if k[0] == name else k[0], *k[1:]): other if v == name else v for k, v in kept}

    def result(self, node: FileNode, view: Value, position: int = 0) -> None:
        """Say what an output of the node is; ModelError if the onnx package infers another shape."""
        name = node.outputs[position]
        inferred = self._inferred.get(name)
        if inferred is not None and inferred != view.shape:
            raise self.bad(node, f"output '{name}' computes to {list(view.shape)}, inferred is {list(inferred)}")
        self.values[name] = view

    def overrule(self) -> None:
        """Compare no further shape with the inferred ones, from here on: one is known to be wrong there."""
        self._inferred.clear()

    def at(self, node: FileNode) -> str:
        """Model and node, for error messages."""
        return f"{self.model.path}: {node.label}"

    def unsupported(self, node: FileNode, what: str, hint: str = "") -> UnsupportedError:
        """The error of a well-formed node that asks for what is not supported."""
        return UnsupportedError(what, where=self.at(node), hint=hint)

    def bad(self, node: FileNode, what: str) -> ModelError:
        """The error of a malformed node."""
        return ModelError(what, where=self.at(node))
