# SPDX-License-Identifier: Apache-2.0
"""A Darknet network as a float graph: one function per kind of layer, which says what it means in float operators."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from esl_ref.errors import UnsupportedError
from esl_ref.floating import FloatGraph
from esl_ref.floating import graph as f
from esl_ref.frontends.darknet import float_moves as moves
from esl_ref.frontends.darknet import layers as d
from esl_ref.frontends.darknet.builder import Builder
from esl_ref.frontends.darknet.parameters import parameters
from esl_ref.frontends.darknet.weights import WeightsFile
from esl_ref.ir import Padding

__all__ = ["float_graph", "without_tree"]


def float_graph(network: d.Network, weights: WeightsFile | None) -> FloatGraph:
    """Operators, heads and outputs of `network`.

    Outputs are the tensors that detection heads read, in order, and the last layer's if that is no head. Without
    weights the graph has all its shapes, and running it is an error that says what is missing; a softmax over a tree of
    classes, which cannot run, then counts as one over all of them, with a note.
    """
    if weights is None:
        network = without_tree(network)
    b = Builder(network.shape)
    heads = []
    for layer in network.layers:
        b.tensor[layer.index] = _emit(layer, b, weights)
        if isinstance(layer, d.Detect):
            heads.append(dataclasses.replace(layer.head, tensor=b.tensor[layer.index]))
    outputs = dict.fromkeys([*(head.tensor for head in heads), b.tensor[len(network.layers) - 1]])
    folded = any(getattr(layer, "norm", False) for layer in network.layers)
    size = f"a weights file has {network.floats:,} numbers" + ", with those of the normalisation, folded here" * folded
    return FloatGraph(network.name, b.shapes, tuple(b.ops), ("input",), tuple(outputs), b.constants, tuple(heads),
                      (size, *network.notes))  # fmt: skip


def without_tree(network: d.Network) -> d.Network:
    """A tree of classes taken as one softmax, with a note: the file that describes it is not part of the configuration,
    and neither shapes nor memory depend on it."""
    trees = [layer for layer in network.layers if isinstance(layer, d.Softmax) and layer.tree]
    notes = tuple(f"{layer.section.place('tree')}: softmax over a tree of classes ('{layer.tree}') counts here as one "
                  "over all classes; the network cannot run as it is" for layer in trees)  # fmt: skip
    return dataclasses.replace(network, notes=(*network.notes, *notes), layers=tuple(
        dataclasses.replace(layer, tree="") if layer in trees else layer for layer in network.layers
    ))  # fmt: skip


def _emit(layer: d.Layer, b: Builder, weights: WeightsFile | None) -> str:
    """Name of the tensor that the layer makes."""
    match layer:
        case d.Convolutional():
            return _convolutional(layer, b, weights)
        case d.Connected():
            weight, bias = parameters(layer, weights)
            return b.add(f.Dense, layer.name, _ins(layer, b), (1, layer.shape[2]), weight, bias, layer.activation)
        case d.Local():
            weight, bias = parameters(layer, weights)
            side = layer.pad
            return b.add(f.Local, layer.name, _maps(layer, b), (1, *layer.shape), weight, bias,
                         (layer.stride, layer.stride), Padding(side, side, side, side), layer.activation)  # fmt: skip
        case d.Pass() | d.Detect():
            return b.tensor[layer.inputs[0]]
    return _PLAIN[type(layer)](layer, b)


def _ins(layer: d.Layer, b: Builder) -> list[str]:
    return [b.tensor[index] for index in layer.inputs]


def _maps(layer: d.Layer, b: Builder) -> list[str]:
    """Inputs as maps; two of the same layer share one reshape."""
    made: dict[str, str] = {}
    for name in _ins(layer, b):
        if name not in made:
            made[name] = b.as_map(layer.name, name)
    return [made[name] for name in _ins(layer, b)]


def _convolutional(layer: d.Convolutional, b: Builder, weights: WeightsFile | None) -> str:
    weight, bias = parameters(layer, weights)
    pad = Padding(layer.pad, layer.pad, layer.pad, layer.pad)
    return b.add(f.Conv, layer.name, _maps(layer, b), (1, *layer.shape), weight, bias, layer.stride,
                 (layer.dilation, layer.dilation), pad, layer.groups, layer.activation)  # fmt: skip


def _maxpool(layer: d.MaxPool, b: Builder) -> str:
    return b.add(f.MaxPool, layer.name, _maps(layer, b), (1, *layer.shape), (layer.size, layer.size), layer.stride,
                 layer.padding)  # fmt: skip


def _avgpool(layer: d.AvgPool, b: Builder) -> str:
    return b.add(f.Mean, layer.name, _maps(layer, b), (1, *layer.shape), (1, 2), True)


def _route(layer: d.Route, b: Builder) -> str:
    """A route to one whole layer is that layer's tensor."""
    parts = [
        moves.channels(b, f"{layer.name}.part", name, limits)
        for name, limits in zip(_maps(layer, b), layer.parts, strict=True)
    ]
    return parts[0] if len(parts) == 1 else b.add(f.Concat, layer.name, parts, (1, *layer.shape), 3)


