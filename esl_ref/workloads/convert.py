# SPDX-License-Identifier: Apache-2.0
"""An imported integer graph seen as a shape graph, so that every planning method runs on it too."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from math import prod
from typing import Any

from esl_ref import ir
from esl_ref.errors import UnsupportedError
from esl_ref.workloads import fields
from esl_ref.workloads.graph import Kind, Node, Shape, ShapeGraph

__all__ = ["as_maps", "map_shape", "shape_graph"]

_PLAIN: dict[type[ir.Op], Kind] = {
    ir.Add: Kind.ADD, ir.Sub: Kind.ADD, ir.Mul: Kind.ADD, ir.Table: Kind.TABLE, ir.Reshape: Kind.RESHAPE,
    ir.Softmax: Kind.SOFTMAX, ir.Quantize: Kind.TABLE, ir.Dequantize: Kind.TABLE, ir.Transpose: Kind.TRANSPOSE,
}  # fmt: skip


def shape_graph(graph: ir.Graph) -> ShapeGraph:
    """`graph` without its weights: one node per operator, named after the tensor it makes."""
    nodes = [
        Node(name, Kind.INPUT, (), map_shape(graph.tensors[name].shape), itemsize=graph.tensors[name].dtype.itemsize)
        for name in graph.inputs
    ]
    nodes += [_node(graph, op) for op in graph.ops]
    return ShapeGraph(graph.name, as_maps(nodes), graph.outputs)


def as_maps(nodes: list[Node]) -> tuple[Node, ...]:
    """A flat network input that is only reshaped comes in the new shape: then its rows can be streamed."""
    readers = [name for node in nodes for name in node.inputs]
    for k, node in enumerate(nodes):
        source = nodes[[n.name for n in nodes].index(node.inputs[0])] if node.inputs else node
        if node.kind is Kind.RESHAPE and source.kind is Kind.INPUT and readers.count(source.name) == 1:
            nodes[nodes.index(source)] = _with(source, shape=node.shape)
            nodes[k] = _with(node, kind=Kind.TABLE)
    return tuple(nodes)


def map_shape(dims: tuple[int, ...]) -> Shape:
    """(height, width, channels) of an NHWC tensor; lower ranks count from the channels up."""
    shape = dims[1:] if len(dims) > 1 and dims[0] == 1 else dims
    if len(shape) > 3:
        return (prod(shape[:-2]), shape[-2], shape[-1])
    padded = (1,) * (3 - len(shape)) + tuple(shape)
    return (padded[0], padded[1], padded[2])


def _node(graph: ir.Graph, op: ir.Op) -> Node:
    out = graph.tensors[op.outputs[0]]
    inputs = tuple(name for name in op.inputs if not graph.tensors[name].is_const)
    base = Node(op.outputs[0], Kind.TABLE, inputs, map_shape(out.shape), itemsize=out.dtype.itemsize)
    make = _SHAPED.get(type(op))
    if make is not None:
        return make(graph, op, base)
    kind = _PLAIN.get(type(op))
    if kind is None:
        raise UnsupportedError(f"operator {op.kind} has no shape", where=f"operator '{op.name}'")
    if kind is Kind.ADD and len(inputs) == 1:
        kind = Kind.TABLE  # the other operand is a constant
    return _with(base, kind=kind)


def _with(node: Node, **changes: object) -> Node:
    return dataclasses.replace(node, **changes)  # type: ignore[arg-type]


def _conv(graph: ir.Graph, op: ir.Conv2D, base: Node) -> Node:
    area = base.shape[0] * base.shape[1]
    return _with(base, kind=Kind.CONV, kernel=op.weight.shape[1:3], stride=op.stride, pad=fields.sides(op.padding),
                 dilation=op.dilation, groups=op.groups, weights=op.weight.size, biases=op.bias.size,
                 macs=op.weight.size * area)  # fmt: skip


def _depthwise(graph: ir.Graph, op: ir.DepthwiseConv2D, base: Node) -> Node:
    area = base.shape[0] * base.shape[1]
    channels = base.shape[2] // op.multiplier
    return _with(base, kind=Kind.DEPTHWISE, kernel=op.weight.shape[:2], stride=op.stride, pad=fields.sides(op.padding),
                 dilation=op.dilation, groups=channels, weights=op.weight.size, biases=op.bias.size,
                 macs=op.weight.size * area)  # fmt: skip


def _dense(graph: ir.Graph, op: ir.FullyConnected, base: Node) -> Node:
    rows = prod(base.shape) // op.weight.shape[0]
    return _with(base, kind=Kind.DENSE, weights=op.weight.size, biases=op.bias.size, macs=op.weight.size * rows)


def _pool(graph: ir.Graph, op: ir.MaxPool | ir.AveragePool, base: Node) -> Node:
    return _with(base, **fields.pool(op))


def _mean(graph: ir.Graph, op: ir.Mean, base: Node) -> Node:
    return _with(base, kind=Kind.MEAN)


def _pad(graph: ir.Graph, op: ir.Pad, base: Node) -> Node:
    return _with(base, **fields.pad(op))


def _concat(graph: ir.Graph, op: ir.Concat, base: Node) -> Node:
    return _with(base, **fields.concat(op, len(graph.tensors[op.outputs[0]].shape)))


def _slice(graph: ir.Graph, op: ir.Slice, base: Node) -> Node:
    return _with(base, **fields.slice_(op))


def _resize(graph: ir.Graph, op: ir.ResizeNearest, base: Node) -> Node:
    source = map_shape(graph.tensors[op.inputs[0]].shape)
    return _with(base, **fields.resize(op, base.shape[0], source[0]))


_SHAPED: dict[type[ir.Op], Callable[[ir.Graph, Any, Node], Node]] = {
    ir.Conv2D: _conv, ir.DepthwiseConv2D: _depthwise, ir.FullyConnected: _dense, ir.MaxPool: _pool,
    ir.AveragePool: _pool, ir.Mean: _mean, ir.Pad: _pad, ir.Concat: _concat, ir.Slice: _slice,
    ir.ResizeNearest: _resize,
}  # fmt: skip
