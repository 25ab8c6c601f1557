# SPDX-License-Identifier: Apache-2.0
"""A Darknet network as a shape graph, for planning; weights are counted and not looked at."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esl_ref.frontends.darknet import layers as d
from esl_ref.frontends.darknet.parse import read_network
from esl_ref.workloads.builder import Builder
from esl_ref.workloads.graph import Kind, Node, ShapeGraph

__all__ = ["Cfg", "read_cfg", "shape_cfg"]


@dataclass(frozen=True)
class Cfg:
    """The graph, and (layer, node name) of every layer in order."""

    graph: ShapeGraph
    layers: tuple[tuple[d.Layer, str], ...]


def read_cfg(path: Path) -> Cfg:
    """Shape graph of a Darknet configuration; errors as for `read_network`."""
    return shape_cfg(read_network(path))


def shape_cfg(network: d.Network) -> Cfg:
    """The network's shape graph; its outputs are the detection heads and the last layer."""
    b = Builder(network.name, network.shape)
    names = {-1: b.last}
    ends = []
    for layer in network.layers:
        sources = tuple(names[index] for index in layer.inputs)
        name = names[layer.index] = _NODES[type(layer)](b, layer, sources)
        if isinstance(layer, d.Detect):
            ends.append(name)
    graph = b.build(*dict.fromkeys((*ends, names[len(network.layers) - 1])))
    return Cfg(graph, tuple((layer, names[layer.index]) for layer in network.layers))


def _convolutional(b: Builder, layer: d.Convolutional, sources: tuple[str, ...]) -> str:
    return b.conv(layer.shape[2], layer.size, layer.stride, layer.pad, source=sources[0], groups=layer.groups,
                  dilation=layer.dilation, norm=layer.norm)  # fmt: skip


def _connected(b: Builder, layer: d.Connected, sources: tuple[str, ...]) -> str:
    return _replace(b, b.dense(layer.shape[2], source=sources[0]), norm=layer.norm)


def _local(b: Builder, layer: d.Local, sources: tuple[str, ...]) -> str:
    """A convolution whose every position has weights of its own."""
    name = b.conv(layer.shape[2], layer.size, layer.stride, layer.pad, source=sources[0])
    node = b.nodes[name]
    places = node.shape[0] * node.shape[1]
    return _replace(b, name, weights=node.weights * places, biases=node.biases * places)


def _maxpool(b: Builder, layer: d.MaxPool, sources: tuple[str, ...]) -> str:
    pad = layer.padding
    sides = (pad.top, pad.bottom, pad.left, pad.right)
    return b.max_pool(layer.size, layer.stride, sides, source=sources[0])


def _avgpool(b: Builder, layer: d.AvgPool, sources: tuple[str, ...]) -> str:
    return b.mean(sources[0])


def _route(b: Builder, layer: d.Route, sources: tuple[str, ...]) -> str:
    parts = []
    for name, (begin, end) in zip(sources, layer.parts, strict=True):
        h, w, c = b.shape(name)
        whole = (begin, end) == (0, c)
        node = Node(f"slice{len(b.nodes)}", Kind.SLICE, (name,), (h, w, end - begin))
        parts.append(name if whole else _append(b, node))
    return b.concat(*parts) if len(parts) > 1 else b.reshape(b.shape(parts[0]), source=parts[0])


def _shortcut(b: Builder, layer: d.Shortcut, sources: tuple[str, ...]) -> str:
    """Adds an earlier layer; where shapes differ, what they have in common."""
    return _append(b, Node(f"shortcut{layer.index}", Kind.ADD, sources, layer.shape))


def _upsample(b: Builder, layer: d.Upsample, sources: tuple[str, ...]) -> str:
    return b.upsample(layer.stride, sources[0])


def _reorg(b: Builder, layer: d.Reorg, sources: tuple[str, ...]) -> str:
    return _append(b, Node(f"reorg{layer.index}", Kind.TRANSPOSE, sources, layer.shape))


def _crop(b: Builder, layer: d.Crop, sources: tuple[str, ...]) -> str:
    (h, w, _), (high, wide, _) = layer.ifm, layer.shape
    pad = (-((h - high) // 2), 0, -((w - wide) // 2), 0)
    return _append(b, Node(f"crop{layer.index}", Kind.SLICE, sources, layer.shape, pad=pad))


def _softmax(b: Builder, layer: d.Softmax, sources: tuple[str, ...]) -> str:
    return b.table(sources[0], kind=Kind.SOFTMAX)


def _scale(b: Builder, layer: d.Scale, sources: tuple[str, ...]) -> str:
    return _append(b, Node(f"{layer.kind}{layer.index}", Kind.ADD, sources, layer.shape))


def _table(b: Builder, layer: d.Layer, sources: tuple[str, ...]) -> str:
    return b.table(sources[0])


def _pass(b: Builder, layer: d.Pass, sources: tuple[str, ...]) -> str:
    return b.reshape(layer.shape, source=sources[0])


def _append(b: Builder, node: Node) -> str:
    b.nodes[node.name] = node
    return node.name


def _replace(b: Builder, name: str, **changes: object) -> str:
    b.nodes[name] = dataclasses.replace(b.nodes[name], **changes)  # type: ignore[arg-type]
    return name


_NODES: dict[type[d.Layer], Callable[[Builder, Any, tuple[str, ...]], str]] = {
    d.Convolutional: _convolutional, d.Connected: _connected, d.Local: _local, d.MaxPool: _maxpool,
    d.AvgPool: _avgpool, d.Route: _route, d.Shortcut: _shortcut, d.Upsample: _upsample, d.Reorg: _reorg,
    d.Crop: _crop, d.Softmax: _softmax, d.Scale: _scale, d.Activated: _table, d.Pass: _pass, d.Detect: _table,
}  # fmt: skip
