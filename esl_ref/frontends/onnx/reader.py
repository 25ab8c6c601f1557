# SPDX-License-Identifier: Apache-2.0
"""From bytes to a `FileModel`: parsing with every size, name and order checked before anything relies on it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import AttributeProto, TensorProto, numpy_helper

from esl_ref.errors import ModelError, UnsupportedError
from esl_ref.frontends.onnx.external import external_reader
from esl_ref.frontends.onnx.schema import (
    MAX_CONSTANT_ELEMENTS,
    OPSETS,
    Array,
    FileModel,
    FileNode,
    FileValue,
    Source,
    elements,
)
from esl_ref.frontends.onnx.shapes import infer, input_shape

__all__ = ["read_bytes", "read_file"]

_MAX_FILE_BYTES = (1 << 31) - 1
"""Protocol buffers end there; larger models keep their weights in other files."""
_MAX_NODES, _MAX_RANK = 1 << 16, 8
_DTYPES: dict[int, str] = {
    TensorProto.FLOAT: "<f4", TensorProto.DOUBLE: "<f8", TensorProto.FLOAT16: "<f2", TensorProto.INT8: "i1",
    TensorProto.UINT8: "u1", TensorProto.INT16: "<i2", TensorProto.UINT16: "<u2", TensorProto.INT32: "<i4",
    TensorProto.INT64: "<i8", TensorProto.BOOL: "?",
}  # fmt: skip
_NIBBLES = {TensorProto.INT4: "i1", TensorProto.UINT4: "u1"}
"""4-bit types, which are widened as they are read."""


def _type_name(kind: int) -> str:
    return TensorProto.DataType.Name(kind) if kind in TensorProto.DataType.values() else f"type {kind}"


def _shape_of(dims: Iterable[int], limit: int, where: str) -> tuple[int, ...]:
    shape = tuple(int(d) for d in dims)
    if len(shape) > _MAX_RANK or any(d < 0 for d in shape):
        raise ModelError(f"has dimensions {list(shape)[:16]}", where=where)
    if elements(shape) > limit:
        raise ModelError(f"has {elements(shape)} elements", where=where, hint=f"at most {limit} are supported")
    return shape


def tensor(proto: Any, folder: Path | None, where: str) -> Source:
    """A constant; its size is checked against the file now, its values are read later."""
    where = f"{where}: constant '{proto.name}'"
    shape, kind = _shape_of(proto.dims, MAX_CONSTANT_ELEMENTS, where), proto.data_type
    if kind not in _DTYPES and kind not in _NIBBLES:
        raise UnsupportedError(f"has element type {_type_name(kind)}", where=where)
    dtype = np.dtype(_DTYPES.get(kind) or _NIBBLES[kind])
    if proto.data_location == TensorProto.EXTERNAL:
        fields = {entry.key: entry.value for entry in proto.external_data}
        if kind in _NIBBLES:
            raise UnsupportedError("keeps 4-bit data in another file", where=where)
        return Source(proto.name, shape, dtype, external_reader(fields, shape, dtype, folder, where))
    stored = elements(shape) * dtype.itemsize
    if kind in _NIBBLES:
        stored = (elements(shape) + 1) // 2
    if proto.raw_data and len(proto.raw_data) != stored:
        raise ModelError(f"{len(proto.raw_data)} bytes of data for {list(shape)} of {_type_name(kind)}", where=where)
    typed = max(len(field) for field in (
        proto.float_data, proto.int32_data, proto.int64_data, proto.double_data, proto.uint64_data))  # fmt: skip
    if not proto.raw_data and elements(shape) > typed * (2 if kind in _NIBBLES else 1):
        raise ModelError(f"{typed} numbers of data for {list(shape)}", where=where)

    def read() -> Array:
        try:
            return np.asarray(numpy_helper.to_array(proto)).reshape(shape).astype(dtype)
        except (ValueError, TypeError, OverflowError) as error:
            raise ModelError(f"its data cannot be read ({error})", where=where) from error

    return Source(proto.name, shape, dtype, read)


def _attribute(proto: Any, folder: Path | None, where: str) -> Any:
    match proto.type:
        case AttributeProto.FLOAT:
            return float(proto.f)
        case AttributeProto.INT:
            return int(proto.i)
        case AttributeProto.STRING:
            return bytes(proto.s)
        case AttributeProto.TENSOR:
            return tensor(proto.t, folder, where)
        case AttributeProto.FLOATS:
            return [float(v) for v in proto.floats]
        case AttributeProto.INTS:
            return [int(v) for v in proto.ints]
        case AttributeProto.STRINGS:
            return [bytes(v) for v in proto.strings]
    raise UnsupportedError(f"attribute '{proto.name}' is a graph, a sequence or a reference", where=where,
                           hint="control flow and functions are not supported")  # fmt: skip


def _nodes(proto: Any, folder: Path | None, path: str) -> tuple[FileNode, ...]:
    if len(proto.graph.node) > _MAX_NODES:
        raise ModelError(f"{len(proto.graph.node)} nodes", where=path, hint=f"at most {_MAX_NODES} are supported")
    result = []
    for index, node in enumerate(proto.graph.node):
        bare = FileNode(index, node.op_type, node.domain, node.name, tuple(node.input), tuple(node.output), {})
        where = f"{path}: {bare.label}"
        if not any(node.output):
            raise ModelError("makes nothing", where=where)
        values = {a.name: _attribute(a, folder, where) for a in node.attribute}
        result.append(FileNode(index, bare.op, bare.domain, bare.name, bare.inputs, bare.outputs, values))
    return tuple(result)


def _check_order(nodes: tuple[FileNode, ...], known: set[str], outputs: list[str], path: str) -> None:
    """Every tensor is made once, before its readers: files are sorted by the standard, so a cycle shows here."""
    makers = {name: node for node in nodes for name in node.outputs if name}
    for node in nodes:
        for name in filter(None, node.inputs):
            if name not in known:
                later = makers.get(name)
                cause = f", which {later.label} makes later: a cycle or nodes out of order" if later else ""
                raise ModelError(f"reads tensor '{name}' before anything made it{cause}", where=f"{path}: {node.label}")
        for name in filter(None, node.outputs):
            if name in known:
                raise ModelError(f"tensor '{name}' is made twice", where=f"{path}: {node.label}")
            known.add(name)
    for name in outputs:
        if name not in known:
            raise ModelError(f"output '{name}' is never made", where=path)


def _opset(proto: Any, path: str) -> int:
    versions = [int(o.version) for o in proto.opset_import if o.domain in ("", "ai.onnx")]
    if not versions:
        raise ModelError("imports no version of the standard operator set", where=path)
    if not OPSETS[0] <= versions[0] <= OPSETS[1]:
        raise UnsupportedError(f"operator set {versions[0]}", where=path,
                               hint=f"versions {OPSETS[0]} to {OPSETS[1]} are supported")  # fmt: skip
    return versions[0]


def _value(value: Any, path: str) -> FileValue:
    where = f"{path}: '{value.name}'"
    if not value.type.HasField("tensor_type"):
        raise UnsupportedError("is no tensor", where=where)
    kind = value.type.tensor_type.elem_type
    if kind and kind not in _DTYPES:
        raise UnsupportedError(f"has element type {_type_name(kind)}", where=where)
    shape = input_shape(value, where)
    if shape is not None:
        _shape_of(shape, MAX_CONSTANT_ELEMENTS, where)
    return FileValue(value.name, np.dtype(_DTYPES[kind]) if kind else None, shape)


def _output(value: Any, path: str) -> FileValue:
    """An output's declared shape is not relied on: it is computed."""
    kind = value.type.tensor_type.elem_type
    return FileValue(value.name, np.dtype(_DTYPES[kind]) if kind in _DTYPES else None, None)


