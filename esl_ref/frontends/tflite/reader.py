# SPDX-License-Identifier: Apache-2.0
"""Read a `.tflite` flatbuffer into plain values, trusting nothing in it.

The flatbuffer runtime for Python has no verifier. Three rules replace one: every length is checked against the
file before anything is read that many times; a meter counts what is read, so that structures which overlap
themselves cannot make a small file cost more than a large honest one; and whatever the runtime raises on a wild
offset becomes a ModelError.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tflite

from esl_ref.errors import ModelError, UnsupportedError
from esl_ref.frontends.tflite.schema import OPTION_FIELDS, FileModel, FileOperator, FileTensor

__all__ = ["MAX_FILE_BYTES", "MAX_TENSOR_ELEMENTS", "METADATA_PREFIX", "is_tflite", "read_bytes", "read_file"]

MAX_FILE_BYTES = 1 << 30
MAX_TENSOR_ELEMENTS = 1 << 26
METADATA_PREFIX = "esl_ref."
_MAX_RANK = 8
_MAX_ITEMS = 1 << 16
_MAX_NAME = 1 << 12
_METER_CAP = 1 << 24
_DAMAGE = (struct.error, IndexError, ValueError, TypeError, OverflowError, AttributeError)


def _names(enumeration: type) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


_OPERATOR_NAMES, _TYPE_NAMES = _names(tflite.BuiltinOperator), _names(tflite.TensorType)
_OPTION_KINDS: dict[str, int] = {n: v for v, n in _names(tflite.BuiltinOptions).items()}
_NUMPY = {
    "BOOL": np.bool_, "FLOAT16": np.float16, "FLOAT32": np.float32, "FLOAT64": np.float64, "INT8": np.int8,
    "INT16": np.int16, "INT32": np.int32, "INT64": np.int64, "UINT8": np.uint8,
}  # fmt: skip


class _Reader:
    """State of one reading: the file's bytes and how much may still be read from them."""

    def __init__(self, path: str, data: bytes) -> None:
        self.path, self.data = path, data
        self.left = min(8 * len(data) + 4096, _METER_CAP)

    def bad(self, what: str) -> ModelError:
        return ModelError(what, where=self.path, hint="the file is damaged or not a TensorFlow Lite model")

    def spend(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise self.bad("its structures overlap or are far larger than the file can hold")

    def count(self, length: int, what: str, limit: int = _MAX_ITEMS) -> int:
        """A vector's length, checked against the file's size and a limit."""
        if not 0 <= length <= min(limit, len(self.data) // 4):
            raise self.bad(f"{length} {what} (at most {limit}, in a file of {len(self.data)} bytes)")
        self.spend(4 * length + 8)
        return length

    def numbers(self, owner: Any, field: str, what: str, limit: int = _MAX_ITEMS) -> npt.NDArray[Any]:
        """A vector of numbers as an array; empty if it is absent."""
        length = self.count(getattr(owner, field + "Length")(), what, limit)
        if length == 0:
            return np.empty(0, np.int64)
        return np.array(getattr(owner, field + "AsNumpy")())

    def text(self, value: bytes | None) -> str:
        if value is None:
            return ""
        self.spend(len(value))
        return value[:_MAX_NAME].decode("utf-8", "replace")


def _constant(reader: _Reader, model: Any, tensor: Any, shape: tuple[int, ...], kind: str, where: str) -> Any:
    """The tensor's constant value, or None. INT4 is unpacked, low nibble first."""
    index = tensor.Buffer()
    if not 0 <= index < model.BuffersLength():
        raise reader.bad(f"{where} refers to buffer {index} of {model.BuffersLength()}")
    buffer = model.Buffers(index)
    length = buffer.DataLength() if index else 0
    if length == 0:
        return None
    if not 0 < length <= len(reader.data):
        raise reader.bad(f"{where} has a buffer of {length} bytes in a file of {len(reader.data)}")
    raw = buffer.DataAsNumpy()
    elements = int(np.prod(shape, dtype=np.int64))
    if kind == "INT4":
        if length != (elements + 1) // 2:
            raise reader.bad(
                f"{where} INT4{list(shape)} needs {(elements + 1) // 2} bytes of data, its buffer has {length}"
            )
        nibbles = np.stack([raw & 15, raw >> 4], axis=1).reshape(-1)[:elements].astype(np.int8)
        return ((nibbles ^ 8) - 8).astype(np.int8).reshape(shape)
    if kind not in _NUMPY:
        return None
    dtype = np.dtype(_NUMPY[kind])
    if length != elements * dtype.itemsize:
        raise reader.bad(
            f"{where} {kind}{list(shape)} needs {elements * dtype.itemsize} bytes of data, its buffer has {length}"
        )
    # A copy, so that the graph does not hold the file's bytes, and is aligned whatever the file says.
    return np.frombuffer(raw.tobytes(), dtype).reshape(shape)


def _shape(reader: _Reader, tensor: Any, where: str) -> tuple[tuple[int, ...], tuple[bool, ...]]:
    """(shape, which dimensions are open). An open dimension is given as 1: the batch, in every model met so far."""
    raw = [int(d) for d in reader.numbers(tensor, "Shape", "dimensions", _MAX_RANK)]
    signature = [int(d) for d in reader.numbers(tensor, "ShapeSignature", "dimensions", _MAX_RANK)] or raw
    if len(signature) != len(raw):
        raise reader.bad(f"{where} has shape {raw} but shape signature {signature}")
    dynamic = tuple(d == -1 or s == -1 for d, s in zip(raw, signature, strict=True))
    shape = tuple(1 if d == -1 else d for d in raw)
    if any(d < 0 for d in shape):
        raise reader.bad(f"{where} has shape {raw}")
    elements = 1
    for d in shape:
        elements *= d
    if elements > MAX_TENSOR_ELEMENTS:
        raise ModelError(f"{where} has {elements} elements", where=reader.path,
                         hint=f"at most {MAX_TENSOR_ELEMENTS} are supported")  # fmt: skip
    if 0 in shape:
        raise reader.bad(f"{where} has no elements: shape {raw}")
    return shape, dynamic


def _tensor(reader: _Reader, model: Any, graph: Any, index: int) -> FileTensor:
    tensor = graph.Tensors(index)
    name = reader.text(tensor.Name())
    where = f"tensor #{index} '{name}'"
    kind = _TYPE_NAMES.get(tensor.Type(), f"TYPE_{tensor.Type()}")
    if tensor.Sparsity() is not None:
        raise UnsupportedError(f"{where} is sparse", where=reader.path, hint="convert the model without sparsity")
    shape, dynamic = _shape(reader, tensor, where)
    empty = np.empty(0)
    scale, zero, axis = empty, empty, 0
    quant = tensor.Quantization()
    if quant is not None:
        if quant.DetailsType():
            raise UnsupportedError(f"{where} has custom quantisation", where=reader.path)
        scale = reader.numbers(quant, "Scale", "scales").astype(np.float32)
        zero = reader.numbers(quant, "ZeroPoint", "zero points").astype(np.int64)
        axis = quant.QuantizedDimension()
    data = _constant(reader, model, tensor, shape, kind, where)
    return FileTensor(index, name, shape, dynamic, kind, scale, zero, axis, data, tensor.IsVariable())


def _bytes(reader: _Reader, owner: Any, field: str, what: str) -> bytes:
    """A vector of bytes; empty if it is absent."""
    length = getattr(owner, field + "Length")()
    if not 0 <= length <= len(reader.data):
        raise reader.bad(f"{length} {what} in a file of {len(reader.data)} bytes")
    reader.spend(length)
    return bytes(getattr(owner, field + "AsNumpy")()) if length else b""


def _metadata(reader: _Reader, model: Any) -> dict[str, bytes]:
    """Named buffers that this product wrote; those of others are passed over."""
    found = {}
    for index in range(reader.count(model.MetadataLength(), "entries of metadata")):
        entry = model.Metadata(index)
        name = reader.text(entry.Name())
        if not name.startswith(METADATA_PREFIX):
            continue
        if not 0 <= entry.Buffer() < model.BuffersLength():
            raise reader.bad(f"metadata '{name}' refers to buffer {entry.Buffer()} of {model.BuffersLength()}")
        found[name] = _bytes(reader, model.Buffers(entry.Buffer()), "Data", f"bytes of metadata '{name}'")
    return found


def _options(reader: _Reader, operator: Any, code: str) -> dict[str, Any]:
    """The operator's options by field name; the schema's defaults where the file has no table."""
    if code.startswith("CUSTOM("):
        return {"CustomOptions": _bytes(reader, operator, "CustomOptions", "bytes of custom options")}
    if code not in OPTION_FIELDS:
        return {}
    table, fields = OPTION_FIELDS[code]
    holder = getattr(tflite, table)()
    source = operator.BuiltinOptions()
    if source is None:
        raise reader.bad(f"{code} has no options")
    if operator.BuiltinOptionsType() != _OPTION_KINDS[table]:
        raise reader.bad(f"{code} carries the options of another operator")
    holder.Init(source.Bytes, source.Pos)
    reader.spend(8 * len(fields))
    return {field: getattr(holder, field)() for field in fields}


def _code(reader: _Reader, model: Any, index: int, count: int) -> str:
    if not 0 <= index < count:
        raise reader.bad(f"operator code {index} of {count}")
    entry = model.OperatorCodes(index)
    number = max(entry.BuiltinCode(), entry.DeprecatedBuiltinCode())
    name = _OPERATOR_NAMES.get(number, f"BUILTIN_{number}")
    return f"CUSTOM({reader.text(entry.CustomCode())})" if name == "CUSTOM" else name


def _operator(reader: _Reader, model: Any, graph: Any, index: int, codes: int, tensors: int) -> FileOperator:
    operator = graph.Operators(index)
    code = _code(reader, model, operator.OpcodeIndex(), codes)
    inputs = tuple(int(i) for i in reader.numbers(operator, "Inputs", "inputs", 1024))
    outputs = tuple(int(i) for i in reader.numbers(operator, "Outputs", "outputs", 1024))
    for i in inputs:
        if not -1 <= i < tensors:
            raise reader.bad(f"operator #{index} {code} reads tensor {i} of {tensors}")
    for i in outputs:
        if not 0 <= i < tensors:
            raise reader.bad(f"operator #{index} {code} writes tensor {i} of {tensors}")
    return FileOperator(index, code, inputs, outputs, _options(reader, operator, code))


def _model(reader: _Reader) -> FileModel:
    model = tflite.Model.GetRootAs(reader.data, 0)
    subgraphs = reader.count(model.SubgraphsLength(), "subgraphs")
    if subgraphs != 1:
        raise UnsupportedError(f"{subgraphs} subgraphs", where=reader.path, hint="models with one are supported")
    graph = model.Subgraphs(0)
    reader.count(model.BuffersLength(), "buffers")
    codes = reader.count(model.OperatorCodesLength(), "operator codes")
    tensors = reader.count(graph.TensorsLength(), "tensors")
    operators = reader.count(graph.OperatorsLength(), "operators")
    inputs = tuple(int(i) for i in reader.numbers(graph, "Inputs", "inputs", 1024))
    outputs = tuple(int(i) for i in reader.numbers(graph, "Outputs", "outputs", 1024))
    for i in (*inputs, *outputs):
        if not 0 <= i < tensors:
            raise reader.bad(f"the model's interface names tensor {i} of {tensors}")
    if not inputs or not outputs:
        raise reader.bad("the model has no input or no output")
    return FileModel(
        reader.path,
        reader.text(graph.Name()),
        tuple(_tensor(reader, model, graph, i) for i in range(tensors)),
        tuple(_operator(reader, model, graph, i, codes, tensors) for i in range(operators)),
        inputs,
        outputs,
        _metadata(reader, model),
    )


def is_tflite(data: bytes) -> bool:
    """True if the bytes carry the file identifier of TensorFlow Lite."""
    return data[4:8] == b"TFL3"


def _guarded(path: str, action: Callable[[], FileModel]) -> FileModel:
    try:
        return action()
    except _DAMAGE as error:
        raise ModelError(
            f"the flatbuffer is damaged ({type(error).__name__}: {str(error)[:120]})", where=path
        ) from error


def read_bytes(data: bytes, path: str = "<bytes>") -> FileModel:
    """The model in `data`; ModelError or UnsupportedError."""
    if len(data) > MAX_FILE_BYTES:
        raise ModelError(f"{len(data)} bytes", where=path, hint=f"at most {MAX_FILE_BYTES} are supported")
    if not is_tflite(data):
        raise ModelError("is not a TensorFlow Lite model (no 'TFL3' identifier)", where=path)
    return _guarded(path, lambda: _model(_Reader(path, data)))


def read_file(path: str | Path) -> FileModel:
    """The model in a file; the size is checked before it is read."""
    path = Path(path)
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise ModelError(f"{size} bytes", where=str(path), hint=f"at most {MAX_FILE_BYTES} are supported")
    return read_bytes(path.read_bytes(), str(path))
