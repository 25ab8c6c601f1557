# SPDX-License-Identifier: Apache-2.0
"""Damaged ONNX files: a graph that runs or an EslError; no crash, no hang, no memory blow-up."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from esl_ref.errors import EslError
from esl_ref.executor import random_inputs, run
from esl_ref.frontends.onnx import load_bytes
from esl_ref.ir import Graph
from tests.helpers.onnx_cases import model, node

SECONDS = 20.0

pytestmark = pytest.mark.usefixtures("bounded_memory")


def _network() -> bytes:
    """Convolution, pool, flatten, dense, softmax with quantisers: small, so that most bytes are structure."""
    rng = np.random.default_rng(0)
    constants = {
        "s": np.float32(0.05), "z": np.int8(3), "w": rng.integers(-9, 9, (4, 2, 3, 3), np.int8),
        "ws": np.float32(0.02), "wz": np.int8(0), "b": rng.integers(-99, 99, 4, np.int32),
        "m": rng.integers(-9, 9, (4 * 3 * 2, 5), np.int8), "shape": np.array([1, -1], np.int64),
        "u": np.float32(1 / 256), "uz": np.int8(-128),
    }  # fmt: skip
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        node("QLinearConv", ["q", "s", "z", "w", "ws", "wz", "s", "z", "b"], ["c"], pads=[1, 1, 1, 1], strides=[1, 1]),
        node("MaxPool", ["c"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Reshape", ["p", "shape"], ["f"]),
        node("QLinearMatMul", ["f", "s", "z", "m", "ws", "wz", "s", "z"], ["d"]),
        node("DequantizeLinear", ["d", "s", "z"], ["r"]), node("Softmax", ["r"], ["t"], axis=1),
        node("QuantizeLinear", ["t", "u", "uz"], ["o"]), node("DequantizeLinear", ["o", "u", "uz"], ["y"]),
    ]  # fmt: skip
    return model(nodes, {"x": ((1, 2, 6, 4), np.float32)}, ["y"], constants)


def _floats() -> bytes:
    """Concat, slice, resize, pad, transposition, mean."""
    constants = {
        "k": np.ones((2, 2, 1, 1), np.float32), "b": np.array([1], np.int64), "e": np.array([5], np.int64),
        "a": np.array([2], np.int64), "sc": np.array([1, 1, 2, 2], np.float32),
        "pads": np.array([0, 0, 1, 1] * 2, np.int64),
        "h": np.array([1, 2, 2, 10, -1], np.int64),
    }  # fmt: skip
    nodes = [
        node("Conv", ["x", "k"], ["c"]), node("LeakyRelu", ["c"], ["l"]), node("Concat", ["l", "x"], ["j"], axis=1),
        node("Slice", ["j", "b", "e", "a"], ["s"]), node("Resize", ["s", "", "sc"], ["r"], mode="nearest"),
        node("Pad", ["r", "pads"], ["p"]), node("Reshape", ["p", "h"], ["g"]),
        node("Transpose", ["g"], ["t"], perm=[0, 2, 1, 3, 4]), node("ReduceMean", ["t"], ["y"], axes=[3]),
    ]  # fmt: skip
    return model(nodes, {"x": ((1, 2, 6, 4), np.float32)}, ["y"], constants, opset=13)


MODELS = {"quantised": _network(), "float": _floats()}
WORDS = st.sampled_from(
    [b"\xff\xff\xff\xff\x0f", b"\x80\x80\x80\x80\x04", b"\0\0", b"\xff\xff\xff\x7f", b"\0\0\xc0\x7f"]
)
CHANGE = st.tuples(st.floats(0, 1, exclude_max=True), st.one_of(WORDS, st.binary(min_size=1, max_size=4)))
NUMBERS = st.sampled_from([-(1 << 63), -2, -1, 0, 1, 2, 3, 7, 10**9, (1 << 62), (1 << 63) - 1])


def _try(data: bytes) -> None:
    started = time.monotonic()
    try:
        graph = load_bytes(data)
        if isinstance(graph, Graph) and sum(t.nbytes for t in graph.activations()) < 1 << 20:
            run(graph, random_inputs(graph, 0))
    except EslError:
        pass
    assert time.monotonic() - started < SECONDS


def test_the_undamaged_models_load() -> None:
    kinds = {name: type(load_bytes(data)).__name__ for name, data in MODELS.items()}
    assert kinds == {"quantised": "Graph", "float": "FloatGraph"}


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=250)
@given(changes=st.lists(CHANGE, min_size=1, max_size=4))
def test_changed_bytes(name: str, changes: list[tuple[float, bytes]]) -> None:
    data = bytearray(MODELS[name])
    for place, new in changes:
        start = int(place * len(data))
        data[start : start + len(new)] = new
    _try(bytes(data))


@settings(max_examples=60)
@given(st.sampled_from(sorted(MODELS)), st.floats(0, 1), st.binary(max_size=64))
def test_truncated_files(name: str, place: float, tail: bytes) -> None:
    _try(MODELS[name][: int(place * len(MODELS[name]))] + tail)


def _damage(proto: Any, data: st.DataObject) -> None:
    """A well-formed message that says something wild: numbers, names, types."""
    graph = proto.graph
    target = data.draw(st.sampled_from(["attribute", "dims", "input dims", "wiring", "operator", "type", "constant"]))
    chosen = data.draw(st.sampled_from(list(graph.node)))
    tensor = data.draw(st.sampled_from(list(graph.initializer)))
    if target == "attribute" and chosen.attribute:
        attribute = data.draw(st.sampled_from(list(chosen.attribute)))
        if attribute.ints:
            attribute.ints[data.draw(st.integers(0, len(attribute.ints) - 1))] = data.draw(NUMBERS)
        else:
            attribute.i = data.draw(NUMBERS)
    elif target == "dims":
        tensor.dims[:] = data.draw(st.lists(NUMBERS, max_size=5))
    elif target == "input dims":
        dims = graph.input[0].type.tensor_type.shape.dim
        dims[data.draw(st.integers(0, 3))].dim_value = data.draw(NUMBERS)
    elif target == "wiring":
        names = [name for other in graph.node for name in (*other.input, *other.output)]
        chosen.input[data.draw(st.integers(0, len(chosen.input) - 1))] = data.draw(st.sampled_from([*names, ""]))
    elif target == "operator":
        others = ["Add", "Split", "Squeeze", "Gemm", "BatchNormalization", "DepthToSpace"]
        chosen.op_type = data.draw(st.sampled_from([*(n.op_type for n in graph.node), *others]))
    elif target == "type":
        tensor.data_type = data.draw(st.integers(0, 25))
    else:
        size = data.draw(st.integers(0, 4))
        values = data.draw(st.lists(NUMBERS, min_size=size, max_size=size))
        tensor.CopyFrom(helper.make_tensor(tensor.name, 7, [size], values))


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=250)
@given(data=st.data())
def test_wild_numbers_and_wiring(name: str, data: st.DataObject) -> None:
    proto = onnx.load_from_string(MODELS[name])
    for _ in range(data.draw(st.integers(1, 2))):
        _damage(proto, data)
    _try(proto.SerializeToString())


@settings(max_examples=100)
@given(st.binary(max_size=300))
def test_random_bytes(data: bytes) -> None:
    _try(data)
