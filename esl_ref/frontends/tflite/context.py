# SPDX-License-Identifier: Apache-2.0
"""What an importer sees: tensors by index, their quantisation checked, and a place to put operators."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from esl_ref.errors import ModelError, UnsupportedError
from esl_ref.frontends.tflite.schema import FileModel, FileOperator, FileTensor
from esl_ref.ir import Op, Quant, Tensor

__all__ = ["Context"]

_DTYPES: dict[str, npt.DTypeLike] = {
    "BOOL": np.bool_, "FLOAT32": np.float32, "INT4": np.int8, "INT8": np.int8, "UINT8": np.int8, "INT16": np.int16,
    "INT32": np.int32, "INT64": np.int64,
}  # fmt: skip
_RANGES = {"INT4": (-8, 7), "INT8": (-128, 127), "UINT8": (0, 255), "INT16": (-(1 << 15), (1 << 15) - 1)}


class Context:
    """The graph under construction. Every method raises errors that name the file and the operator or tensor."""

    def __init__(self, model: FileModel, folded: dict[int, npt.NDArray[Any]]) -> None:
        self.model, self.folded = model, folded
        self.ops: list[Op] = []
        self.notes: list[str] = []
        self.tensors: dict[str, Tensor] = {}
        self._names: dict[int, str] = {}
        self._shapes: dict[int, tuple[int, ...]] = {}
        taken: set[str] = set()
        for tensor in model.tensors:
            # Archives of results end names at a NUL: two that differ behind it would be one.
            name = tensor.name.replace("\0", "\\0") or f"tensor_{tensor.index}"
            while name in taken:
                name += f"#{tensor.index}"
            self._names[tensor.index] = name
            taken.add(name)

    def at(self, op: FileOperator) -> str:
        """The place of an error: file and operator."""
        return f"{self.model.path}: {op.label}"

    def unsupported(self, op: FileOperator, what: str, hint: str = "") -> UnsupportedError:
        return UnsupportedError(what, where=self.at(op), hint=hint)

    def bad(self, op: FileOperator, what: str) -> ModelError:
        return ModelError(what, where=self.at(op))

    def file_tensor(self, op: FileOperator, position: int) -> FileTensor:
        """Input number `position` of an operator, which must be there."""
        if position >= len(op.inputs) or op.inputs[position] < 0:
            raise self.bad(op, f"input {position} is missing")
        return self.model.tensors[op.inputs[position]]

    def optional(self, op: FileOperator, position: int) -> FileTensor | None:
        """Input number `position`, or None if the file leaves it out."""
        if position >= len(op.inputs) or op.inputs[position] < 0:
            return None
        return self.model.tensors[op.inputs[position]]

    def output(self, op: FileOperator, position: int = 0) -> FileTensor:
        if position >= len(op.outputs):
            raise self.bad(op, f"output {position} is missing")
        return self.model.tensors[op.outputs[position]]

    def shape(self, tensor: FileTensor) -> tuple[int, ...]:
        """The tensor's shape, as its producer computed it where the file leaves dimensions open."""
        return self._shapes.get(tensor.index, tensor.shape)

    def constant(self, op: FileOperator, position: int) -> npt.NDArray[Any]:
        """The value of an input that must be constant, after folding."""
        tensor = self.file_tensor(op, position)
        value = self.folded.get(tensor.index, tensor.data)
        if value is None:
            raise self.unsupported(op, f"input {position} ('{tensor.name}') must be a constant")
        return value

    def is_constant(self, tensor: FileTensor) -> bool:
        return tensor.data is not None or tensor.index in self.folded

    def integers(self, op: FileOperator, position: int, count: int | None = None) -> list[int]:
        """A small constant list of integers: axes, sizes, paddings."""
        value = self.constant(op, position)
        if not np.issubdtype(value.dtype, np.integer) or value.size > 64:
            raise self.bad(op, f"input {position} must be a short list of integers, not {value.dtype}{value.shape}")
        if count is not None and value.size != count:
            raise self.bad(op, f"input {position} must hold {count} integers, not {value.size}")
        return [int(v) for v in value.reshape(-1)]

    def quant(
        self, op: FileOperator, tensor: FileTensor, types: tuple[str, ...] = ("INT8", "UINT8")
    ) -> tuple[float, int]:
        """(scale, zero point) of a tensor quantised as a whole, in the int8 domain; the scale is a float32 value."""
        self.need_type(op, tensor, types)
        scales, zeros = self.quant_vector(op, tensor)
        if scales.size != 1:
            raise self.unsupported(op, f"tensor '{tensor.name}' has {scales.size} scales", "activations need one scale")
        return float(scales[0]), int(zeros[0])

    def need_type(self, op: FileOperator, tensor: FileTensor, types: tuple[str, ...]) -> None:
        if tensor.type not in types:
            raise self.unsupported(op, f"tensor '{tensor.name}' is {tensor.type}", f"{' or '.join(types)} is supported")

    def quant_vector(
        self, op: FileOperator, tensor: FileTensor, *, signed: bool = False
    ) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """(scales, zero points) of equal length, every number checked; zero points of uint8 re-biased by -128.

        `signed` allows negative scales, which some quantisers give to weights.
        """
        scales, zeros = tensor.scale, tensor.zero_point
        if not scales.size:
            raise self.bad(op, f"tensor '{tensor.name}' has no quantisation")
        if zeros.size not in (scales.size, 0, 1):
            raise self.bad(op, f"tensor '{tensor.name}' has {scales.size} scales and {zeros.size} zero points")
        bad = [float(s) for s in scales if not (math.isfinite(s) and (s > 0 or (signed and s < 0)))]
        if bad:
            raise self.bad(op, f"tensor '{tensor.name}' has scale {bad[0]!r}; scales must be finite and positive")
        zeros = np.zeros(scales.size, np.int64) if not zeros.size else np.broadcast_to(zeros, scales.shape)
        low, high = _RANGES.get(tensor.type, (-(1 << 31), (1 << 31) - 1))
        if int(zeros.min()) < low or int(zeros.max()) > high:
            raise self.bad(op, f"tensor '{tensor.name}' has a zero point outside {low}..{high}")
        return scales.astype(np.float64), zeros - (128 if tensor.type == "UINT8" else 0)

    def int8_data(self, tensor: FileTensor) -> npt.NDArray[Any]:
        """Constant bytes of an (u)int8 tensor in the int8 domain: flipping the top bit subtracts 128."""
        assert tensor.data is not None
        return (tensor.data ^ np.uint8(128)).view(np.int8) if tensor.type == "UINT8" else tensor.data

    def declare(self, op: FileOperator, tensor: FileTensor, shape: tuple[int, ...]) -> str:
        """Declare an output with the shape its operator computes; ModelError if the file says another."""
        fits = len(shape) == len(tensor.shape) and all(
            a == b or free for a, b, free in zip(shape, tensor.shape, tensor.dynamic, strict=True)
        )
        if not fits:
            raise self.bad(op, f"output '{tensor.name}' is declared {list(tensor.shape)} but computes to {list(shape)}")
        self._shapes[tensor.index] = shape
        name = self.use(op, tensor)
        if self.tensors[name].shape != shape:  # used before it was declared, with dimensions the file leaves open
            self.tensors[name] = dataclasses.replace(self.tensors[name], shape=shape)
        return name

    def use(self, op: FileOperator | None, tensor: FileTensor) -> str:
        """The tensor's name in the graph, entering it on first use."""
        name = self._names[tensor.index]
        if name in self.tensors:
            return name
        where = self.at(op) if op else self.model.path
        if tensor.type not in _DTYPES:
            raise UnsupportedError(f"tensor '{tensor.name}' is {tensor.type}", where=where)
        if tensor.variable:
            raise UnsupportedError(f"tensor '{tensor.name}' is variable state", where=where,
                                   hint="stateless models are supported")  # fmt: skip
        quant = None
        if tensor.scale.size:
            scales, zeros = self.quant_vector(op or FileOperator(-1, "interface", (), (), {}), tensor)
            quant = Quant(tuple(map(float, scales)), tuple(map(int, zeros)), tensor.axis if scales.size > 1 else None)
        data = None if tensor.data is None else self.int8_data(tensor)
        data = self.folded.get(tensor.index, data)
        offset = 128 if tensor.type == "UINT8" else 0
        dtype = np.dtype(_DTYPES[tensor.type])
        self.tensors[name] = Tensor(name, self.shape(tensor), dtype, quant, data, offset)
        return name

    def inner(self, like: str, suffix: str, shape: tuple[int, ...] | None = None) -> str:
        """A new tensor between two operators that one file operator became, of the same kind as `like`."""
        name, model = f"{like}:{suffix}", self.tensors[like]
        while name in self.tensors:
            name += "'"
        self.tensors[name] = dataclasses.replace(model, name=name, shape=shape or model.shape, data=None)
        return name

    def note(self, op: FileOperator, text: str) -> None:
        self.notes.append(f"{op.label}: {text}")
