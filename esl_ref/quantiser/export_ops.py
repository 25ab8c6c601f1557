# SPDX-License-Identifier: Apache-2.0
"""How each operator of a prepared float graph is written to a `.tflite` file."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from esl_ref.errors import UnsupportedError
from esl_ref.floating import graph as f
from esl_ref.floating.activation import Activation, Function
from esl_ref.frontends.tflite import tables
from esl_ref.quantiser import export_moves as moves
from esl_ref.quantiser.export import Export
from esl_ref.quantiser.export_windows import window

__all__ = ["check_operators", "write_operator"]

_FUSED = {
    Function.LINEAR: "NONE", Function.RELU: "RELU", Function.RELU6: "RELU6", Function.HARDTAN: "RELU_N1_TO_1",
}  # fmt: skip
_UNARY = {
    Function.RELU: "RELU", Function.RELU6: "RELU6", Function.HARDTAN: "RELU_N1_TO_1", Function.LOGISTIC: "LOGISTIC",
    Function.TANH: "TANH", Function.HARD_SWISH: "HARD_SWISH",
}  # fmt: skip

_SIX = 6.0


def _fused(activation: Activation) -> str:
    return _FUSED[activation.function]


def _weights(out: Export, op: f.Conv | f.Dense, *, depthwise: bool) -> list[int]:
    """Add weight and bias; depthwise weights are [1, KH, KW, O] in the file."""
    names, axis = (f"{op.name}/weight", f"{op.name}/bias"), 3 if depthwise else 0
    if out.is_float:
        weight, bias = out.values(op.weight, op, "weight"), out.values(op.bias, op, "bias")
        stored = _depthwise_form(weight) if depthwise else weight
        return [
            out.writer.add_tensor(names[0], stored.shape, "FLOAT32", data=stored),
            out.writer.add_tensor(names[1], bias.shape, "FLOAT32", data=bias),
        ]
    layer = out.layer(op)
    codes = _depthwise_form(layer.weight) if depthwise else layer.weight
    return [
        out.writer.add_tensor(names[0], codes.shape, "INT8", data=codes, scale=layer.scale, axis=axis),
        out.writer.add_tensor(names[1], layer.bias.shape, "INT32", data=layer.bias, scale=layer.bias_scale),
    ]


def _depthwise_form(weight: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """[O, KH, KW, 1] -> [1, KH, KW, O]."""
    return np.ascontiguousarray(weight.transpose(3, 1, 2, 0))


def _conv(out: Export, op: f.Conv) -> None:
    units, kh, kw, depth = op.weight.shape
    depthwise = depth == 1 and op.groups > 1
    placed = window(out, op, (kh, kw), op.dilation)
    assert placed is not None
    ifm, options = placed
    inputs = [ifm, *_weights(out, op, depthwise=depthwise)]
    options |= {"fused_activation_function": _fused(op.activation)}
    if op.dilation != (1, 1):
        options |= {"dilation_h_factor": op.dilation[0], "dilation_w_factor": op.dilation[1]}
    if depthwise and units != op.groups:
        options["depth_multiplier"] = units // op.groups
    code = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
    out.writer.add_op(code, inputs, [out.result(op.output)], **options)


def _dense(out: Export, op: f.Dense) -> None:
    inputs = [out.operand(op.inputs[0]), *_weights(out, op, depthwise=False)]
    out.writer.add_op(
        "FULLY_CONNECTED", inputs, [out.result(op.output)], fused_activation_function=_fused(op.activation)
    )


def _pool(out: Export, op: f.MaxPool | f.AveragePool) -> None:
    placed = window(out, op, op.window, (1, 1))
    if placed is None:
        _own_average(out, op)
        return
    ifm, options = placed
    options |= {"filter_height": op.window[0], "filter_width": op.window[1]}
    code = "MAX_POOL_2D" if isinstance(op, f.MaxPool) else "AVERAGE_POOL_2D"
    out.writer.add_op(code, [ifm], [out.result(op.output)], **options)


def _own_average(out: Export, op: f.MaxPool | f.AveragePool) -> None:
    if out.is_float:
        raise out.unsupported(op, f"padding {op.padding} that is not counted has no float operator")
    p = op.padding
    options = {"window": op.window, "stride": op.stride, "padding": (p.top, p.bottom, p.left, p.right)}
    out.writer.add_op("custom:ESL_AVERAGE_POOL", [out.operand(op.inputs[0])], [out.result(op.output)],
                      custom_options=json.dumps(options).encode())  # fmt: skip


def _binary(out: Export, op: f.Add | f.Sub | f.Mul) -> None:
    inputs = [out.operand(name) for name in op.inputs]
    out.writer.add_op(op.kind.upper(), inputs, [out.result(op.output)],
                      fused_activation_function=_fused(op.activation))  # fmt: skip


def _mean(out: Export, op: f.Mean) -> None:
    inputs = [out.operand(op.inputs[0]), out.integers(f"{op.output}/axes", op.axes)]
    out.writer.add_op("MEAN", inputs, [out.result(op.output)], keep_dims=op.keep_dims)


def _activate(out: Export, op: f.Activate) -> None:
    """A builtin operator where there is one, else a table of this product's own."""
    ifm, function = out.operand(op.inputs[0]), op.activation.function
    if function is Function.LEAKY and op.activation.alpha >= 0:
        out.writer.add_op("LEAKY_RELU", [ifm], [out.result(op.output)], alpha=op.activation.alpha)
    elif builtin := _builtin(out, op):
        out.writer.add_op(builtin, [ifm], [out.result(op.output)])
    elif out.is_float:
        raise out.unsupported(op, f"{function.value} has no float operator in TensorFlow Lite")
    else:
        table = _table(out, op)
        out.writer.add_op("custom:ESL_TABLE", [ifm], [out.result(op.output)],
                          custom_options=table + function.value.encode())  # fmt: skip


