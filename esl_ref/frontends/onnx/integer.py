# SPDX-License-Identifier: Apache-2.0
"""From the middle form of a quantised model to the integer graph.

Every tensor has a state: bytes, the real value of bytes, or an operator that waits for the scale of its result. A
QuantizeLinear or RequantShift turns what waits into one integer operator; moves work on bytes as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from esl_ref import ir
from esl_ref.errors import EslError
from esl_ref.floating import graph as f
from esl_ref.floating.activation import Function
from esl_ref.floating.graph import FloatOp
from esl_ref.frontends.onnx import pointwise
from esl_ref.frontends.onnx.builder import Builder
from esl_ref.frontends.onnx.linear import linear_accumulators
from esl_ref.frontends.onnx.middle import ClampBytes, Dequantise, Middle, Quantise, RequantShift
from esl_ref.frontends.onnx.pointwise import Lowering
from esl_ref.frontends.onnx.scales import PROFILE, quantise_values
from esl_ref.frontends.onnx.states import Bytes, Constant, Moved, Pending, Plain, Real, State, Unary
from esl_ref.ir import Act
from esl_ref.numerics import Profile

__all__ = ["integer_graph"]


def _offset(kind: np.dtype[Any]) -> int:
    return 128 if kind == np.uint8 else 0


def _enter(low: Lowering, name: str, types: Mapping[str, np.dtype[Any]]) -> State:
    """A network input."""
    b = low.b
    shape, kind = b.middle.shapes[name], b.middle.integer_types.get(name)
    if low.shifts:
        if name not in types and kind is None:
            b.notes.append(f"input '{name}': the file does not say which integers it holds, int8 is taken; an "
                           "inputs.npz beside the model with values up to 255 makes it uint8")  # fmt: skip
        offset = _offset(types.get(name, kind if kind is not None else np.dtype(np.int8)))
        b.tensor(name, shape, quant=(1.0, -offset), offset=offset)
        return Real(name, 1.0, -offset, offset)
    if kind is None:
        b.tensor(name, shape, np.float32)
        return Plain(name)
    readers = [op for op in b.middle.ops if name in op.inputs and isinstance(op, Dequantise)]
    offset = _offset(kind)
    quant = (readers[0].scale, readers[0].zero - offset) if readers else None
    b.tensor(name, shape, quant=quant, offset=offset)
    return Bytes(name, offset)


def _quantise(low: Lowering, op: Quantise, x: State) -> State:
    b, offset = low.b, 0 if op.signed else 128
    quant, shape = (op.scale, op.zero - offset), b.middle.shapes[op.output]
    if not -128 <= quant[1] <= 127:
        raise b.unsupported(op, f"zero point {op.zero} outside its type")
    if isinstance(x, Plain):
        name = b.emit(ir.Quantize, op.output, (x.name,), shape, quant=quant, offset=offset, scale=op.scale,
                      zero_point=quant[1], ties_even=True)  # fmt: skip
        return Bytes(name, offset)
    if isinstance(x, Real) and x.quant == quant and x.offset == offset:
        if b.rename(x.name, op.output):
            low.renamed[x.name] = op.output
        return Bytes(x.name, offset)
    return Bytes(low.resolve(op, x, quant, offset, op.output), offset)


def _dequantise(low: Lowering, op: Dequantise, x: State) -> State:
    if not isinstance(x, Bytes):
        raise low.b.unsupported(op, "its input is not an int8 or uint8 tensor")
    zero = op.zero - x.offset
    if not -128 <= zero <= 127:
        raise low.b.unsupported(op, f"zero point {op.zero} outside its type")
    return Real(x.name, op.scale, zero, x.offset)


def _clamp_bytes(low: Lowering, op: ClampBytes, x: State) -> State:
    if not isinstance(x, Bytes):
        raise low.b.unsupported(op, "its input is not an int8 or uint8 tensor")
    table = np.clip(np.arange(256) - 128 + x.offset, op.low, op.high) - x.offset
    name = low.b.emit(ir.Table, op.output, (x.name,), low.b.middle.shapes[op.output], table=table.astype(np.int8),
                      function="clamp", offset=x.offset)  # fmt: skip
    return Bytes(name, x.offset)


def _shift(low: Lowering, op: RequantShift, x: State) -> State:
    offset = 0 if op.low < 0 else 128
    name = low.resolve_shift(op, x, offset)
    return Real(name, 1.0, -offset, offset)


def _moved(kind: type[ir.Op], *fields: str) -> Callable[[Lowering, Any, State], State]:
    """An operator that only moves elements: on bytes, their real value, or floats."""

    def lower(low: Lowering, op: FloatOp, x: State) -> State:
        if isinstance(x, Pending | Unary | Moved):
            return Moved(x, op)
        if not isinstance(x, Bytes | Real | Plain):
            raise low.b.unsupported(op, "its input is a constant")
        b, floats = low.b, isinstance(x, Plain)
        if floats and kind not in (ir.Reshape, ir.Transpose):
            raise b.unsupported(op, "its input is not quantised")
        said: dict[str, Any] = {"dtype": np.float32} if floats else {"offset": getattr(x, "offset", 0)}
        if isinstance(x, Real):
            said["quant"] = x.quant
        chosen = {field: getattr(op, field) for field in fields}
        name = b.emit(kind, op.output, (x.name,), b.middle.shapes[op.output], **chosen, **said)
        return type(x)(**{**vars(x), "name": name})

    return lower


def _pad(low: Lowering, op: f.Pad, x: State) -> State:
    if isinstance(x, Pending | Unary | Moved):
        return Moved(x, op)
    if not isinstance(x, Bytes | Real):
        raise low.b.unsupported(op, "its input is not quantised")
    quant = x.quant if isinstance(x, Real) else (1.0, -x.offset)
    value = int(quantise_values(np.array([op.value]), *quant)[0])
    said = {"quant": x.quant} if isinstance(x, Real) else {}
    name = low.b.emit(ir.Pad, op.output, (x.name,), low.b.middle.shapes[op.output], pads=op.pads, value=value,
                      offset=x.offset, **said)  # fmt: skip
    return type(x)(**{**vars(x), "name": name})


def _max_pool(low: Lowering, op: f.MaxPool, x: State) -> State:
    if isinstance(x, Pending | Unary | Moved):
        return Moved(x, op)
    if not isinstance(x, Bytes | Real):
        raise low.b.unsupported(op, "its input is not quantised")
    said = {"quant": x.quant} if isinstance(x, Real) else {}
    name = low.b.emit(ir.MaxPool, op.output, (x.name,), low.b.middle.shapes[op.output], window=op.window,
                      stride=op.stride, padding=op.padding, act=Act(), offset=x.offset, **said)  # fmt: skip
    return type(x)(**{**vars(x), "name": name})


def _concat(low: Lowering, op: f.Concat, *parts: State) -> State:
    """Parts of one quantisation lie side by side as they are; others wait for the scale of the result."""
    first = parts[0]
    if not all(isinstance(p, Bytes | Real) for p in parts):
        raise low.b.unsupported(op, "its input is not quantised")
    if len({(type(p), getattr(p, "quant", None), p.offset) for p in parts}) > 1:  # type: ignore[union-attr]
        return Pending(op, parts)
    assert isinstance(first, Bytes | Real)
    said = {"quant": first.quant} if isinstance(first, Real) else {}
    names = [p.name for p in parts]  # type: ignore[union-attr]
    name = low.b.emit(ir.Concat, op.output, names, low.b.middle.shapes[op.output], axis=op.axis, offset=first.offset,
                      **said)  # fmt: skip
    return type(first)(**{**vars(first), "name": name})


def _activate(low: Lowering, op: f.Activate, x: State) -> State:
    if isinstance(x, Real):
        return Unary(x, op.activation, op.activation.function.value)
    if isinstance(x, Unary):
        before = x.function
        return Unary(x.source, lambda v: op.activation(np.asarray(before(v), np.float32)), op.activation.function.value)
    if isinstance(x, Moved) and not isinstance(x.op, f.Pad):
        inner = _activate(low, op, x.source)
        assert isinstance(inner, Pending | Unary | Moved)
        return Moved(inner, x.op)
    if isinstance(x, Pending) and x.activation.function is Function.LINEAR:
        return Pending(x.op, x.inputs, op.activation, x.extra)
    raise low.b.unsupported(op, "its input is not quantised")


def _wait(low: Lowering, op: FloatOp, *inputs: State) -> State:
    return Pending(op, inputs, getattr(op, "activation", f.Add("", (), "").activation))


def _add(low: Lowering, op: f.Add, *inputs: State) -> State:
    return pointwise.constant_on_top(low, op, inputs) or _wait(low, op, *inputs)


_LOWER: dict[type[FloatOp], Callable[..., State]] = {
    Quantise: _quantise, Dequantise: _dequantise, RequantShift: _shift, ClampBytes: _clamp_bytes,
    f.Conv: _wait, f.Dense: _wait, f.Add: _add, f.Sub: _wait, f.Mul: _wait,
    f.AveragePool: _wait, f.Mean: _wait, f.Softmax: _wait, f.Activate: _activate, f.Concat: _concat,
    f.MaxPool: _max_pool, f.Pad: _pad, f.Reshape: _moved(ir.Reshape),
    f.Transpose: _moved(ir.Transpose, "perm"), f.Slice: _moved(ir.Slice, "begin", "end", "stride"),
    f.ResizeNearest: _moved(ir.ResizeNearest, "rows", "columns"),
}  # fmt: skip


def _leave(low: Lowering, name: str, state: State) -> str:
    """A network output: bytes as they are, real values dequantised on the host, accumulators as int32."""
    b, shape = low.b, low.b.middle.shapes[name]
    op = FloatOp(name, (), name)
    if isinstance(state, Plain):
        return state.name
    if isinstance(state, Bytes) or (isinstance(state, Real) and low.shifts):
        if b.rename(state.name, name) or low.renamed.get(state.name) == name:
            return state.name
        quant = b.tensors[state.name].quant
        said = None if quant is None else (quant.scale[0], quant.zero_point[0])
        return b.last(ir.Reshape, name, (state.name,), shape, offset=state.offset, quant=said)
    scale, zero = 1.0, 0
    if isinstance(state, Real):
        source, (scale, zero) = state.name, state.quant
    elif isinstance(state, Pending) and isinstance(state.op, f.Conv | f.Dense):
        source, scale = linear_accumulators(b, state, name if low.exact_sums(state) else f"{name}_sums")
        if source == name:
            return name
    elif isinstance(state, Pending) and low.shifts and isinstance(state.op, f.Add):
        return low.plain_sum(state, name)
    elif isinstance(state, Pending) and isinstance(state.op, f.Softmax):
        source, (scale, zero) = low.resolve(op, state, (1 / 256, -128), 0, f"{name}_quantised"), (1 / 256, -128)
    else:
        raise b.unsupported(op, "the network's output is not quantised", "quantise the last operator's result, too")
    return b.last(ir.Dequantize, name, (source,), shape, dtype=np.float32, scale=scale, zero_point=zero)


def integer_graph(middle: Middle, types: Mapping[str, np.dtype[Any]]) -> ir.Graph:
    """The integer graph of a quantised model. `types`: int8 or uint8 for inputs of a model that computes on integers
    but declares floats, as Deeploy's do. UnsupportedError names the operator that has no integer form."""
    shifts = any(isinstance(op, RequantShift) for op in middle.ops) or bool(types)
    mixed = next((op for op in middle.ops if isinstance(op, Quantise | Dequantise)), None)
    low = Lowering(Builder(middle, Profile.MUL_ADD_SHIFT if shifts else PROFILE), shifts)
    low.move = lambda op, x: _LOWER[type(op)](low, op, x)
    if shifts and mixed is not None:
        raise low.b.unsupported(mixed, "scales in a model with RequantShift")
    states: dict[str, State] = {name: Constant(name) for name in middle.constants}
    states |= {name: _enter(low, name, types) for name in middle.inputs}
    for op in middle.ops:
        rule = _LOWER.get(type(op))
        if rule is None:
            raise low.b.unsupported(op, f"{getattr(op, 'what', op.kind)} has no integer form")
        try:
            states[op.output] = rule(low, op, *(states[name] for name in op.inputs))
        except EslError as error:
            if middle.path in str(error):
                raise
            raise type(error)(error.what, where=low.b.at(op), hint=error.hint) from error
    return low.b.finish(middle.inputs, [_leave(low, name, states[name]) for name in middle.outputs])