def _check_text(proto: Any, path: str) -> None:
    """Strings that are no UTF-8 come out of the parser as bytes; archives of results end names at a NUL."""
    graph = proto.graph
    names = [graph.name, *(o.domain for o in proto.opset_import), *(t.name for t in graph.initializer)]
    names += [v.name for v in (*graph.input, *graph.output)]
    for node in graph.node:
        names += [node.op_type, node.domain, node.name, *node.input, *node.output, *(a.name for a in node.attribute)]
    entries = [entry for t in graph.initializer for entry in t.external_data]
    names += [text for entry in entries for text in (entry.key, entry.value)]
    wrong = next((name for name in names if not isinstance(name, str) or "\0" in name), None)
    if wrong is not None:
        raise ModelError(f"holds a name that is no text ({wrong[:40]!r})", where=path)


def read_bytes(data: bytes, path: str = "<bytes>", folder: Path | None = None) -> FileModel:
    """A model in memory; `folder` is where its external data may lie. ModelError, UnsupportedError as `read_file`."""
    proto: Any = onnx.ModelProto()
    try:
        proto.ParseFromString(data)
    except (DecodeError, RuntimeError, ValueError) as error:
        raise ModelError(f"is not an ONNX model or is damaged ({str(error)[:120]})", where=path) from error
    graph = proto.graph
    if not graph.node or not graph.output:
        raise ModelError("is not an ONNX model, or holds no graph", where=path)
    _check_text(proto, path)
    if graph.sparse_initializer:
        raise UnsupportedError("holds sparse constants", where=path)
    constants = {t.name: tensor(t, folder, path) for t in graph.initializer}
    inputs = tuple(_value(v, path) for v in graph.input if v.name not in constants)
    outputs = tuple(_output(v, path) for v in graph.output)
    opset, nodes = _opset(proto, path), _nodes(proto, folder, path)
    known = {v.name for v in inputs} | set(constants)
    if len(known) != len(inputs) + len(constants) or "" in known:
        raise ModelError("two inputs have one name, or none", where=path)
    _check_order(nodes, known, [v.name for v in outputs], path)
    shapes = infer(proto, {v.name: v.shape for v in inputs}, path)
    return FileModel(path, graph.name, opset, nodes, constants, inputs, outputs, shapes)


def read_file(path: str | Path) -> FileModel:
    """A model file. ModelError if it is missing, damaged or inconsistent, UnsupportedError for what is not read."""
    path = Path(path)
    try:
        size = path.stat().st_size
        if size > _MAX_FILE_BYTES:
            raise ModelError(f"{size} bytes", where=str(path), hint=f"at most {_MAX_FILE_BYTES} are supported")
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot be read ({error.strerror})", where=str(path)) from error
    return read_bytes(data, str(path), path.parent)
