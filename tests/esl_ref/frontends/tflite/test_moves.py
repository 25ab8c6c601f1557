# SPDX-License-Identifier: Apache-2.0
"""Byte-moving and comparing operators that the random layers leave out, and the uint8 edges, against interpreters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from esl_ref.executor import run
from esl_ref.frontends.tflite import load_bytes
from esl_ref.frontends.tflite_writer import TFLiteWriter
from esl_ref.stimulus import as_in_file, fit
from tests.helpers.oracles import run_micro

SHAPE = (1, 3, 4, 2)


class Net:
    """One operator over int8 tensors of one quantisation, and integer constants."""

    def __init__(self) -> None:
        self.w = TFLiteWriter()
        self.inputs: list[int] = []

    def x(self, shape: tuple[int, ...] = SHAPE, dtype: str = "int8", zero: int = 5) -> int:
        index = self.w.add_tensor(f"x{len(self.inputs)}", shape, dtype, scale=0.5, zero_point=zero)
        self.inputs.append(index)
        return index

    def ints(self, *values: int) -> int:
        data = np.array(values, np.int32)
        return self.w.add_tensor("ints", data.shape, "int32", data=data)

    def y(self, shape: tuple[int, ...], dtype: str = "int8", zero: int = 5, scale: float = 0.5) -> int:
        return self.w.add_tensor(f"y{shape}", shape, dtype, scale=scale, zero_point=zero)

    def check(self, outputs: list[int], seed: int = 0) -> None:
        """Every output equals tflite-micro's on random inputs."""
        model = self.w.finish(self.inputs, outputs)
        graph, rng = load_bytes(model), np.random.default_rng(seed)
        given = []
        for name in graph.inputs:
            t = graph.tensors[name]
            kind: Any = np.uint8 if t.file_offset else np.int8
            info = np.iinfo(kind)
            given.append(rng.integers(info.min, info.max, t.shape, kind, endpoint=True))
        values = {n: fit(v, graph.tensors[n], n)[0] for n, v in zip(graph.inputs, given, strict=True)}
        results = as_in_file(graph, run(graph, values))
        for name, expected in zip(graph.outputs, run_micro(model, given), strict=True):
            np.testing.assert_array_equal(results[name], expected)
            assert results[name].dtype == expected.dtype


def test_slice() -> None:
    n = Net()
    y = n.y((1, 2, 3, 1))
    n.w.add_op("SLICE", [n.x(), n.ints(0, 1, 0, 1), n.ints(1, -1, 3, 1)], [y])
    n.check([y])


def test_padv2() -> None:
    n = Net()
    value = n.w.add_tensor("v", (), "int8", data=np.array(-77, np.int8), scale=0.5, zero_point=5)
    pads = n.w.add_tensor("p", (4, 2), "int32", data=np.array([[0, 0], [1, 0], [2, 1], [0, 0]], np.int32))
    y = n.y((1, 4, 7, 2))
    n.w.add_op("PADV2", [n.x(), pads, value], [y])
    n.check([y])


def test_squeeze_and_expand_dims() -> None:
    n = Net()
    x = n.x((1, 1, 4, 2))
    flat, y = n.y((1, 4, 2)), n.y((1, 4, 1, 2))
    n.w.add_op("SQUEEZE", [x], [flat], squeeze_dims=[1])
    n.w.add_op("EXPAND_DIMS", [flat, n.ints(2)], [y])
    n.check([y])


@pytest.mark.parametrize("code", ["MAXIMUM", "MINIMUM"])
@pytest.mark.parametrize("other", [SHAPE, (1, 1, 1, 2)])
def test_extremum(code: str, other: tuple[int, ...]) -> None:
    n = Net()
    a, b, y = n.x(), n.x(other), n.y(SHAPE)
    n.w.add_op(code, [a, b], [y])
    n.check([y])


def test_strided_slice_with_masks_and_a_shrunk_axis() -> None:
    """x[:, ::2, -2:, 1]: masks replace the given limits of their axes, negative ones count from the end."""
    n = Net()
    y = n.y((1, 2, 2))
    limits = [n.ints(0, 7, -2, 1), n.ints(1, 7, 4, 0), n.ints(1, 2, 1, 1)]
    n.w.add_op("STRIDED_SLICE", [n.x(), *limits], [y], begin_mask=0b0010, end_mask=0b0010, shrink_axis_mask=0b1000)
    n.check([y])


def test_uint8_edges_around_an_int8_network() -> None:
    """The converter's uint8 interface: QUANTIZE uint8 -> int8 first, int8 -> uint8 last."""
    n = Net()
    x = n.x(dtype="uint8", zero=100)
    inner = n.w.add_tensor("inner", SHAPE, "int8", scale=0.5, zero_point=-28)
    active = n.w.add_tensor("active", SHAPE, "int8", scale=0.25, zero_point=3)
    y = n.y(SHAPE, "uint8", 120, 0.375)
    n.w.add_op("QUANTIZE", [x], [inner])
    n.w.add_op("RELU", [inner], [active])
    n.w.add_op("QUANTIZE", [active], [y])
    for seed in range(5):
        n.check([y], seed)
