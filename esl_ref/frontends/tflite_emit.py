# SPDX-License-Identifier: Apache-2.0
"""Flatbuffer emission of one TensorFlow Lite model: the byte level below `tflite_writer`.

Flatbuffers are built back to front: whatever a table points to is written before the table. Names of the generated
bindings are regular (`<Table>Start`, `<Table>Add<Field>`, `<Table>End`), which `_table` relies on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np
import tflite

from esl_ref.errors import UnsupportedError
from esl_ref.frontends.tflite_op_options import OperatorSpec

__all__ = ["ModelRecord", "OperatorRecord", "OptionValue", "TensorRecord", "emit_model"]

SCHEMA_VERSION = 3
FILE_IDENTIFIER = b"TFL3"
DATA_ALIGNMENT = 16
LAST_DEPRECATED_CODE = 127

OptionValue = int | float | bool | str | Sequence[int]


@dataclass(frozen=True)
class TensorRecord:
    """A tensor as the schema has it; `scales` empty means no quantisation, `buffer` 0 means no constant data."""

    name: str
    shape: tuple[int, ...]
    shape_signature: tuple[int, ...]
    type_name: str
    buffer: int
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int


@dataclass(frozen=True)
class OperatorRecord:
    """An operator: builtin schema name or "custom:NAME", tensor indices, options by name."""

    code: str
    version: int
    spec: OperatorSpec
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, OptionValue]
    custom_options: bytes


@dataclass(frozen=True)
class ModelRecord:
    """A model of one subgraph."""

    name: str
    description: str
    tensors: Sequence[TensorRecord]
    operators: Sequence[OperatorRecord]
    buffers: Sequence[bytes]
    inputs: Sequence[int]
    outputs: Sequence[int]
    metadata: Sequence[tuple[str, int]] = ()
    """Names of further buffers, and their indices."""


def emit_model(model: ModelRecord) -> bytes:
    """The file's bytes."""
    builder = flatbuffers.Builder(1024)
    # Version 1 of an operator may stand beside version 2 in one file: one operator code for each pair.
    codes = list(dict.fromkeys((op.code, op.version) for op in model.operators))
    fields = {
        "Version": SCHEMA_VERSION,
        "OperatorCodes": _offset_vector(builder, [_operator_code(builder, *code) for code in codes]),
        "Subgraphs": _offset_vector(builder, [_subgraph(builder, model, codes)]),
        "Buffers": _offset_vector(builder, [_buffer(builder, data) for data in model.buffers]),
        "Description": builder.CreateString(model.description),
        "Metadata": _metadata(builder, model.metadata),
    }
    builder.Finish(_table(builder, "Model", fields), file_identifier=FILE_IDENTIFIER)
    return bytes(builder.Output())


def _table(builder: Any, name: str, fields: Mapping[str, Any]) -> int:
    """Write a table of the fields that are not None; returns its offset."""
    getattr(tflite, f"{name}Start")(builder)
    for field_name, value in fields.items():
        if value is not None:
            getattr(tflite, f"{name}Add{field_name}")(builder, value)
    return int(getattr(tflite, f"{name}End")(builder))


