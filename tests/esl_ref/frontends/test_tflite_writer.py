# SPDX-License-Identifier: Apache-2.0
"""The writer's files, read back through the schema's own bindings and run by two interpreters."""

from __future__ import annotations

import numpy as np
import pytest
import tflite

from esl_ref.errors import ModelError, UnsupportedError
from esl_ref.frontends.tflite_op_options import OPERATORS
from esl_ref.frontends.tflite_writer import TFLiteWriter


def _doubler() -> bytes:
    w = TFLiteWriter("doubler")
    x = w.add_tensor("x", (1, 4), "int8", scale=0.5, zero_point=-3)
    y = w.add_tensor("y", (1, 4), "int8", scale=1.0)
    w.add_op("ADD", [x, x], [y])
    return w.finish([x], [y])


def _conv() -> bytes:
    w = TFLiteWriter()
    x = w.add_tensor("x", (1, 5, 5, 1), "int8", scale=0.5, shape_signature=(-1, 5, 5, 1))
    weight = np.arange(18).reshape(2, 3, 3, 1)
    k = w.add_tensor("k", weight.shape, "int8", data=weight, scale=[0.5, 0.25], axis=0)
    b = w.add_tensor("b", (2,), "int32", data=np.array([70000, -70000]), scale=[0.25, 0.125])
    y = w.add_tensor("y", (1, 3, 3, 2), "int8", scale=4.0, zero_point=7)
    w.add_op("CONV_2D", [x, k, b], [y], stride_h=2, stride_w=2, fused_activation_function="RELU6")
    return w.finish([x], [y])


def test_file_has_identifier_version_and_empty_first_buffer() -> None:
    data = _doubler()
    model = tflite.Model.GetRootAs(data)
    assert data[4:8] == b"TFL3"
    assert model.Version() == 3
    assert model.Buffers(0).DataLength() == 0
    assert model.Subgraphs(0).Name() == b"doubler"


def test_operator_reads_back() -> None:
    model = tflite.Model.GetRootAs(_conv())
    op = model.Subgraphs(0).Operators(0)
    code = model.OperatorCodes(op.OpcodeIndex())
    assert (code.BuiltinCode(), code.DeprecatedBuiltinCode(), code.Version()) == (tflite.BuiltinOperator.CONV_2D, 3, 3)
    assert op.InputsAsNumpy().tolist() == [0, 1, 2] and op.OutputsAsNumpy().tolist() == [3]
    assert op.BuiltinOptionsType() == tflite.BuiltinOptions.Conv2DOptions
    options = tflite.Conv2DOptions()
    options.Init(op.BuiltinOptions().Bytes, op.BuiltinOptions().Pos)
    assert (options.StrideH(), options.StrideW(), options.DilationHFactor()) == (2, 2, 1)
    assert options.Padding() == tflite.Padding.SAME
    assert options.FusedActivationFunction() == tflite.ActivationFunctionType.RELU6


def test_tensors_read_back() -> None:
    subgraph = tflite.Model.GetRootAs(_conv()).Subgraphs(0)
    x, k = subgraph.Tensors(0), subgraph.Tensors(1)
    assert x.ShapeSignatureAsNumpy().tolist() == [-1, 5, 5, 1]
    assert k.Name() == b"k" and k.Type() == tflite.TensorType.INT8 and k.ShapeAsNumpy().tolist() == [2, 3, 3, 1]
    assert k.Quantization().ScaleAsNumpy().tolist() == [0.5, 0.25]
    assert k.Quantization().ZeroPointAsNumpy().tolist() == [0, 0]
    assert subgraph.Tensors(3).Quantization().ZeroPointAsNumpy().tolist() == [7]


def test_constant_data_is_aligned_to_16_bytes() -> None:
    data = _conv()
    model = tflite.Model.GetRootAs(data)
    for index, expected in ((1, np.arange(18, dtype=np.int8)), (2, np.array([70000, -70000], "<i4"))):
        offset = data.index(expected.tobytes())
        assert offset % 16 == 0
        assert model.Buffers(index).DataAsNumpy().tobytes() == expected.tobytes()


def test_same_calls_give_the_same_bytes() -> None:
    assert _conv() == _conv()


@pytest.mark.parametrize("code", sorted(OPERATORS))
def test_every_operator_can_be_written_with_its_defaults(code: str) -> None:
    w = TFLiteWriter()
    x = w.add_tensor("x", (1, 4, 4, 2), "int8", scale=1.0)
    y = w.add_tensor("y", (1, 4, 4, 2), "int8", scale=1.0)
    w.add_op(code, [x], [y])
    model = tflite.Model.GetRootAs(w.finish([x], [y]))
    assert model.OperatorCodes(0).BuiltinCode() == getattr(tflite.BuiltinOperator, code)
    expected = getattr(tflite.BuiltinOptions, OPERATORS[code].table) if OPERATORS[code].table else 0
    assert model.Subgraphs(0).Operators(0).BuiltinOptionsType() == expected


