# SPDX-License-Identifier: Apache-2.0
"""What becomes of each part of a file: batch, folding, re-biasing, signs, refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from esl_ref.errors import ModelError, UnsupportedError
from esl_ref.executor import run
from esl_ref.frontends import load
from esl_ref.frontends.tflite import IMPORTERS, load_bytes, verdicts
from esl_ref.frontends.tflite_writer import TFLiteWriter
from esl_ref.ir import AveragePool, Concat, Conv2D, Graph, Reshape, Table
from tests.helpers.oracles import run_litert, run_micro


def chain(*codes: str, shape: tuple[int, ...] = (1, 4, 4, 2)) -> bytes:
    """Operators one after another over tensors of one quantisation."""
    w = TFLiteWriter(checked=False)
    last = first = w.add_tensor("t0", shape, "int8", scale=0.5)
    for k, code in enumerate(codes):
        out = w.add_tensor(f"t{k + 1}", shape, "int8", scale=0.5)
        w.add_op(code, [last], [out])
        last = out
    return w.finish([first], [last])


def values(graph: Graph, *arrays: np.ndarray) -> np.ndarray:
    return run(graph, dict(zip(graph.inputs, arrays, strict=True)))[graph.outputs[0]]


def test_all_unknown_operators_are_named_at_once() -> None:
    model = chain("RELU", "RESIZE_BILINEAR", "custom:Magic", "RESIZE_BILINEAR", "MIRROR_PAD")
    with pytest.raises(UnsupportedError) as caught:
        load_bytes(model, "net.tflite")
    text = str(caught.value)
    assert "net.tflite: unsupported operators: CUSTOM(Magic) (1x), MIRROR_PAD (1x), RESIZE_BILINEAR (2x)" in text
    assert all(code in text for code in IMPORTERS)


def test_all_unsupported_uses_of_known_operators_are_named_at_once() -> None:
    w = TFLiteWriter(checked=False)
    x = w.add_tensor("x", (1, 8), "int8", scale=0.5)
    a = w.add_tensor("a", (1, 8), "int8", scale=0.25)
    b = w.add_tensor("b", (1, 8), "int8", scale=0.125)
    w.add_op("RELU6", [x], [a])
    w.add_op("LOGISTIC", [a], [b])
    with pytest.raises(
        UnsupportedError, match="2 unsupported operators: operator #0 RELU6: .*; operator #1 LOGISTIC: "
    ):
        load_bytes(w.finish([x], [b]))


def test_the_hints_of_several_refusals_are_given_once_each() -> None:
    w = TFLiteWriter(checked=False)
    t = [w.add_tensor(f"t{k}", (1, 8), "int8", scale=s) for k, s in enumerate((0.5, 0.25, 0.125))]
    w.add_op("RELU6", [t[0]], [t[1]])
    w.add_op("RELU6", [t[1]], [t[2]])
    with pytest.raises(UnsupportedError) as caught:
        load_bytes(w.finish([t[0]], [t[2]]))
    assert str(caught.value).count("TFLM ignores the output's") == 1


def test_activations_of_16_bits_are_refused_in_one_sentence() -> None:
    w = TFLiteWriter(checked=False)
    x, y, z = (w.add_tensor(name, (1, 8), "int16", scale=0.5) for name in "xyz")
    w.add_op("RELU", [x], [y])
    w.add_op("RELU", [y], [z])
    with pytest.raises(UnsupportedError, match=r"INT16 activations \('y', 2 in all\); int8 and uint8 activations are"):
        load_bytes(w.finish([x], [z]))


def test_verdicts_cover_every_operator(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(chain("RELU", "MIRROR_PAD", "RELU"))
    rows = verdicts(path)
    assert rows is not None
    assert [(row.code, row.verdict.split(":")[0]) for row in rows] == [
        ("RELU", "supported"), ("MIRROR_PAD", "not at all"), ("RELU", "supported"),
    ]  # fmt: skip
    path.write_bytes(b"nothing")
    assert verdicts(path) is None


def test_an_open_batch_becomes_one_and_its_shape_arithmetic_vanishes() -> None:
    """SHAPE, STRIDED_SLICE, PACK, RESHAPE over [-1, 2, 3, 4]: one reshape is left."""
    w = TFLiteWriter()
    x = w.add_tensor("x", (1, 2, 3, 4), "int8", scale=0.5, shape_signature=(-1, 2, 3, 4))
    ints = {n: w.add_tensor(n, (1,), "int32", data=np.array([v], np.int32)) for n, v in (("b", 0), ("e", 1), ("s", 1))}
    flat = w.add_tensor("flat", (), "int32", data=np.array(24, np.int32))
    shape, batch, target = (w.add_tensor(n, s, "int32") for n, s in (("shape", (4,)), ("batch", ()), ("target", (2,))))
    y = w.add_tensor("y", (1, 1), "int8", scale=0.5, shape_signature=(-1, -1))
    w.add_op("SHAPE", [x], [shape])
    w.add_op("STRIDED_SLICE", [shape, ints["b"], ints["e"], ints["s"]], [batch], shrink_axis_mask=1)
    w.add_op("PACK", [batch, flat], [target], values_count=2)
    w.add_op("RESHAPE", [x, target], [y])
    graph = load_bytes(w.finish([x], [y]))
    assert [type(op) for op in graph.ops] == [Reshape]
    assert graph.tensors["y"].shape == (1, 24)
    assert set(graph.tensors) == {"x", "y"}


def test_a_map_of_open_size_is_refused() -> None:
    """Its rows and columns are 1 in the file for want of a size: a network of 1 x 1 maps is not what was meant."""
    w = TFLiteWriter()
    x = w.add_tensor("x", (1, 1, 1, 3), "int8", scale=0.5, shape_signature=(-1, -1, -1, 3))
    y = w.add_tensor("y", (1, 1, 1, 3), "int8", scale=0.5, shape_signature=(-1, -1, -1, 3))
    w.add_op("RELU", [x], [y])
    with pytest.raises(UnsupportedError, match=r"input 'x' leaves axes \[1, 2\] open; convert the model with a fixed"):
        load_bytes(w.finish([x], [y]))


def test_open_dimensions_follow_the_producer() -> None:
    """A tensor declared [1, 1] with open dimensions takes the shape its operator computes, on every later use."""
    w = TFLiteWriter()
    x = w.add_tensor("x", (1, 3, 3, 1), "int8", scale=0.5)
    k = w.add_tensor("k", (2, 2, 2, 1), "int8", data=np.ones((2, 2, 2, 1), np.int8), scale=0.5)
    open_ = w.add_tensor("open", (1, 1, 1, 2), "int8", scale=0.5, shape_signature=(1, -1, -1, 2))
    y = w.add_tensor("y", (1, 1, 1, 2), "int8", scale=0.5, shape_signature=(-1, -1, -1, 2))
    w.add_op("CONV_2D", [x, k, -1], [open_], padding="VALID")
    w.add_op("RELU", [open_], [y])
    graph = load_bytes(w.finish([x], [y]))
    assert graph.tensors["open"].shape == graph.tensors["y"].shape == (1, 2, 2, 2)
    assert values(graph, np.ones((1, 3, 3, 1), np.int8)).shape == (1, 2, 2, 2)


def test_uint8_is_rebiased_exactly() -> None:
    """Zero points, weights and data move by 128; the mean is still rounded as the unsigned kernel rounds it."""
    w = TFLiteWriter()
    x = w.add_tensor("x", (1, 2, 2, 1), "uint8", scale=0.5, zero_point=7)
    k = w.add_tensor("k", (1, 1, 1, 1), "uint8", data=np.full((1, 1, 1, 1), 200, np.uint8), scale=0.5, zero_point=60)
    a = w.add_tensor("a", (1, 2, 2, 1), "uint8", scale=40.0, zero_point=90)
    y = w.add_tensor("y", (1, 1, 1, 1), "uint8", scale=40.0, zero_point=90)
    b = w.add_tensor("b", (1,), "int32", data=np.array([3], np.int32), scale=0.25)
    w.add_op("CONV_2D", [x, k, b], [a])
    w.add_op("AVERAGE_POOL_2D", [a], [y], filter_width=2, filter_height=2, padding="VALID")
    model = w.finish([x], [y])
    graph = load_bytes(model)
    conv, pool = graph.ops
    assert isinstance(conv, Conv2D) and isinstance(pool, AveragePool)
    assert (conv.zero_in, conv.weight_zero, int(conv.weight[0, 0, 0, 0]), conv.act.zero_point) == (-121, -68, 72, -38)
    assert (pool.zero_in, pool.act.zero_point) == (-128, -128)
    assert graph.tensors["x"].file_offset == 128 and graph.tensors["x"].dtype == np.int8
    assert "re-biased by -128" in graph.notes[0]
    rng = np.random.default_rng(0)
    for _ in range(20):
        image = rng.integers(0, 256, (1, 2, 2, 1)).astype(np.uint8)
        (expected,) = run_litert(model, [image])
        result = values(graph, (image.astype(np.int16) - 128).astype(np.int8))
        assert int(result[0, 0, 0, 0]) + 128 == int(expected[0, 0, 0, 0])


def test_negative_weight_scales_move_into_the_weights() -> None:
    """Some quantisers give them; hardware wants positive multipliers. The bytes are those of the interpreter."""
    rng = np.random.default_rng(1)
    w = TFLiteWriter()
    x = w.add_tensor("x", (1, 4, 4, 3), "int8", scale=0.1, zero_point=4)
    scales = [0.02, -0.03, 0.01, -0.02]
    k = w.add_tensor(
        "k", (4, 3, 3, 3), "int8", data=rng.integers(-127, 128, (4, 3, 3, 3)).astype(np.int8), scale=scales
    )
    b = w.add_tensor("b", (4,), "int32", data=rng.integers(-900, 900, 4).astype(np.int32), scale=0.001)
    y = w.add_tensor("y", (1, 4, 4, 4), "int8", scale=0.3, zero_point=-9)
    w.add_op("CONV_2D", [x, k, b], [y])
    model = w.finish([x], [y])
    graph = load_bytes(model)
    (conv,) = graph.ops
    assert isinstance(conv, Conv2D) and conv.requant.multiplier.min() > 0
    assert "2 channels have negative scales" in graph.notes[0]
    image = rng.integers(-128, 128, (1, 4, 4, 3)).astype(np.int8)
    np.testing.assert_array_equal(values(graph, image), run_micro(model, [image])[0])


def test_a_negative_scale_on_minus_128_is_refused() -> None:
    w = TFLiteWriter()
    x = w.add_tensor("x", (1, 1, 1, 1), "int8", scale=0.1)
    k = w.add_tensor("k", (1, 1, 1, 1), "int8", data=np.full((1, 1, 1, 1), -128, np.int8), scale=-0.1)
    y = w.add_tensor("y", (1, 1, 1, 1), "int8", scale=0.3)
    w.add_op("CONV_2D", [x, k, -1], [y])
    with pytest.raises(UnsupportedError, match="a weight of -128 in a channel with a negative scale"):
        load_bytes(w.finish([x], [y]))


def test_uint8_concat_rescales_through_tables_and_int8_refuses() -> None:
    def model(dtype: str) -> bytes:
        w = TFLiteWriter()
        a, b = (w.add_tensor(n, (1, 2, 2, 3), dtype, scale=s, zero_point=3) for n, s in (("a", 0.5), ("b", 0.25)))
        y = w.add_tensor("y", (1, 2, 2, 6), dtype, scale=0.5, zero_point=3)
        w.add_op("CONCATENATION", [a, b], [y], axis=-1)
        return w.finish([a, b], [y])

    graph = load_bytes(model("uint8"))
    assert [type(op) for op in graph.ops] == [Table, Concat]
    with pytest.raises(UnsupportedError, match="input 1 and the output have different quantisation"):
        load_bytes(model("int8"))


def test_int4_weights_are_unpacked() -> None:
    rng = np.random.default_rng(2)
    w = TFLiteWriter()
    x = w.add_tensor("x", (1, 9), "int8", scale=0.1)
    data = rng.integers(-8, 8, (3, 9)).astype(np.int8)
    k = w.add_tensor("k", (3, 9), "int4", data=data, scale=0.1)
    y = w.add_tensor("y", (1, 3), "int8", scale=0.2)
    w.add_op("FULLY_CONNECTED", [x, k, -1], [y])
    model = w.finish([x], [y])
    graph = load_bytes(model)
    np.testing.assert_array_equal(graph.ops[0].weight, data)  # type: ignore[attr-defined]
    image = rng.integers(-128, 128, (1, 9)).astype(np.int8)
    np.testing.assert_array_equal(values(graph, image), run_micro(model, [image])[0])


def test_names_are_unique_whatever_the_file_says() -> None:
    w = TFLiteWriter()
    indices = [w.add_tensor(name, (1, 4), "int8", scale=0.5) for name in ("", "t", "t", "t#2", "")]
    for a, b in zip(indices, indices[1:], strict=False):
        w.add_op("RELU", [a], [b])
    graph = load_bytes(w.finish([indices[0]], [indices[-1]]))
    assert len(graph.tensors) == 5
    assert values(graph, np.full((1, 4), 7, np.int8)).tolist() == [[7] * 4]


def test_names_that_differ_behind_a_nul_stay_apart() -> None:
    w = TFLiteWriter()
    x, a, b = (w.add_tensor(name, (1, 4), "int8", scale=0.5) for name in ("x", "y\0a", "y\0b"))
    w.add_op("RELU", [x], [a])
    w.add_op("RELU", [a], [b])
    assert load_bytes(w.finish([x], [a, b])).outputs == ("y\\0a", "y\\0b")


def test_an_output_listed_twice_is_noted() -> None:
    w = TFLiteWriter()
    x, y = (w.add_tensor(name, (1, 4), "int8", scale=0.5) for name in "xy")
    w.add_op("RELU", [x], [y])
    graph = load_bytes(w.finish([x], [y, y]))
    assert graph.outputs == ("y",)
    assert graph.notes == ("output 'y' is listed 2 times and counts once here",)


@pytest.mark.parametrize("code, kernel, options", [
    ("FULLY_CONNECTED", (3, 4), {}),
    ("CONV_2D", (3, 1, 1, 4), {"stride_h": 1, "stride_w": 1}),
])  # fmt: skip
def test_a_bias_of_64_bits_beside_int8_is_refused(code: str, kernel: tuple[int, ...], options: dict[str, int]) -> None:
    w, maps = TFLiteWriter(), (1, 1) if len(kernel) == 4 else ()
    x = w.add_tensor("x", (1, *maps, 4), "int8", scale=0.5)
    weights = w.add_tensor("w", kernel, "int8", scale=0.5, data=np.ones(kernel, np.int8))
    bias = w.add_tensor("b", (3,), "int64", scale=0.25, data=np.arange(3, dtype=np.int64))
    y = w.add_tensor("y", (1, *maps, 3), "int8", scale=0.5)
    w.add_op(code, [x, weights, bias], [y], **options)
    with pytest.raises(UnsupportedError, match=f"{code}.*'b' is INT64; INT32 is supported"):
        load_bytes(w.finish([x], [y]))


def test_copied_bytes_of_another_quantisation_are_noted() -> None:
    w = TFLiteWriter()
    x = w.add_tensor("x", (1, 4), "int8", scale=0.5)
    y = w.add_tensor("y", (1, 2, 2), "int8", scale=0.25)
    s = w.add_tensor("s", (3,), "int32", data=np.array([1, 2, 2], np.int32))
    w.add_op("RESHAPE", [x, s], [y])
    graph = load_bytes(w.finish([x], [y]))
    assert graph.notes == ("operator #0 RESHAPE: input and output quantisation differ; the reference copies the bytes, "
                           "and so does this",)  # fmt: skip


@pytest.mark.parametrize(
    "code, options, constants, complaint",
    [
        ("PAD", {}, {"p": [[0, 0], [-1, 0], [0, 0], [0, 0]]}, "paddings"),
        ("PAD", {}, {"p": [[0, 0]]}, "must hold 8 integers"),
        ("TRANSPOSE", {}, {"p": [0, 1, 1, 3]}, "permutation"),
        ("RESHAPE", {}, {"p": [1, 33]}, "does not reshape"),
        ("RESHAPE", {}, {"p": [-1, -1]}, "does not reshape"),
        ("MEAN", {}, {"p": [4]}, "axes"),
        ("STRIDED_SLICE", {}, {"b": [0, 9, 0, 0], "e": [1, 9, 4, 2], "s": [1, 1, 1, 1]}, "empty slice"),
        ("STRIDED_SLICE", {}, {"b": [0, 0, 0, 0], "e": [1, 4, 4, 2], "s": [1, 0, 1, 1]}, "strides"),
        ("RESIZE_NEAREST_NEIGHBOR", {}, {"p": [0, 5]}, "an output of 0 x 5"),
    ],
)  # fmt: skip
def test_impossible_parameters(
    code: str, options: dict[str, int], constants: dict[str, list[int]], complaint: str
) -> None:
    w = TFLiteWriter(checked=False)
    x = w.add_tensor("x", (1, 4, 4, 2), "int8", scale=0.5)
    y = w.add_tensor("y", (1, 4, 4, 2), "int8", scale=0.5)
    extra = [
        w.add_tensor(name, np.shape(value), "int32", data=np.array(value, np.int32))
        for name, value in constants.items()
    ]
    w.add_op(code, [x, *extra], [y], **options)
    with pytest.raises(ModelError, match=complaint):
        load_bytes(w.finish([x], [y]))


@pytest.mark.parametrize("stride, filter_", [(0, 2), (-1, 2), (1, 0), (1, -3), (1 << 30, 2)])
def test_impossible_windows(stride: int, filter_: int) -> None:
    w = TFLiteWriter(checked=False)
    x = w.add_tensor("x", (1, 4, 4, 2), "int8", scale=0.5)
    y = w.add_tensor("y", (1, 4, 4, 2), "int8", scale=0.5)
    w.add_op("MAX_POOL_2D", [x], [y], stride_h=stride, stride_w=1, filter_height=filter_, filter_width=2)
    with pytest.raises(ModelError, match="MAX_POOL_2D"):
        load_bytes(w.finish([x], [y]))


def test_loading_is_deterministic(data_dir: Path) -> None:
    path = data_dir / "mlperf_tiny" / "models" / "kws_dscnn_int8.tflite"
    first, second = load(path), load(path)
    assert [op.name for op in first.ops] == [op.name for op in second.ops]
    assert list(first.tensors) == list(second.tensors)
    assert first.name == "kws_dscnn_int8"
