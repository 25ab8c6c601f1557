# SPDX-License-Identifier: Apache-2.0
"""Darknet configuration files as shape graphs, with Darknet's own geometry; weights are not looked at.

Layers that only matter in training (dropout, cost) pass their input on.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from esl_ref.errors import ModelError, UnsupportedError
from esl_ref.workloads.builder import Builder
from esl_ref.workloads.graph import Kind, Node, ShapeGraph

__all__ = ["Cfg", "Section", "read_cfg", "sections"]

_RECURRENT = frozenset({"rnn", "gru", "lstm", "crnn"})


@dataclass(frozen=True)
class Section:
    """One `[kind]` block: its options, and the line it starts at."""

    kind: str
    options: Mapping[str, str]
    line: int

    def number(self, key: str, default: int | None = None) -> int:
        """Integer option; ModelError if it is absent without a default, or no integer."""
        text = self.options.get(key)
        if text is None and default is not None:
            return default
        try:
            return int(text or "")
        except ValueError:
            raise ModelError(f"option {key} = '{text}' is not an integer", where=self.where) from None

    def numbers(self, key: str) -> list[int]:
        try:
            return [int(part) for part in self.options.get(key, "").split(",") if part.strip()]
        except ValueError:
            raise ModelError(
                f"option {key} = '{self.options[key]}' is not a list of integers", where=self.where
            ) from None

    @property
    def where(self) -> str:
        return f"[{self.kind}] at line {self.line}"


@dataclass(frozen=True)
class Cfg:
    """The graph, and (section, node name) of every layer in order."""

    graph: ShapeGraph
    layers: tuple[tuple[Section, str], ...]


def sections(text: str) -> list[Section]:
    """Blocks of a configuration; ModelError for text outside blocks or lines that are no option."""
    found: list[tuple[str, dict[str, str], int]] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.split("#")[0].split(";")[0].strip()
        if line.startswith("[") and line.endswith("]"):
            found.append((line[1:-1].strip(), {}, number))
        elif line:
            key, equals, value = line.partition("=")
            if not equals or not found:
                raise ModelError(f"'{line}' is no option", where=f"line {number}", hint="expected [layer] or key=value")
            found[-1][1][key.strip()] = value.strip()
    return [Section(*entry) for entry in found]


def read_cfg(path: Path) -> Cfg:
    """Graph of a Darknet configuration; UnsupportedError for recurrent and unknown layers, naming the line."""
    try:
        blocks = sections(path.read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        raise ModelError(f"cannot be read ({error.strerror})", where=str(path)) from error
    if not blocks or blocks[0].kind not in ("net", "network"):
        raise ModelError("does not begin with [net]", where=str(path))
    net = blocks[0]
    for key in ("height", "width", "channels"):
        if key not in net.options:
            raise UnsupportedError(f"[net] has no {key}: not a network on images", where=str(path))
    builder = Builder(path.stem, (net.number("height"), net.number("width"), net.number("channels")))
    reader = _Reader(builder)
    for block in blocks[1:]:
        reader.add(block)
    return Cfg(builder.build(*reader.outputs()), tuple(reader.layers))


class _Reader:
    """Adds one layer after another; a layer may name earlier ones by absolute or relative number."""

    def __init__(self, builder: Builder) -> None:
        self.b = builder
        self.layers: list[tuple[Section, str]] = []
        self.ends: list[str] = []

    def add(self, block: Section) -> None:
        if block.kind in _RECURRENT:
            raise UnsupportedError("recurrent layers are not supported", where=block.where)
        make: Callable[[Section], str] | None = getattr(self, f"_{block.kind}", None)
        if make is None:
            raise UnsupportedError(f"unknown layer '{block.kind}'", where=block.where)
        self.layers.append((block, make(block)))
        # A layer reads the one before it, whatever that is.
        self.b.last = self.layers[-1][1]

    def outputs(self) -> tuple[str, ...]:
        """Detection heads, and the last layer."""
        return tuple(dict.fromkeys((*self.ends, self.b.last)))

    def _convolutional(self, block: Section) -> str:
        size = block.number("size", 1)
        pad = size // 2 if block.number("pad", 0) else block.number("padding", 0)
        return self.b.conv(block.number("filters", 1), size, block.number("stride", 1), pad,
                           groups=block.number("groups", 1), norm=bool(block.number("batch_normalize", 0)))  # fmt: skip

    def _connected(self, block: Section) -> str:
        name = self.b.dense(block.number("output", 1))
        return self._replace(name, norm=bool(block.number("batch_normalize", 0)))

    def _local(self, block: Section) -> str:
        """A convolution whose every position has weights of its own."""
        size = block.number("size", 1)
        pad = size // 2 if block.number("pad", 0) else 0
        name = self.b.conv(block.number("filters", 1), size, block.number("stride", 1), pad)
        node = self.b.nodes[name]
        places = node.shape[0] * node.shape[1]
        return self._replace(name, weights=node.weights * places, biases=node.biases * places)

    def _maxpool(self, block: Section) -> str:
        stride = block.number("stride", 1)
        size = block.number("size", stride)
        padding = block.number("padding", size - 1)
        return self.b.max_pool(size, stride, (padding // 2, padding - padding // 2) * 2)

    def _avgpool(self, block: Section) -> str:
        return self.b.mean()

    def _softmax(self, block: Section) -> str:
        return self.b.table(kind=Kind.SOFTMAX)

    def _yolo(self, block: Section) -> str:
        self.ends.append(self.b.table())
        return self.ends[-1]

    _region = _detection = _yolo

    def _dropout(self, block: Section) -> str:
        return self.b.reshape(self.b.shape())

    _cost = _dropout

    def _upsample(self, block: Section) -> str:
        return self.b.upsample(block.number("stride", 2))

    def _reorg(self, block: Section) -> str:
        return self.b.reorg(block.number("stride", 1))

    def _crop(self, block: Section) -> str:
        high, wide = block.number("crop_height", 1), block.number("crop_width", 1)
        h, w, c = self.b.shape()
        if high > h or wide > w:
            raise ModelError(f"crops {high}x{wide} out of {h}x{w}", where=block.where)
        pad = (-((h - high) // 2), 0, -((w - wide) // 2), 0)
        return self._append(Node(f"crop{len(self.layers)}", Kind.SLICE, (self.b.last,), (high, wide, c), pad=pad))

    def _route(self, block: Section) -> str:
        names = [self._layer(block, number) for number in block.numbers("layers")]
        if not names:
            raise ModelError("names no layers", where=block.where)
        return self.b.concat(*names) if len(names) > 1 else self.b.reshape(self.b.shape(names[0]), source=names[0])

    def _shortcut(self, block: Section) -> str:
        """Adds an earlier layer; where shapes differ, what they have in common."""
        other = self._layer(block, block.number("from"))
        return self._append(Node(f"shortcut{len(self.layers)}", Kind.ADD, (self.b.last, other), self.b.shape()))

    def _layer(self, block: Section, number: int) -> str:
        index = number if number >= 0 else len(self.layers) + number
        if not 0 <= index < len(self.layers):
            raise ModelError(f"refers to layer {number}, which is not before it", where=block.where)
        return self.layers[index][1]

    def _append(self, node: Node) -> str:
        self.b.nodes[node.name] = node
        return node.name

    def _replace(self, name: str, **changes: object) -> str:
        self.b.nodes[name] = dataclasses.replace(self.b.nodes[name], **changes)  # type: ignore[arg-type]
        return name
