# SPDX-License-Identifier: Apache-2.0
"""Pieces that the single-operator models of `tflite_cases` are put together from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from esl_ref.frontends.tflite_writer import TFLiteWriter

ACTIVATIONS = ("NONE", "NONE", "NONE", "RELU", "RELU", "RELU6", "RELU6", "RELU_N1_TO_1")
"""Drawn from with repetition: RELU_N1_TO_1 leaves few distinct values at most scales, so it comes seldom."""


@dataclass(frozen=True)
class Case:
    """A single-operator model with inputs for it.

    `kind` and `seed` name it (`make_case(kind, seed)` builds it again), `inputs` are the arrays in the order of the
    model's inputs, `note` says in words what was drawn.
    """

    kind: str
    seed: int
    model: bytes
    inputs: tuple[npt.NDArray[Any], ...]
    note: str

    def __str__(self) -> str:
        return f"{self.kind}-{self.seed} ({self.note})"


@dataclass(frozen=True)
class Quant:
    """Scale and zero point of an int8 activation."""

    scale: float
    zero_point: int


@dataclass
class Draft:
    """A model being drawn from `rng`: keeps the inputs and what is worth telling about them."""

    kind: str
    seed: int
    rng: np.random.Generator = field(init=False)
    writer: TFLiteWriter = field(init=False)
    inputs: list[tuple[int, npt.NDArray[Any]]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        # The kind is part of the seed, or all kinds would draw the same shapes.
        self.rng = np.random.default_rng([self.seed, *self.kind.encode()])
        self.writer = TFLiteWriter(f"{self.kind}_{self.seed}")

    def integer(self, low: int, high: int) -> int:
        """low..high, both included."""
        return int(self.rng.integers(low, high + 1))

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def choose(self, options: Sequence[Any]) -> Any:
        return options[self.integer(0, len(options) - 1)]

    def map_shape(self, sides: int = 12, channels: int = 24) -> tuple[int, int, int, int]:
        """[1, h, w, c]; every fourth has a side or a channel count of 1."""
        h, w, c = self.integer(1, sides), self.integer(1, sides), self.integer(1, channels)
        if self.chance(0.25):
            h, w, c = self.choose([(1, w, c), (h, 1, c), (h, w, 1)])
        return 1, h, w, c

    def quant(self, scale: float | None = None) -> Quant:
        """Zero points at the ends of the range now and then (127 turns every ReLU into a constant), else anywhere."""
        lowest, highest = self.chance(0.3), self.chance(0.07)
        zero_point = -128 if lowest else 127 if highest else self.integer(-128, 127)
        return Quant(scale if scale is not None else float(np.exp(self.rng.uniform(-6, 0))), zero_point)

    def int8_values(self, shape: Sequence[int]) -> npt.NDArray[np.int8]:
        """Full range, sometimes only the two extremes."""
        if self.chance(0.15):
            return self.rng.choice(np.array([-128, 127], np.int8), tuple(shape))
        return self.rng.integers(-128, 128, tuple(shape), dtype=np.int8)

    def input(self, shape: Sequence[int], quant: Quant) -> int:
        """An int8 input of the model, with random values for it."""
        name = f"input{len(self.inputs)}"
        index = self.activation(name, shape, quant)
        self.inputs.append((index, self.int8_values(shape)))
        return index

    def float_input(self, shape: Sequence[int], values: npt.NDArray[np.float32]) -> int:
        index = self.writer.add_tensor(f"input{len(self.inputs)}", shape, "float32")
        self.inputs.append((index, values))
        return index

    def activation(self, name: str, shape: Sequence[int], quant: Quant) -> int:
        return self.writer.add_tensor(name, shape, "int8", scale=quant.scale, zero_point=quant.zero_point)

    def int32_constant(self, name: str, values: Sequence[int] | int) -> int:
        data = np.asarray(values, np.int32)
        return self.writer.add_tensor(name, data.shape, "int32", data=data)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def finish(self, outputs: Sequence[int]) -> Case:
        model = self.writer.finish([index for index, _ in self.inputs], outputs)
        return Case(self.kind, self.seed, model, tuple(values for _, values in self.inputs), ", ".join(self.notes))

    def weights(self, shape: Sequence[int], axis: int | None) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float64]]:
        """int8 weights in -127..127 (all at the extremes now and then) and one scale, or one per slice of `axis`."""
        count = 1 if axis is None else shape[axis]
        scales = np.exp(self.rng.uniform(-7, -3, count)).astype(np.float32).astype(np.float64)
        if self.chance(0.1):
            return self.rng.choice(np.array([-127, 127], np.int8), tuple(shape)), scales
        return self.rng.integers(-127, 128, tuple(shape), dtype=np.int8), scales

    def linear(
        self,
        code: str,
        source: int,
        in_quant: Quant,
        weight_shape: tuple[int, ...],
        axis: int | None,
        out_shape: tuple[int, ...],
        **options: Any,
    ) -> Case:
        """Finish a layer with weights: draw them, a bias (at times absent) and an output scale that fits.

        The output scale puts a typical accumulator of |x| ~ 74, |w| ~ 73 near the middle of int8, so that results
        neither all saturate nor all vanish; every tenth time it is off by far, for multipliers at their extremes.
        """
        weight, weight_scale = self.weights(weight_shape, axis)
        channels = weight_shape[axis] if axis is not None else weight_shape[0]
        fan_in = weight.size / channels
        spread = 74 * 73 * np.sqrt(fan_in)
        step = in_quant.scale * float(np.median(weight_scale))
        stretch = self.choose([1e-4, 30.0]) if self.chance(0.1) else np.exp(self.rng.uniform(-1, 1))
        out_quant = self.quant(step * spread / 64 * stretch)
        inputs = [source, self._weight_tensor(weight, weight_scale, axis)]
        # LiteRT refuses an int8 CONV_2D without bias, wants the absent one marked in FULLY_CONNECTED and left away
        # in DEPTHWISE_CONV_2D; TFLM takes them all.
        if code == "CONV_2D" or self.chance(0.8):
            bias = np.rint(self.rng.standard_normal(channels) * spread).astype(np.int64)
            scale = (in_quant.scale * weight_scale).astype(np.float32)
            inputs.append(self.writer.add_tensor("bias", (channels,), "int32", data=bias, scale=scale))
        else:
            self.note("no bias")
            inputs += [-1] if code == "FULLY_CONNECTED" else []
        activation = self.choose(ACTIVATIONS)
        self.note(activation)
        out = self.activation("output", out_shape, out_quant)
        self.writer.add_op(code, inputs, [out], fused_activation_function=activation, **options)
        return self.finish([out])

    def _weight_tensor(self, weight: npt.NDArray[np.int8], scale: npt.NDArray[np.float64], axis: int | None) -> int:
        return self.writer.add_tensor("weight", weight.shape, "int8", data=weight, scale=scale, axis=axis or 0)


def out_size(size: int, window: int, stride: int, padding: str) -> int:
    """Output positions of a window (already dilated) along one axis; 0 or less if a VALID window does not fit."""
    return -(-size // stride) if padding == "SAME" else -(-(size - window + 1) // stride)
