# SPDX-License-Identifier: Apache-2.0
"""Layers of a Darknet network with their geometry settled; weights are elsewhere.

Shapes are (height, width, channels). What a layer reads is given by layer number, -1 being the network's input.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from esl_ref.detection.heads import Head
from esl_ref.floating.activation import LINEAR, Activation
from esl_ref.frontends.darknet.sections import Section
from esl_ref.ir import Padding

__all__ = [
    "Activated", "AvgPool", "Connected", "Convolutional", "Crop", "Detect", "Layer", "Local", "MaxPool", "Network",
    "Pass", "Reorg", "Route", "Scale", "Shape", "Shortcut", "Softmax", "Upsample",
]  # fmt: skip

Shape: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True)
class Layer:
    """One section: its number, the layers it reads, the shape of the first of them, and its own."""

    section: Section
    kind: str
    index: int
    inputs: tuple[int, ...]
    ifm: Shape
    shape: Shape

    @property
    def name(self) -> str:
        """As in Darknet's own listing: kind and number."""
        return f"{self.kind}{self.index}"

    @property
    def where(self) -> str:
        """File, layer and line, for error messages."""
        file = f"{self.section.file}, " if self.section.file else ""
        return f"{file}layer {self.index} [{self.kind}] at line {self.section.line}"

    @property
    def elements(self) -> int:
        """Elements of the output."""
        return self.shape[0] * self.shape[1] * self.shape[2]

    @property
    def records(self) -> tuple[tuple[str, int], ...]:
        """(name, number of floats) of what the weights file holds for the layer, in its order."""
        return ()


def _normalised(units: int, norm: bool) -> tuple[tuple[str, int], ...]:
    names = ("scales", "rolling_mean", "rolling_variance") if norm else ()
    return tuple((name, units) for name in names)


@dataclass(frozen=True)
class Convolutional(Layer):
    """Convolution; `pad` rows and columns of zeros on all sides. `flipped`: the file has the weights transposed."""

    size: int
    stride: tuple[int, int]
    pad: int
    dilation: int
    groups: int
    norm: bool
    activation: Activation
    flipped: bool = False

    @property
    def weights(self) -> int:
        """Number of weights."""
        return self.shape[2] * (self.ifm[2] // self.groups) * self.size * self.size

    @property
    def records(self) -> tuple[tuple[str, int], ...]:
        """As `Layer.records`: biases, normalisation, weights."""
        units = self.shape[2]
        return (("biases", units), *_normalised(units, self.norm), ("weights", self.weights))


@dataclass(frozen=True)
class Connected(Layer):
    """Fully connected; its weights come before its normalisation in the file."""

    norm: bool
    activation: Activation

    @property
    def inputs_count(self) -> int:
        """Elements of the flattened input."""
        return self.ifm[0] * self.ifm[1] * self.ifm[2]

    @property
    def records(self) -> tuple[tuple[str, int], ...]:
        """As `Layer.records`: biases, weights, normalisation."""
        units = self.shape[2]
        return (("biases", units), ("weights", units * self.inputs_count), *_normalised(units, self.norm))


@dataclass(frozen=True)
class Local(Layer):
    """Convolution with weights of its own at every place."""

    size: int
    stride: int
    pad: int
    activation: Activation

    @property
    def records(self) -> tuple[tuple[str, int], ...]:
        """As `Layer.records`: a bias and weights for every output element."""
        return (("biases", self.elements), ("weights", self.elements * self.size * self.size * self.ifm[2]))


@dataclass(frozen=True)
class MaxPool(Layer):
    """Padding below and to the right may be less than half a window, or negative where the last rows are not read."""

    size: int
    stride: tuple[int, int]
    padding: Padding


@dataclass(frozen=True)
class AvgPool(Layer):
    """Mean of the whole map."""


@dataclass(frozen=True)
class Route(Layer):
    """Inputs side by side along channels, of each only those from `begin` to `end`: `parts`."""

    parts: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Shortcut(Layer):
    """activation(alpha * first + beta * second), over what both have in common if shapes differ."""

    other: Shape
    activation: Activation
    alpha: float = 1.0
    beta: float = 1.0


@dataclass(frozen=True)
class Upsample(Layer):
    """Nearest neighbour by `stride`, times `scale`."""

    stride: int
    scale: float


@dataclass(frozen=True)
class Reorg(Layer):
    """Darknet's order, which is not space to depth: see `float_moves.py`. With `extra` zeros are appended instead."""

    stride: int
    reverse: bool
    extra: int


@dataclass(frozen=True)
class Crop(Layer):
    """The middle of the map; `adjust` maps 0..1 to -1..1."""

    adjust: bool


@dataclass(frozen=True)
class Softmax(Layer):
    """Over each of `groups` equal parts of the flattened map, of x / temperature; `tree` names a file of groups."""

    groups: int
    temperature: float
    tree: str


@dataclass(frozen=True)
class Scale(Layer):
    """activation(first * second); the second may be 1 x 1 and then scales whole channels."""

    activation: Activation = LINEAR


@dataclass(frozen=True)
class Activated(Layer):
    """A function of every element."""

    activation: Activation


@dataclass(frozen=True)
class Pass(Layer):
    """Passes its input on: layers that only matter in training."""


@dataclass(frozen=True)
class Detect(Layer):
    """A detection head, which the host applies to the layer's input."""

    head: Head


@dataclass(frozen=True)
class Network:
    """Layers in order, the shape of the input, and what was noticed while reading."""

    name: str
    file: str
    shape: Shape
    layers: tuple[Layer, ...]
    notes: tuple[str, ...] = ()

    @property
    def floats(self) -> int:
        """Floats that a weights file of this network holds."""
        return sum(count for layer in self.layers for _, count in layer.records)