def test_two_versions_of_one_operator_get_two_codes() -> None:
    w = TFLiteWriter()
    x, y, z = (w.add_tensor(name, (1,), "int8", scale=1.0) for name in "xyz")
    w.add_op("RELU", [x], [y])
    w.add_op("RELU", [y], [z], version=1)
    model = tflite.Model.GetRootAs(w.finish([x], [z]))
    assert [model.OperatorCodes(i).Version() for i in range(model.OperatorCodesLength())] == [2, 1]


def test_custom_operator() -> None:
    w = TFLiteWriter()
    x, y = (w.add_tensor(name, (1,), "int8", scale=1.0) for name in "xy")
    w.add_op("custom:Mystery", [x], [y], custom_options=b"\x01\x02")
    model = tflite.Model.GetRootAs(w.finish([x], [y]))
    assert model.OperatorCodes(0).BuiltinCode() == tflite.BuiltinOperator.CUSTOM
    assert model.OperatorCodes(0).CustomCode() == b"Mystery"
    assert model.Subgraphs(0).Operators(0).CustomOptionsAsNumpy().tolist() == [1, 2]


def test_int4_is_packed_low_nibble_first() -> None:
    w = TFLiteWriter()
    w.add_tensor("k", (3,), "int4", data=np.array([-8, 7, -1]), scale=1.0)
    assert tflite.Model.GetRootAs(w.finish([], [0])).Buffers(1).DataAsNumpy().tolist() == [0x78, 0x0F]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"dtype": "int9"}, "no tensor type 'int9'"),
        ({"data": np.zeros(3)}, r"data of shape \(3,\)"),
        ({"data": np.array([0, 1, 2, 128])}, "does not fit INT8"),
        ({"data": np.array([0, 1, 2, 0.5])}, "does not fit INT8"),
        ({"dtype": "int4", "data": np.array([0, 1, 2, 8])}, "does not fit INT4"),
        ({"dtype": "string", "data": np.zeros(4)}, "pass bytes instead"),
        ({"scale": [1.0, 2.0]}, "2 scales do not fit axis 0"),
        ({"scale": [1.0, 2.0, 3.0, 4.0], "axis": 1}, "4 scales do not fit axis 1"),
    ],
)
def test_inconsistent_tensor_is_refused(arguments: dict[str, object], complaint: str) -> None:
    with pytest.raises((ModelError, UnsupportedError), match=complaint):
        TFLiteWriter().add_tensor("t", (4,), **{"dtype": "int8", **arguments})  # type: ignore[arg-type]


def test_unknown_operator_option_and_value_are_refused() -> None:
    w = TFLiteWriter()
    x, y = (w.add_tensor(name, (1,), "int8", scale=1.0) for name in "xy")
    with pytest.raises(UnsupportedError, match=r"operator 0 \(LSTM\).*known: ADD"):
        w.add_op("LSTM", [x], [y])
    with pytest.raises(UnsupportedError, match=r"unknown options \['stride'\].*stride_h"):
        w.add_op("CONV_2D", [x], [y], stride=2)
    w.add_op("CONV_2D", [x], [y], padding="VALIDISH")
    with pytest.raises(UnsupportedError, match="padding has no value 'VALIDISH'"):
        w.finish([x], [y])


@pytest.mark.parametrize(
    ("ops", "outputs", "complaint"),
    [
        ([([1], [2])], [2], "reads tensor 1, which nothing writes"),
        ([([0], [1]), ([0], [1])], [1], "writes tensor 1, which does not exist or has a value"),
        ([([0], [9])], [1], "writes tensor 9"),
        ([([9], [1])], [1], "reads tensor 9"),
        ([([0], [1])], [2], r"\[2\] have no value"),
        ([([1], [2]), ([2], [1])], [2], "reads tensor 1"),
    ],
    ids=["unwritten", "written-twice", "no-such-output", "no-such-input", "dangling-result", "cycle"],
)
def test_inconsistent_graph_is_refused_unless_unchecked(
    ops: list[tuple[list[int], list[int]]], outputs: list[int], complaint: str
) -> None:
    for checked in (True, False):
        w = TFLiteWriter(checked=checked)
        for name in "xyz":
            w.add_tensor(name, (1,), "int8", scale=1.0)
        for reads, writes in ops:
            w.add_op("RELU", reads, writes)
        if checked:
            with pytest.raises(ModelError, match=complaint):
                w.finish([0], outputs)
        else:
            assert w.finish([0], outputs)[4:8] == b"TFL3"


def test_doubler_runs_in_two_interpreters() -> None:
    runtime = pytest.importorskip("tflite_micro.python.tflite_micro.runtime", reason="tflite-micro is not installed")
    litert = pytest.importorskip("ai_edge_litert.interpreter", reason="ai-edge-litert is not installed")
    data, x = _doubler(), np.array([[1, 2, 3, -128]], np.int8)
    micro = runtime.Interpreter.from_bytes(data)
    micro.set_input(x, 0)
    micro.invoke()
    reference = litert.Interpreter(model_content=data, experimental_op_resolver_type=litert.OpResolverType.BUILTIN_REF)
    reference.allocate_tensors()
    reference.set_tensor(0, x)
    reference.invoke()
    # real = 0.5 * (x + 3) twice, so the stored result is x + 3.
    assert micro.get_output(0).tolist() == reference.get_tensor(1).tolist() == [[4, 5, 6, -125]]
