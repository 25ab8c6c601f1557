# SPDX-License-Identifier: Apache-2.0
"""Multipliers to the last bit: models whose scales are chosen so that results lie on ties.

Quotients of scales here are numbers of few bits, so that products of bytes fall exactly between two outputs. There,
computing a scale in float32 instead of double, or rounding once instead of twice, changes bytes. Random scales would
not show it in a hundred thousand models. int8 models run in tflite-micro, uint8 ones in LiteRT's reference kernels.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from esl_ref.errors import UnsupportedError
from esl_ref.executor import run
from esl_ref.frontends.tflite import load_bytes
from esl_ref.frontends.tflite_writer import TFLiteWriter
from esl_ref.numerics import Profile
from esl_ref.stimulus import as_in_file
from tests.helpers.oracles import run_litert, run_micro

BYTES = np.arange(-128, 128, dtype=np.int8)
MODELS = 90


@dataclass
class Draft:
    """A model under construction, in int8 or uint8, with everything given in the int8 domain."""

    rng: np.random.Generator
    dtype: str

    def __post_init__(self) -> None:
        self.writer = TFLiteWriter()
        self.offset = 128 if self.dtype == "uint8" else 0
        self.values: list[np.ndarray] = []
        self.inputs: list[int] = []

    def scale(self) -> float:
        return float(np.float32(np.exp(self.rng.uniform(-5, 0))))

    def few_bits(self) -> float:
        """An odd numerator over 4 to 128: one result in that many lies on a tie."""
        bits = int(self.rng.integers(2, 8))
        return float((2 * self.rng.integers(0, 1 << (bits - 1)) + 1) / (1 << bits))

    def zero(self) -> int:
        return int(self.rng.integers(-128, 128))

    def tensor(self, name: str, shape: tuple[int, ...], scale: float, zero: int | None = None, **more: Any) -> int:
        zero = self.zero() if zero is None else zero
        return self.writer.add_tensor(
            name, shape, self.dtype, scale=float(np.float32(scale)), zero_point=zero + self.offset, **more
        )

    def input(self, scale: float, values: np.ndarray, zero: int | None = None) -> int:
        index = self.tensor(f"in{len(self.inputs)}", values.shape, scale, zero)
        self.inputs.append(index)
        self.values.append(values)
        return index

    def in_file(self, values: np.ndarray) -> np.ndarray:
        return (values ^ np.int8(-128)).view(np.uint8) if self.offset else values

    def weights(self, values: np.ndarray, scale: Any, axis: int = 0) -> int:
        zero = int(self.rng.integers(-4, 5)) + self.offset if self.offset else 0
        return self.writer.add_tensor("w", values.shape, self.dtype, data=self.in_file(values), scale=scale, axis=axis,
                                      zero_point=zero)  # fmt: skip

    def bias(self, channels: int, scale: Any) -> int:
        values = self.rng.integers(-3, 4, channels).astype(np.int32)
        return self.writer.add_tensor("b", (channels,), "int32", data=values, scale=scale)

    def shuffled(self, *shape: int) -> np.ndarray:
        return self.rng.permutation(BYTES).reshape(shape)


def unary(code: str, **options: Any) -> Callable[[Draft], int]:
    def make(d: Draft) -> int:
        out_scale = d.scale()
        x = d.input(out_scale * d.few_bits(), d.shuffled(1, 16, 16, 1))
        y = d.tensor("y", (1, 16, 16, 1), out_scale)
        d.writer.add_op(code, [x], [y], **{k: v[d.rng.integers(len(v))] for k, v in options.items()})
        return y

    return make


def fixed_output(code: str, scale: float, zero: int) -> Callable[[Draft], int]:
    def make(d: Draft) -> int:
        x = d.input(float(np.exp(d.rng.uniform(-8, 2))), d.shuffled(1, 256))
        y = d.tensor("y", (1, 256), scale, zero)
        d.writer.add_op(code, [x], [y])
        return y

    return make


def dense(d: Draft) -> int:
    """256 units whose weights are all the bytes, one input: every product of bytes."""
    scale, weight = d.scale(), d.scale()
    x = d.input(scale, d.rng.integers(-128, 128, (1, 1)).astype(np.int8))
    y = d.tensor("y", (1, 256), scale * weight / d.few_bits() * 8)
    w = d.weights(BYTES.reshape(256, 1), weight)
    d.writer.add_op("FULLY_CONNECTED", [x, w, d.bias(256, scale * weight)], [y])
    return y


def convolution(code: str, per_channel: bool) -> Callable[[Draft], int]:
    def make(d: Draft) -> int:
        scale, channels, axis = d.scale(), 3, 0 if code == "CONV_2D" else 3
        weight = [d.scale() for _ in range(channels if per_channel else 1)]
        x = d.input(scale, d.shuffled(1, 16, 16, 1))
        y = d.tensor("y", (1, 16, 16, channels), scale * weight[0] / d.few_bits())
        values = d.rng.integers(-4, 5, (channels, 1, 1, 1)).astype(np.int8)
        w = d.weights(values if axis == 0 else values.reshape(1, 1, 1, channels), weight, axis)
        options = {} if axis == 0 else {"depth_multiplier": channels}
        d.writer.add_op(code, [x, w, d.bias(channels, [scale * s for s in weight])], [y], **options)
        return y

    return make


def binary(code: str) -> Callable[[Draft], int]:
    def make(d: Draft) -> int:
        first = d.scale()
        second = first * d.few_bits()
        a, b = d.input(first, d.shuffled(1, 16, 16, 1)), d.input(second, d.shuffled(1, 16, 16, 1))
        y = d.tensor("y", (1, 16, 16, 1), (64 * first * second if code == "MUL" else first) / d.few_bits())
        d.writer.add_op(code, [a, b], [y], fused_activation_function=str(d.rng.choice(["NONE", "RELU", "RELU6"])))
        return y

    return make


def mean(d: Draft) -> int:
    h, w = (int(v) for v in d.rng.integers(1, 13, 2))
    scale = d.scale()
    same = d.rng.random() < 0.3
    zero = d.zero()
    x = d.input(scale if same else scale * d.few_bits(), d.rng.integers(-128, 128, (1, h, w, 32)).astype(np.int8), zero)
    y = d.tensor("y", (1, 32), scale, zero if same else None)
    axes = d.writer.add_tensor("axes", (2,), "int32", data=np.array([1, 2], np.int32))
    d.writer.add_op("MEAN", [x, axes], [y])
    return y


def average(d: Draft) -> int:
    kernel, stride, scale, zero = int(d.rng.integers(1, 6)), int(d.rng.integers(1, 3)), d.scale(), d.zero()
    side = -(-16 // stride)
    x = d.input(scale, d.shuffled(1, 16, 16, 1), zero)
    y = d.tensor("y", (1, side, side, 1), scale, zero)
    d.writer.add_op("AVERAGE_POOL_2D", [x], [y], padding="SAME", filter_height=kernel, filter_width=kernel,
                    stride_h=stride, stride_w=stride)  # fmt: skip
    return y


def concat(d: Draft) -> int:
    scale = d.scale()
    a, b = d.input(scale * d.few_bits(), d.shuffled(1, 256)), d.input(d.scale(), d.shuffled(1, 256))
    y = d.tensor("y", (1, 512), scale)
    d.writer.add_op("CONCATENATION", [a, b], [y], axis=1)
    return y


def prelu(d: Draft) -> int:
    """A slope for every channel: zero points of weights are small here, slopes of all bytes."""
    out_scale, few = d.scale(), d.few_bits()
    x = d.input(out_scale * few, d.shuffled(1, 1, 1, 256))
    slopes = d.weights(d.shuffled(1, 1, 256), float(np.float32(d.few_bits() / few)))
    y = d.tensor("y", (1, 1, 1, 256), out_scale)
    d.writer.add_op("PRELU", [x, slopes], [y])
    return y


SLOPES = {"alpha": [0.1, 0.2, 0.125, 0.3]}
BOTH: dict[str, Callable[[Draft], int]] = {
    "add": binary("ADD"), "sub": binary("SUB"), "mul": binary("MUL"), "mean": mean, "average_pool": average,
    "conv": convolution("CONV_2D", False), "depthwise": convolution("DEPTHWISE_CONV_2D", False),
    "leaky_relu": unary("LEAKY_RELU", **SLOPES), "hard_swish": unary("HARD_SWISH"), "relu": unary("RELU"),
    "logistic": fixed_output("LOGISTIC", 1 / 256, -128), "tanh": fixed_output("TANH", 1 / 128, 0),
    "prelu": prelu, "dense": dense, "requantise": unary("QUANTIZE"), "softmax": fixed_output("SOFTMAX", 1 / 256, -128),
}  # fmt: skip
INT8 = BOTH | {
    "conv_per_channel": convolution("CONV_2D", True),
    "depthwise_per_channel": convolution("DEPTHWISE_CONV_2D", True),
}  # fmt: skip
UINT8 = BOTH | {"concat": concat}


def _compare(make: Callable[[Draft], int], dtype: str, oracle: Any, profile: Profile | None = None) -> int:
    """Number of models out of MODELS whose outputs differ from the oracle's; hard-swish may refuse a few scales."""
    different = refused = 0
    for seed in range(MODELS):
        d = Draft(np.random.default_rng(seed), dtype)
        output = make(d)
        model = d.writer.finish(d.inputs, [output])
        try:
            graph = load_bytes(model)
        except UnsupportedError:
            refused += 1
            continue
        if profile is not None:
            graph = graph.replace(ops=tuple(
                dataclasses.replace(op, requant=dataclasses.replace(op.requant, profile=profile)) for op in graph.ops
            ))  # fmt: skip
        result = as_in_file(graph, run(graph, dict(zip(graph.inputs, d.values, strict=True))))
        (expected,) = oracle(model, [d.in_file(v) for v in d.values])
        different += not np.array_equal(result[graph.outputs[0]], expected)
    assert refused <= MODELS // 20
    return different


@pytest.mark.parametrize("kind", INT8)
def test_int8_on_ties(kind: str) -> None:
    assert _compare(INT8[kind], "int8", run_micro) == 0


@pytest.mark.parametrize("kind", sorted(UINT8))
def test_uint8_on_ties(kind: str) -> None:
    assert _compare(UINT8[kind], "uint8", run_litert) == 0


def test_fully_connected_in_litert_rounds_once() -> None:
    """Everything else here rounds twice. With two roundings it is not equal."""
    assert _compare(dense, "uint8", run_litert, Profile.TFLITE) > 0