def _shortcut(layer: d.Shortcut, b: Builder) -> str:
    first, other = _maps(layer, b)
    if layer.other != layer.shape:
        other = moves.fitted(b, layer.name, other, layer.shape)
    first = b.scaled(f"{layer.name}.alpha", first, layer.alpha)
    other = b.scaled(f"{layer.name}.beta", other, layer.beta)
    return b.add(f.Add, layer.name, [first, other], (1, *layer.shape), layer.activation)


def _upsample(layer: d.Upsample, b: Builder) -> str:
    rows, columns = (tuple(k // layer.stride for k in range(n)) for n in layer.shape[:2])
    source = _maps(layer, b)
    if layer.stride == 1:
        return b.scaled(layer.name, source[0], layer.scale)
    made = b.add(f.ResizeNearest, layer.name, source, (1, *layer.shape), rows, columns)
    return b.scaled(f"{layer.name}.scale", made, layer.scale)


def _crop(layer: d.Crop, b: Builder) -> str:
    """0..1 becomes -1..1 unless the section says `noadjust`."""
    (source,) = _maps(layer, b)
    top, left = ((n - m) // 2 for n, m in zip(layer.ifm[:2], layer.shape[:2], strict=True))
    h, w, c = layer.shape
    part = moves.sliced(b, layer.name, source, (0, top, left, 0), (1, top + h, left + w, c))
    if not layer.adjust:
        return part
    doubled = b.scaled(f"{layer.name}.doubled", part, 2.0)
    one = b.constant(f"{layer.name}.one", [1.0])
    return b.add(f.Sub, f"{layer.name}.shifted", [doubled, one], (1, *layer.shape))


def _softmax(layer: d.Softmax, b: Builder) -> str:
    if layer.tree:
        raise UnsupportedError(f"softmax over the classes of a tree ('{layer.tree}') is not supported",
                               where=layer.section.place("tree"),
                               hint="take the section out and apply the tree to the output that is the last then; "
                               "inspect and plan do without --weights")  # fmt: skip
    (source,) = _ins(layer, b)
    count = layer.elements
    flat = b.scaled(f"{layer.name}.cooled", b.flat(layer.name, source), 1.0 / layer.temperature)
    parts = b.reshape(f"{layer.name}.groups", flat, (layer.groups, count // layer.groups) if layer.groups > 1
                      else (1, count))  # fmt: skip
    made = b.add(f.Softmax, layer.name, [parts], b.shapes[parts])
    flat = b.reshape(f"{layer.name}.joined", made, (1, count))
    # As a map again only where the layer's input was one, for the layers after it.
    h, w, c = layer.shape
    return flat if (h, w) == (1, 1) else moves.from_planes(b, layer.name, flat, layer.shape)


def _scale(layer: d.Scale, b: Builder) -> str:
    return b.add(f.Mul, layer.name, _maps(layer, b), (1, *layer.shape), layer.activation)


def _activated(layer: d.Activated, b: Builder) -> str:
    (source,) = _ins(layer, b)
    return b.add(f.Activate, layer.name, [source], b.shapes[source], layer.activation)


_PLAIN: dict[type[d.Layer], Callable[[Any, Builder], str]] = {
    d.MaxPool: _maxpool, d.AvgPool: _avgpool, d.Route: _route, d.Shortcut: _shortcut, d.Upsample: _upsample,
    d.Reorg: moves.reorg, d.Crop: _crop, d.Softmax: _softmax, d.Scale: _scale, d.Activated: _activated,
}  # fmt: skip
