# SPDX-License-Identifier: Apache-2.0
"""What the reader of a layer can see: the layers before it."""

from __future__ import annotations

from dataclasses import dataclass

from esl_ref.errors import ModelError, UnsupportedError
from esl_ref.floating.activation import LINEAR, Activation, Function
from esl_ref.frontends.darknet.layers import Detect, Layer, Shape
from esl_ref.frontends.darknet.sections import Section

__all__ = ["MOST_ELEMENTS", "MOST_LAYERS", "MOST_SIDE", "Context", "activation_of", "windows"]

MOST_ELEMENTS = 1 << 28
"""Elements of one tensor, and weights of one layer, above which a network is refused (1 GiB of float32)."""
MOST_SIDE = 1 << 16
"""Rows or columns of a map."""
MOST_LAYERS = 4096

_FUNCTIONS = {
    **{function.value: Activation(function) for function in Function},
    "linear": LINEAR,
    "elu": Activation(Function.ELU, 1.0),
}
for _other in (Function.HARD_SWISH, Function.HARD_SIGMOID, Function.CLIP):  # other formats' functions
    _FUNCTIONS.pop(_other.value)


@dataclass
class Context:
    """Shape of the network's input, and the layers so far."""

    input: Shape
    layers: list[Layer]

    @property
    def index(self) -> int:
        """Number of the layer that is being read."""
        return len(self.layers)

    @property
    def previous(self) -> int:
        """Number of the layer before it; -1 is the network's input."""
        return len(self.layers) - 1

    def shape(self, index: int) -> Shape:
        """Output shape of layer number `index`; -1 is the network's input."""
        return self.input if index < 0 else self.layers[index].shape

    def ifm(self, section: Section) -> Shape:
        """Shape of the layer before; ModelError if that is a detection head."""
        self._no_head(section, self.previous)
        return self.shape(self.previous)

    def layer(self, section: Section, key: str, number: int) -> int:
        """An earlier layer by its number, negative ones counting back from here."""
        index = number if number >= 0 else self.index + number
        if not 0 <= index < self.index:
            raise ModelError(f"refers to layer {number}, which is not before it (this is layer {self.index})",
                             where=section.place(key))  # fmt: skip
        self._no_head(section, index)
        return index

    def _no_head(self, section: Section, index: int) -> None:
        if index >= 0 and isinstance(self.layers[index], Detect):
            raise UnsupportedError(f"reads layer {index}, which is a detection head", where=section.where,
                                   hint="heads run on the host, after the network")  # fmt: skip


def activation_of(section: Section, default: str) -> Activation:
    """The section's activation; UnsupportedError lists what there is."""
    name = section.text("activation", default)
    found = _FUNCTIONS.get(name)
    if found is None:
        raise UnsupportedError(f"unknown activation '{name[:40]}'", where=section.place("activation"),
                               hint=f"there are {', '.join(sorted(_FUNCTIONS))}")  # fmt: skip
    return found


def windows(section: Section, size: int, total_pad: int, window: int, stride: int) -> int:
    """Outputs along one axis of `size` with `total_pad` elements of padding; ModelError if no window fits."""
    room = size + total_pad - window
    if room < 0:
        raise ModelError(f"a window of {window} does not fit into {size} with padding {total_pad}", where=section.where)
    return room // stride + 1
