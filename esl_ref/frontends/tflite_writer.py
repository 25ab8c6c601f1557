# SPDX-License-Identifier: Apache-2.0
"""Write `.tflite` files: tensors and operators in, flatbuffer bytes out.

    w = TFLiteWriter("doubler")
    x = w.add_tensor("x", (1, 4), "int8", scale=0.5, zero_point=-3)
    y = w.add_tensor("y", (1, 4), "int8", scale=1.0)
    w.add_op("ADD", [x, x], [y])
    open("doubler.tflite", "wb").write(w.finish([x], [y]))

The layout is the TensorFlow Lite schema, version 3, file identifier "TFL3"; constant data is aligned to 16 bytes as
the schema's `force_align` asks. The same calls give the same bytes: nothing depends on time, hash order or machine.
With `checked=False` the writer lets inconsistent models through, which is how hostile files are made for tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tflite

from esl_ref.errors import ModelError, UnsupportedError
from esl_ref.frontends.tflite_emit import ModelRecord, OperatorRecord, OptionValue, TensorRecord, emit_model
from esl_ref.frontends.tflite_op_options import OPERATORS, OperatorSpec

__all__ = ["OptionValue", "TFLiteWriter"]

_NUMPY_OF_TYPE = {
    "BOOL": np.bool_,
    "FLOAT32": np.float32,
    "FLOAT16": np.float16,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "UINT8": np.uint8,
}

Numbers = float | Sequence[float] | npt.NDArray[Any]


class TFLiteWriter:
    """Builds one subgraph. Indices returned by `add_tensor` name tensors in `add_op` and `finish`."""

    def __init__(self, name: str = "main", *, description: str = "", checked: bool = True) -> None:
        self.name, self.description, self.checked = name, description, checked
        self._tensors: list[TensorRecord] = []
        self._ops: list[OperatorRecord] = []
        # Buffer 0 is the empty one by convention: tensors without constant data point to it.
        self._buffers: list[bytes] = [b""]
        self._metadata: list[tuple[str, int]] = []

    def add_tensor(
        self,
        name: str,
        shape: Sequence[int],
        dtype: str,
        *,
        data: npt.NDArray[Any] | bytes | None = None,
        scale: Numbers | None = None,
        zero_point: int | Sequence[int] | npt.NDArray[Any] = 0,
        axis: int = 0,
        shape_signature: Sequence[int] = (),
    ) -> int:
        """Add a tensor and return its index.

        `dtype` is a schema type in any case ("int8", "FLOAT32", "int4"). `data` makes it constant; bytes are taken
        as they are, arrays must have the tensor's shape (int4: values in -8..7, packed two to a byte, low nibble
        first). `scale` with one value is per tensor, with more per slice along `axis`; zero points are repeated to
        match. `shape_signature` holds -1 for dynamic dimensions.

        ModelError if data, shape and quantisation do not agree; UnsupportedError for an unknown type.
        """
        type_name = dtype.upper()
        if not hasattr(tflite.TensorType, type_name):
            raise UnsupportedError(f"no tensor type {dtype!r} in the schema", where=f"tensor {name!r}")
        scales = () if scale is None else tuple(float(s) for s in np.ravel(scale))
        points = tuple(int(z) for z in np.ravel(np.broadcast_to(np.asarray(zero_point), (len(scales),))))
        shape = tuple(int(d) for d in shape)
        if self.checked and len(scales) > 1 and (not 0 <= axis < len(shape) or shape[axis] != len(scales)):
            raise ModelError(f"{len(scales)} scales do not fit axis {axis} of shape {shape}", where=f"tensor {name!r}")
        buffer = 0
        if data is not None:
            self._buffers.append(data if isinstance(data, bytes) else self._pack(name, shape, type_name, data))
            buffer = len(self._buffers) - 1
        signature = tuple(int(d) for d in shape_signature)
        self._tensors.append(TensorRecord(name, shape, signature, type_name, buffer, scales, points, axis))
        return len(self._tensors) - 1

    def _pack(self, name: str, shape: tuple[int, ...], type_name: str, data: npt.NDArray[Any]) -> bytes:
        where = f"tensor {name!r}"
        if self.checked and data.shape != shape:
            raise ModelError(f"data of shape {data.shape} for a tensor of shape {shape}", where=where)
        if type_name == "INT4":
            return _pack_int4(data, where)
        if type_name not in _NUMPY_OF_TYPE:
            raise UnsupportedError(f"cannot pack {type_name} from an array", where=where, hint="pass bytes instead")
        dtype = np.dtype(_NUMPY_OF_TYPE[type_name])
        narrowed = data.astype(dtype)
        if dtype.kind != "f" and not np.array_equal(narrowed, data):
            raise ModelError(f"data does not fit {type_name}", where=where)
        return narrowed.astype(dtype.newbyteorder("<")).tobytes()

    def add_op(
        self,
        code: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        *,
        version: int | None = None,
        custom_options: bytes = b"",
        **options: OptionValue,
    ) -> int:
        """Append an operator and return its index; an input of -1 is an absent optional one.

        `code` is a builtin operator's schema name, or "custom:NAME". Options are the schema's, by name, with
        enumerations as strings: padding="SAME", fused_activation_function="RELU6".

        UnsupportedError for an operator or option this writer does not know.
        """
        where = f"operator {len(self._ops)} ({code})"
        spec = _spec_of(code, where)
        unknown = sorted(set(options) - set(spec.defaults) - spec.vectors)
        if unknown:
            known = ", ".join(sorted([*spec.defaults, *spec.vectors])) or "none"
            raise UnsupportedError(f"unknown options {unknown}", where=where, hint=f"options are: {known}")
        merged: dict[str, OptionValue] = {**spec.defaults, **options}
        chosen = spec.version if version is None else version
        self._ops.append(OperatorRecord(code, chosen, spec, tuple(inputs), tuple(outputs), merged, custom_options))
        return len(self._ops) - 1

    def add_metadata(self, name: str, data: bytes) -> None:
        """Add bytes that interpreters pass over, under a name of their own."""
        self._buffers.append(data)
        self._metadata.append((name, len(self._buffers) - 1))

    def finish(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        """The file's bytes, with these tensors as the subgraph's inputs and outputs. ModelError if checks fail."""
        if self.checked:
            self._check(inputs, outputs)
        record = ModelRecord(self.name, self.description, self._tensors, self._ops, self._buffers, inputs, outputs,
                             self._metadata)  # fmt: skip
        return emit_model(record)

    def _check(self, inputs: Sequence[int], outputs: Sequence[int]) -> None:
        """Every operator reads what is a constant, a subgraph input or written before it; nothing is written twice."""
        count = len(self._tensors)
        written = {*inputs, *(i for i, t in enumerate(self._tensors) if t.buffer)}
        for index, op in enumerate(self._ops):
            where = f"operator {index} ({op.code})"
            for t in op.inputs:
                if t != -1 and (not 0 <= t < count or t not in written):
                    raise ModelError(f"reads tensor {t}, which nothing writes before it", where=where)
            for t in op.outputs:
                if not 0 <= t < count or t in written:
                    raise ModelError(f"writes tensor {t}, which does not exist or has a value already", where=where)
            written.update(op.outputs)
        missing = [t for t in (*inputs, *outputs) if not 0 <= t < count or t not in written]
        if missing:
            raise ModelError(f"subgraph inputs or outputs {missing} have no value", where=self.name)


def _pack_int4(data: npt.NDArray[Any], where: str) -> bytes:
    flat = np.ravel(data)
    if flat.size and (flat.min() < -8 or flat.max() > 7):
        raise ModelError("data does not fit INT4", where=where, hint="values must be in -8..7")
    nibbles = np.zeros(flat.size + flat.size % 2, np.uint8)
    nibbles[: flat.size] = flat.astype(np.int8).view(np.uint8) & 0xF
    return bytes((nibbles[0::2] | nibbles[1::2] << 4).tobytes())


def _spec_of(code: str, where: str) -> OperatorSpec:
    if code.startswith("custom:"):
        return OperatorSpec(version=1)
    if code not in OPERATORS:
        raise UnsupportedError("operator cannot be written", where=where, hint=f"known: {', '.join(OPERATORS)}")
    return OPERATORS[code]
