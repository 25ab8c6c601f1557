# SPDX-License-Identifier: Apache-2.0
"""A float graph seen as a shape graph: planned as if every tensor were int8, weights unread."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from math import prod
from typing import Any

from esl_ref.floating import graph as f
from esl_ref.floating.graph import FloatGraph, FloatOp
from esl_ref.workloads import fields
from esl_ref.workloads.convert import as_maps, map_shape
from esl_ref.workloads.graph import Kind, Node, ShapeGraph

__all__ = ["float_shape_graph"]


def float_shape_graph(graph: FloatGraph) -> ShapeGraph:
    """`graph` without its weights: one node per operator, named after the tensor it makes. One byte per element."""
    nodes = [Node(name, Kind.INPUT, (), map_shape(graph.shapes[name])) for name in graph.inputs]
    nodes += [_node(graph, op) for op in graph.ops]
    return ShapeGraph(graph.name, as_maps(nodes), graph.outputs)


def _node(graph: FloatGraph, op: FloatOp) -> Node:
    inputs = tuple(name for name in op.inputs if name not in graph.constants)
    base = Node(op.output, Kind.TABLE, inputs, map_shape(graph.shapes[op.output]))
    make = _SHAPED.get(type(op))
    if make is not None:
        return dataclasses.replace(base, **make(graph, op, base))
    if isinstance(op, f.Add | f.Sub | f.Mul) and len(inputs) == 2:
        return dataclasses.replace(base, kind=Kind.ADD)
    return base  # a function of each element


def _window(op: f.Conv | f.Local) -> dict[str, Any]:
    return {"stride": op.stride, "pad": fields.sides(op.padding)}


def _conv(graph: FloatGraph, op: f.Conv, base: Node) -> dict[str, Any]:
    channels = graph.shapes[op.inputs[0]][-1]
    kind = Kind.DEPTHWISE if op.groups == channels > 1 else Kind.CONV
    return {
        "kind": kind, "kernel": op.weight.shape[1:3], "dilation": op.dilation, "groups": op.groups, **_window(op),
        "weights": op.weight.elements, "biases": op.bias.elements,
        "macs": op.weight.elements * base.shape[0] * base.shape[1],
    }  # fmt: skip


def _local(graph: FloatGraph, op: f.Local, base: Node) -> dict[str, Any]:
    return {"kind": Kind.CONV, "kernel": op.weight.shape[3:5], **_window(op), "weights": op.weight.elements,
            "biases": op.bias.elements, "macs": op.weight.elements}  # fmt: skip


def _dense(graph: FloatGraph, op: f.Dense, base: Node) -> dict[str, Any]:
    rows = prod(base.shape) // op.weight.shape[0]
    return {"kind": Kind.DENSE, "weights": op.weight.elements, "biases": op.bias.elements,
            "macs": op.weight.elements * rows}  # fmt: skip


def _concat(graph: FloatGraph, op: f.Concat, base: Node) -> dict[str, Any]:
    return fields.concat(op, len(graph.shapes[op.output]))


def _resize(graph: FloatGraph, op: f.ResizeNearest, base: Node) -> dict[str, Any]:
    return fields.resize(op, base.shape[0], map_shape(graph.shapes[op.inputs[0]])[0])


def _alone(make: Callable[[Any], dict[str, Any]]) -> Callable[[FloatGraph, Any, Node], dict[str, Any]]:
    """Of operators that say all by themselves."""
    return lambda graph, op, base: make(op)


def _plain(kind: Kind) -> Callable[[FloatGraph, Any, Node], dict[str, Any]]:
    return lambda graph, op, base: {"kind": kind}


_SHAPED: dict[type[FloatOp], Callable[[FloatGraph, Any, Node], dict[str, Any]]] = {
    f.Conv: _conv, f.Local: _local, f.Dense: _dense, f.MaxPool: _alone(fields.pool),
    f.AveragePool: _alone(fields.pool), f.Slice: _alone(fields.slice_), f.Pad: _alone(fields.pad),
    f.Concat: _concat, f.ResizeNearest: _resize, f.Mean: _plain(Kind.MEAN), f.Softmax: _plain(Kind.SOFTMAX),
    f.Reshape: _plain(Kind.RESHAPE), f.Transpose: _plain(Kind.TRANSPOSE),
}  # fmt: skip
