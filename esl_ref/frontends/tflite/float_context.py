# SPDX-License-Identifier: Apache-2.0
"""What an importer of a float model sees: the integer importers' context, with operators and constants of floats."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from esl_ref.detection.heads import Head
from esl_ref.errors import UnsupportedError
from esl_ref.floating.activation import LINEAR, Activation, Function
from esl_ref.floating.graph import FloatGraph, FloatOp, Parameter
from esl_ref.frontends.tflite.context import Context
from esl_ref.frontends.tflite.schema import FileModel, FileOperator, FileTensor

__all__ = ["FloatContext"]

_FUSED = {
    0: LINEAR, 1: Activation(Function.RELU), 2: Activation(Function.HARDTAN), 3: Activation(Function.RELU6),
    4: Activation(Function.TANH),
}  # fmt: skip


_HYBRID = (
    "a model quantised for dynamic range is not supported: convert it to full-integer int8 with a representative data "
    "set, or without quantisation"
)


class FloatContext(Context):
    """The float graph under construction."""

    def __init__(self, model: FileModel, folded: dict[int, npt.NDArray[Any]]) -> None:
        super().__init__(model, folded)
        self.float_ops: list[FloatOp] = []
        self.constants: dict[str, Parameter] = {}
        self.restored: dict[int, npt.NDArray[np.float32]] = {}
        """Constants that DEQUANTIZE makes, by tensor index."""

    def operand(self, op: FileOperator, position: int) -> tuple[str, tuple[int, ...]]:
        """(name, shape) of an input, which becomes a constant of the graph if the file has its value."""
        tensor = self.file_tensor(op, position)
        return self.use(op, tensor), self.shape(tensor)

    def use(self, op: FileOperator | None, tensor: FileTensor) -> str:
        """As for integers; a constant is remembered with its value."""
        name = super().use(op, tensor)
        if name not in self.constants and (tensor.index in self.restored or tensor.data is not None):
            value = self.restored.get(tensor.index, tensor.data)
            if value is not None and value.dtype == np.float32:
                self.constants[name] = Parameter.of(value)
        return name

    def is_constant(self, tensor: FileTensor) -> bool:
        return super().is_constant(tensor) or tensor.index in self.restored

    def floats(self, op: FileOperator, tensor: FileTensor) -> npt.NDArray[np.float32]:
        """The value of a constant float tensor."""
        value = self.restored.get(tensor.index, tensor.data)
        if value is None:
            raise self.unsupported(op, f"'{tensor.name}' must be a constant")
        if value.dtype != np.float32:
            hint = _HYBRID if tensor.type in ("INT4", "INT8", "UINT8") else "float32 is supported"
            raise self.unsupported(op, f"'{tensor.name}' is {tensor.type} beside float activations", hint)
        return value

    def weight(self, op: FileOperator, position: int, rank: int) -> npt.NDArray[np.float32]:
        """Weights of so many dimensions."""
        tensor = self.file_tensor(op, position)
        value = self.floats(op, tensor)
        if value.ndim != rank:
            raise self.bad(op, f"weights '{tensor.name}' have {value.ndim} dimensions, not {rank}")
        return value

    def bias(self, op: FileOperator, channels: int) -> npt.NDArray[np.float32]:
        """The bias of input 2, zeros if it is left out."""
        tensor = self.optional(op, 2)
        if tensor is None:
            return np.zeros(channels, np.float32)
        value = self.floats(op, tensor)
        if value.size != channels:
            raise self.bad(op, f"bias '{tensor.name}' has {value.size} entries for {channels} channels")
        return value.reshape(channels)

    def fused(self, op: FileOperator) -> Activation:
        """The operator's fused activation."""
        number = op.options["FusedActivationFunction"]
        if number not in _FUSED:
            raise self.unsupported(op, f"fused activation {number}")
        return _FUSED[number]

    def add(self, kind: type[FloatOp], op: FileOperator, inputs: tuple[str, ...], shape: tuple[int, ...],
            *attributes: Any, output: int = 0) -> None:  # fmt: skip
        """Append an operator that makes output number `output` of the file's, of the shape it computes."""
        name = self.declare(op, self.output(op, output), shape)
        self.float_ops.append(kind(name, inputs, name, *attributes))

    def graph(
        self, name: str, inputs: tuple[str, ...], outputs: tuple[str, ...], heads: tuple[Head, ...]
    ) -> FloatGraph:
        """The graph of what was added; UnsupportedError for an interface that is not of floats."""
        for tensor in (self.tensors[n] for n in (*inputs, *outputs)):
            if tensor.dtype != np.float32:
                raise UnsupportedError(f"tensor '{tensor.name}' is {tensor.dtype}", where=self.model.path,
                                       hint="inputs and outputs of float models must be float32")  # fmt: skip
        mentioned = {*inputs, *outputs, *(n for op in self.float_ops for n in (*op.inputs, op.output))}
        shapes = {n: t.shape for n, t in self.tensors.items() if n in mentioned}
        constants = {n: p for n, p in self.constants.items() if n in mentioned}
        return FloatGraph(name, shapes, tuple(self.float_ops), inputs, outputs, constants, heads, tuple(self.notes))