def _offset_vector(builder: Any, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _numeric_vector(builder: Any, values: Sequence[float], dtype: str) -> int:
    return int(builder.CreateNumpyVector(np.asarray(values, dtype)))


def _byte_vector(builder: Any, data: bytes) -> int:
    # CreateByteVector aligns to one byte only; the schema forces 16 on buffer data.
    builder.StartVector(1, len(data), DATA_ALIGNMENT)
    builder.head -= len(data)
    builder.Bytes[builder.head : builder.head + len(data)] = data
    return int(builder.EndVector())


def _buffer(builder: Any, data: bytes) -> int:
    return _table(builder, "Buffer", {"Data": _byte_vector(builder, data) if data else None})


def _metadata(builder: Any, entries: Sequence[tuple[str, int]]) -> int | None:
    """None without entries, so that files without metadata stay as they always were."""
    tables = [_table(builder, "Metadata", {"Name": builder.CreateString(n), "Buffer": b}) for n, b in entries]
    return _offset_vector(builder, tables) if tables else None


def _operator_code(builder: Any, code: str, version: int) -> int:
    custom = builder.CreateString(code.removeprefix("custom:")) if code.startswith("custom:") else None
    builtin = tflite.BuiltinOperator.CUSTOM if custom is not None else getattr(tflite.BuiltinOperator, code)
    fields = {
        # Readers from before the enumeration outgrew a byte look at the deprecated field.
        "DeprecatedBuiltinCode": min(builtin, LAST_DEPRECATED_CODE),
        "CustomCode": custom,
        "Version": version,
        "BuiltinCode": builtin,
    }
    return _table(builder, "OperatorCode", fields)


def _quantisation(builder: Any, tensor: TensorRecord) -> int | None:
    if not tensor.scales:
        return None
    fields = {
        "Scale": _numeric_vector(builder, tensor.scales, "<f4"),
        "ZeroPoint": _numeric_vector(builder, tensor.zero_points, "<i8"),
        "QuantizedDimension": tensor.axis,
    }
    return _table(builder, "QuantizationParameters", fields)


def _tensor(builder: Any, tensor: TensorRecord) -> int:
    signature = tensor.shape_signature
    fields = {
        "Shape": _numeric_vector(builder, tensor.shape, "<i4"),
        "Type": getattr(tflite.TensorType, tensor.type_name),
        "Buffer": tensor.buffer,
        "Name": builder.CreateString(tensor.name),
        "Quantization": _quantisation(builder, tensor),
        "ShapeSignature": _numeric_vector(builder, signature, "<i4") if signature else None,
    }
    return _table(builder, "Tensor", fields)


def _option(builder: Any, op: OperatorRecord, name: str, value: OptionValue) -> Any:
    if name in op.spec.vectors:
        return _numeric_vector(builder, np.ravel(np.asarray(value)).tolist(), "<i4")
    if name not in op.spec.enums:
        return value
    enum = getattr(tflite, op.spec.enums[name])
    if not isinstance(value, str) or not hasattr(enum, value):
        raise UnsupportedError(f"{name} has no value {value!r}", where=op.code)
    return getattr(enum, value)


def _options(builder: Any, op: OperatorRecord) -> int | None:
    if not op.spec.table:
        return None
    values = {name: _option(builder, op, name, value) for name, value in op.options.items()}
    camel_case = {"".join(part.capitalize() for part in name.split("_")): value for name, value in values.items()}
    return _table(builder, op.spec.table, camel_case)


def _operator(builder: Any, op: OperatorRecord, code_index: int) -> int:
    fields = {
        "OpcodeIndex": code_index,
        "Inputs": _numeric_vector(builder, op.inputs, "<i4"),
        "Outputs": _numeric_vector(builder, op.outputs, "<i4"),
        "BuiltinOptionsType": getattr(tflite.BuiltinOptions, op.spec.table) if op.spec.table else None,
        "BuiltinOptions": _options(builder, op),
        "CustomOptions": builder.CreateByteVector(op.custom_options) if op.custom_options else None,
    }
    return _table(builder, "Operator", fields)


def _subgraph(builder: Any, model: ModelRecord, codes: Sequence[tuple[str, int]]) -> int:
    operators = [_operator(builder, op, codes.index((op.code, op.version))) for op in model.operators]
    fields = {
        "Tensors": _offset_vector(builder, [_tensor(builder, tensor) for tensor in model.tensors]),
        "Inputs": _numeric_vector(builder, model.inputs, "<i4"),
        "Outputs": _numeric_vector(builder, model.outputs, "<i4"),
        "Operators": _offset_vector(builder, operators),
        "Name": builder.CreateString(model.name),
    }
    return _table(builder, "SubGraph", fields)
