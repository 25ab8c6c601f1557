# SPDX-License-Identifier: Apache-2.0
"""Float `.tflite` files as float graphs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from esl_ref.errors import ModelError, UnsupportedError
from esl_ref.floating import executor
from esl_ref.floating import graph as f
from esl_ref.floating.graph import FloatGraph
from esl_ref.frontends import load, load_model
from esl_ref.frontends.tflite.importer import import_float, load_bytes
from esl_ref.frontends.tflite.reader import read_bytes
from esl_ref.frontends.tflite_writer import TFLiteWriter


@pytest.mark.parametrize("name", ["cifar10", "magic_wand"])
def test_equals_the_interpreter(name: str, data_dir: Path) -> None:
    litert = pytest.importorskip("ai_edge_litert.interpreter", reason="ai-edge-litert is not installed")
    path = data_dir / "tflite_float" / f"{name}.tflite"
    graph = load_model(path)
    assert isinstance(graph, FloatGraph)
    inputs = executor.random_inputs(graph, 0)
    interpreter = litert.Interpreter(str(path))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], inputs[graph.inputs[0]])
    interpreter.invoke()
    wanted = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_allclose(executor.run(graph, inputs)[graph.outputs[0]], wanted, atol=1e-5)


def test_what_is_unsupported_is_named_at_once(data_dir: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"CAST \(1x\), GATHER \(1x\)"):
        load_model(data_dir / "tflite_float" / "text_class.tflite")


def _moves() -> bytes:
    """Every operator that moves elements, with a stored half-precision constant added."""
    w = TFLiteWriter("moves")
    x = w.add_tensor("x", (1, 4, 4, 2), "float32")

    def op(code: str, inputs: list[int], shape: tuple[int, ...], **options: object) -> int:
        out = w.add_tensor(f"{code}{shape}", shape, "float32")
        w.add_op(code, inputs, [out], **options)  # type: ignore[arg-type]
        return out

    def ints(values: object) -> int:
        array = np.asarray(values, np.int32)
        return w.add_tensor(f"i{len(w._buffers)}", array.shape, "int32", data=array)

    half = w.add_tensor("half", (2,), "float16", data=np.array([0.5, -1.5], np.float16))
    restored = op("DEQUANTIZE", [half], (2,))
    summed = op("ADD", [x, restored], (1, 4, 4, 2), fused_activation_function="RELU")
    padded = op("PAD", [summed, ints([[0, 0], [1, 0], [0, 1], [0, 0]])], (1, 5, 5, 2))
    part = op("STRIDED_SLICE", [padded, ints([0, 0, 1, 0]), ints([1, 5, 5, 2]), ints([1, 2, 2, 1])], (1, 3, 2, 2))
    turned = op("TRANSPOSE", [part, ints([0, 2, 1, 3])], (1, 2, 3, 2))
    larger = op("RESIZE_NEAREST_NEIGHBOR", [turned, ints([4, 6])], (1, 4, 6, 2))
    joined = op("CONCATENATION", [larger, larger], (1, 4, 6, 4), axis=3)
    deep = op("SPACE_TO_DEPTH", [joined], (1, 2, 3, 16), block_size=2)
    joined = op("DEPTH_TO_SPACE", [deep], (1, 4, 6, 4), block_size=2)
    joined = op("TILE", [joined, ints([1, 2, 1, 1])], (1, 8, 6, 4))
    joined, _ = (op("SLICE", [joined, ints([0, y, 0, 0]), ints([1, 4, 6, 4])], (1, 4, 6, 4)) for y in (4, 0))
    flat = op("RESHAPE", [joined, ints([1, 96])], (1, 96), new_shape=[1, 96])
    return w.finish([x], [op("TANH", [flat], (1, 96))])


def test_moves_are_those_of_numpy() -> None:
    graph = import_float(read_bytes(_moves()))
    x = np.random.default_rng(0).normal(size=(1, 4, 4, 2)).astype(np.float32)
    value = np.maximum(x + np.array([0.5, -1.5], np.float32), 0)
    value = np.pad(value, ((0, 0), (1, 0), (0, 1), (0, 0)))[:, ::2, 1::2].transpose(0, 2, 1, 3)
    value = value.repeat(2, axis=1).repeat(2, axis=2)
    wanted = np.tanh(np.concatenate([value, value], 3).reshape(1, 96))
    np.testing.assert_allclose(executor.run(graph, {"x": x})[graph.outputs[0]], wanted, rtol=1e-6)


def test_a_float_model_is_no_integer_graph(tmp_path: Path) -> None:
    path = tmp_path / "moves.tflite"
    path.write_bytes(_moves())
    assert isinstance(load_model(path), FloatGraph)
    with pytest.raises(UnsupportedError, match="quantise"):
        load(path)


def _conv(weight_shape: tuple[int, ...], out: tuple[int, ...], pool: bool = False) -> bytes:
    w = TFLiteWriter("conv")
    x = w.add_tensor("x", (1, 6, 6, 4), "float32")
    k = w.add_tensor("k", weight_shape, "float32", data=np.ones(weight_shape))
    y = w.add_tensor("y", out, "float32")
    w.add_op("CONV_2D", [x, k], [y], padding="VALID", fused_activation_function="RELU6")
    if not pool:
        return w.finish([x], [y])
    z = w.add_tensor("z", (1, 2, 2, out[3]), "float32")
    w.add_op("MAX_POOL_2D", [y], [z], padding="VALID", stride_h=2, stride_w=2, filter_height=2, filter_width=2,
             fused_activation_function="RELU_N1_TO_1")  # fmt: skip
    return w.finish([x], [z])


def test_groups_and_fused_activations() -> None:
    graph = import_float(read_bytes(_conv((6, 3, 3, 2), (1, 4, 4, 6), pool=True)))
    conv = graph.ops[0]
    assert isinstance(conv, f.Conv) and conv.groups == 2
    assert [op.kind for op in graph.ops] == ["Conv", "MaxPool", "Activate"]
    result = executor.run(graph, {"x": np.ones((1, 6, 6, 4))})[graph.outputs[0]]
    assert (result == 1).all()


@pytest.mark.parametrize(("weight", "out"), [((6, 3, 3, 3), (1, 4, 4, 6)), ((6, 3, 3, 2), (1, 5, 4, 6))])
def test_what_does_not_fit_is_refused(weight: tuple[int, ...], out: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match="operator #0 CONV_2D"):
        import_float(read_bytes(_conv(weight, out)))


def _table(options: bytes, heads: bytes | None = None) -> bytes:
    w = TFLiteWriter("table")
    x = w.add_tensor("x", (1, 3), "int8", scale=0.5)
    y = w.add_tensor("y", (1, 3), "int8", scale=0.25)
    w.add_op("custom:ESL_TABLE", [x], [y], custom_options=options)
    if heads is not None:
        w.add_metadata("esl_ref.heads", heads)
    return w.finish([x], [y])


def test_own_table_operator() -> None:
    entries = np.arange(256).astype(np.uint8)[::-1]
    (op,) = load_bytes(_table(entries.tobytes() + b"mish")).ops
    assert op.function == "mish" and op.table.view(np.uint8).tolist() == entries.tolist()  # type: ignore[attr-defined]
    with pytest.raises(ModelError, match="255 bytes"):
        load_bytes(_table(bytes(255)))


@pytest.mark.parametrize("heads", [b"{", b"[1]", b"{}", b'[{"kind": "yolo"}]', b'[{"kind": "yola"}]', b"[" * 100000])
def test_damaged_metadata_is_refused(heads: bytes) -> None:
    with pytest.raises(ModelError):
        load_bytes(_table(bytes(256), heads))


def _resize(rows: str) -> bytes:
    w = TFLiteWriter("resize")
    x = w.add_tensor("x", (1, 3, 3, 1), "int8", scale=0.5)
    y = w.add_tensor("y", (1, 2, 2, 1), "int8", scale=0.5)
    w.add_op("custom:ESL_RESIZE_NEAREST", [x], [y], custom_options=f'{{"rows": {rows}, "columns": [0, 2]}}'.encode())
    return w.finish([x], [y])


@pytest.mark.parametrize("options", ["{}", '{"window": [3, 3], "stride": [2, 2], "padding": [3, 0, 0, 0]}',
                                     '{"window": [0, 3], "stride": [2, 2], "padding": [0, 0, 0, 0]}',
                                     '{"window": [3], "stride": [2, 2], "padding": [0, 0, 0, 0]}',
                                     '{"window": [3, 3], "stride": [1e999, 2], "padding": [0, 0, 0, 0]}'])  # fmt: skip
def test_own_average_with_damaged_options(options: str) -> None:
    w = TFLiteWriter("average")
    x = w.add_tensor("x", (1, 5, 5, 1), "int8", scale=0.5)
    y = w.add_tensor("y", (1, 2, 2, 1), "int8", scale=0.5)
    w.add_op("custom:ESL_AVERAGE_POOL", [x], [y], custom_options=options.encode())
    with pytest.raises(ModelError, match="operator #0"):
        load_bytes(w.finish([x], [y]))


def test_own_resize_operator() -> None:
    (op,) = load_bytes(_resize("[2, 1]")).ops
    assert (op.rows, op.columns) == ((2, 1), (0, 2))  # type: ignore[attr-defined]
    for rows in ("[0, 3]", "[-1, 0]", "[]", "7", '["a", "b"]'):
        with pytest.raises(ModelError, match="operator #0"):
            load_bytes(_resize(rows))


def test_dynamic_range_quantisation_is_refused_with_the_way_out() -> None:
    """int8 weights that a float layer reads: the interpreter quantises its activations as it runs."""
    w = TFLiteWriter("hybrid")
    x, y = w.add_tensor("x", (1, 4, 4, 2), "float32"), w.add_tensor("y", (1, 4, 4, 3), "float32")
    k = w.add_tensor("k", (3, 1, 1, 2), "int8", data=np.ones((3, 1, 1, 2), np.int8), scale=0.1)
    w.add_op("CONV_2D", [x, k], [y])
    with pytest.raises(UnsupportedError, match="#0 CONV_2D: 'k' is INT8 beside float.*; a model quantised for dynamic"):
        import_float(read_bytes(w.finish([x], [y])))
