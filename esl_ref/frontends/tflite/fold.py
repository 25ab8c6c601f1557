# SPDX-License-Identifier: Apache-2.0
"""Constant folding of integer shape arithmetic: SHAPE, STRIDED_SLICE, PACK, REDUCE_PROD and the like.

Converters leave such chains behind where a model reshapes with an open batch dimension. With the batch fixed to 1
they are constants, and no executor needs to know the operators.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from esl_ref.errors import ModelError, UnsupportedError
from esl_ref.frontends.tflite.schema import FIXED, FileModel, FileOperator
from esl_ref.frontends.tflite.slicing import strided_box

__all__ = ["fold"]

Array = npt.NDArray[Any]
_Folder = Callable[[FileModel, FileOperator, list[Array]], Array]
_MAX_ELEMENTS = 1024


def _shape(model: FileModel, op: FileOperator, inputs: list[Array]) -> Array:
    tensor = model.tensors[op.inputs[0]]
    if tensor.open_axes:
        raise UnsupportedError(f"tensor '{tensor.name}' leaves axes {list(tensor.open_axes)} open",
                               where=f"{model.path}: {op.label}", hint=FIXED)  # fmt: skip
    return np.array(tensor.shape, np.int32)


def _pack(model: FileModel, op: FileOperator, inputs: list[Array]) -> Array:
    return np.stack(inputs, axis=op.options["Axis"])


def _concatenation(model: FileModel, op: FileOperator, inputs: list[Array]) -> Array:
    return np.concatenate(inputs, axis=op.options["Axis"])


def _strided_slice(model: FileModel, op: FileOperator, inputs: list[Array]) -> Array:
    value, *limits = inputs
    begin, end, stride = ([int(v) for v in limit.reshape(-1)] for limit in limits)
    box = strided_box(value.shape, begin, end, stride, op.options, op.label)
    result = value[tuple(slice(*t) if t[1] >= 0 else slice(t[0], None, t[2])
                         for t in zip(box.begin, box.end, box.stride, strict=True))]  # fmt: skip
    return result.reshape([n for axis, n in enumerate(result.shape) if axis not in box.shrunk])


def _gather(model: FileModel, op: FileOperator, inputs: list[Array]) -> Array:
    return np.take(inputs[0], inputs[1], axis=op.options["Axis"])


def _elementwise(function: Callable[[Array, Array], Array]) -> _Folder:
    return lambda model, op, inputs: function(inputs[0], inputs[1])


def _reduce_prod(model: FileModel, op: FileOperator, inputs: list[Array]) -> Array:
    axes = tuple(int(axis) for axis in inputs[1].reshape(-1))
    return np.asarray(np.prod(inputs[0], axis=axes, keepdims=bool(op.options["KeepDims"]), dtype=np.int64))


def _as_declared(model: FileModel, op: FileOperator, inputs: list[Array]) -> Array:
    """The same numbers in the output's shape."""
    return inputs[0].reshape(model.tensors[op.outputs[0]].shape)


def _slice(model: FileModel, op: FileOperator, inputs: list[Array]) -> Array:
    value, begin, size = inputs
    return value[tuple(slice(int(b), None if n < 0 else int(b + n)) for b, n in zip(begin, size, strict=True))]


_FOLDERS: dict[str, _Folder] = {
    "ADD": _elementwise(np.add),
    "CAST": _as_declared,
    "CONCATENATION": _concatenation,
    "EXPAND_DIMS": _as_declared,
    "GATHER": _gather,
    "MUL": _elementwise(np.multiply),
    "PACK": _pack,
    "REDUCE_PROD": _reduce_prod,
    "RESHAPE": _as_declared,
    "SHAPE": _shape,
    "SLICE": _slice,
    "SQUEEZE": _as_declared,
    "STRIDED_SLICE": _strided_slice,
    "SUB": _elementwise(np.subtract),
}


def _operands(model: FileModel, op: FileOperator, known: dict[int, Array]) -> list[Array] | None:
    """Values of all inputs if they are small known integers, else None. SHAPE needs none."""
    if op.code == "SHAPE":
        return []
    values = [known.get(i) if i >= 0 else None for i in op.inputs]
    return None if any(v is None for v in values) else [v for v in values if v is not None]


def fold(model: FileModel) -> tuple[dict[int, Array], frozenset[int]]:
    """(values of folded tensors by index, indices of the operators that became constants)."""
    known: dict[int, Array] = {
        t.index: t.data
        for t in model.tensors
        if t.data is not None and t.type in ("INT32", "INT64") and t.data.size <= _MAX_ELEMENTS
    }
    folded: dict[int, Array] = {}
    done = set()
    for op in model.operators:
        if op.code not in _FOLDERS or len(op.outputs) != 1 or not op.inputs or op.inputs[0] < 0:
            continue
        if model.tensors[op.outputs[0]].type not in ("INT32", "INT64"):
            continue
        operands = _operands(model, op, known)
        if operands is None:
            continue
        try:
            value = _FOLDERS[op.code](model, op, operands)
        except (ValueError, IndexError, TypeError) as error:
            raise ModelError(f"cannot be evaluated ({error})", where=f"{model.path}: {op.label}") from error
        if value.size > _MAX_ELEMENTS:
            continue
        known[op.outputs[0]] = folded[op.outputs[0]] = np.asarray(value)
        done.add(op.index)
    return folded, frozenset(done)