def _ends(out: Export, op: f.FloatOp) -> tuple[tuple[float, int], tuple[float, int]]:
    before, after = out.scale(op.inputs[0]), out.scale(op.output)
    return (before.scale, before.zero_point), (after.scale, after.zero_point)


def _builtin(out: Export, op: f.Activate) -> str | None:
    """Name of the format's own operator, where that computes the function between these quantisations."""
    function = op.activation.function
    if out.is_float:
        return _UNARY.get(function)
    if function is Function.RELU6 and out.scale(op.inputs[0]) != out.scale(op.output):
        # The interpreters disagree on it. A result whose largest code is 6 or less is cut off there by saturation.
        after = out.scale(op.output)
        return "RELU" if after.high <= _SIX + after.scale / 2 else None
    if function is Function.HARD_SWISH:  # is defined by 16-bit arithmetic, which not all scales fit into
        try:
            tables.hard_swish(*_ends(out, op), op.name)
        except UnsupportedError:
            return None
    return _UNARY.get(function)


def _table(out: Export, op: f.Activate) -> bytes:
    """The function of all 256 codes."""
    codes = np.arange(-128, 128)
    return out.scale(op.output).quantise(op.activation(out.scale(op.inputs[0]).real(codes))).tobytes()


def _softmax(out: Export, op: f.Softmax) -> None:
    out.writer.add_op("SOFTMAX", [out.operand(op.inputs[0])], [out.result(op.output)], beta=1.0)


_WRITERS: dict[type[f.FloatOp], Callable[[Export, Any], None]] = {
    f.Activate: _activate,
    f.Add: _binary,
    f.AveragePool: _pool,
    f.Concat: moves.concat,
    f.Conv: _conv,
    f.Dense: _dense,
    f.MaxPool: _pool,
    f.Mean: _mean,
    f.Mul: _binary,
    f.Pad: moves.pad,
    f.Reshape: moves.reshape,
    f.ResizeNearest: moves.resize,
    f.Slice: moves.slice_,
    f.Softmax: _softmax,
    f.Sub: _binary,
    f.Transpose: moves.transpose,
}


def check_operators(graph: f.FloatGraph) -> None:
    """UnsupportedError for the first operator of a prepared graph that has no integer form."""
    for op in graph.ops:
        if isinstance(op, f.Local):
            raise UnsupportedError(
                "has weights of its own at every place, which no int8 format holds", where=f"layer '{op.name}' (Local)",
                hint="run it in float (`esl-ref run` without --calibrate), or plan it by its shapes, without --weights",
            )  # fmt: skip
        if type(op) not in _WRITERS:
            raise UnsupportedError("has no integer form", where=f"layer '{op.name}' ({op.kind})",
                                   hint=f"supported: {', '.join(k.__name__ for k in _WRITERS)}")  # fmt: skip


def write_operator(out: Export, op: f.FloatOp) -> None:
    """Add an operator of a prepared graph that has passed `check_operators`."""
    _WRITERS[type(op)](out, op)
