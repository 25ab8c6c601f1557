# SPDX-License-Identifier: Apache-2.0
"""Bytes that a float network needs while it runs, in float32, by two ways of allocating.

Layer-wise: a tensor lives from the layer that makes it to the last that reads it, a layer's weights while it runs, and
convolutions unfold as many rows as a workspace of fixed size holds. Everything: all weights, all tensors and the
largest unfolded map at once, as Darknet allocates them for inference (it forms the whole im2col matrix of a layer).
"""

from __future__ import annotations

import dataclasses
from math import prod

from esl_ref.floating.executor import last_uses
from esl_ref.floating.graph import Conv, Dense, FloatGraph, FloatOp, Local, Parameter, Reshape
from esl_ref.floating.kernels_window import WORKSPACE

__all__ = ["everything_bytes", "layerwise_bytes", "workspace_elements"]

_FLOAT = 4


def _weights(op: FloatOp) -> int:
    values = (getattr(op, item.name) for item in dataclasses.fields(op))
    return sum(value.elements for value in values if isinstance(value, Parameter))


def _resident(op: FloatOp) -> int:
    """Elements of an operator's weights that are in memory at a time."""
    if isinstance(op, Dense) and op.weight.parts:
        units, depth = op.weight.shape
        return min(units, max(1, WORKSPACE // depth)) * depth + op.bias.elements
    if isinstance(op, Local) and op.weight.parts:
        return op.weight.elements // op.weight.shape[0] + op.bias.elements
    return _weights(op)


def _unfolded(op: FloatOp, graph: FloatGraph) -> int:
    """Elements of the matrix of all windows of a convolution, for one of its groups."""
    if not isinstance(op, Conv | Local):
        return 0
    _, h, w, _ = graph.shapes[op.output]
    return h * w * prod(op.weight.shape[-3:])


def _block(op: FloatOp, graph: FloatGraph) -> int:
    """Elements of the matrix of the windows of as many output rows as the workspace holds, one at least."""
    unfolded = _unfolded(op, graph)
    return min(unfolded, max(WORKSPACE, unfolded // max(1, graph.shapes[op.output][1]))) if unfolded else 0


def _elements(graph: FloatGraph, name: str) -> int:
    return prod(graph.shapes[name])


def layerwise_bytes(graph: FloatGraph) -> int:
    """Most bytes in use while any operator runs: live tensors, its weights, its workspace."""
    last = last_uses(graph)
    live = {name: _elements(graph, name) for name in graph.inputs}
    most = 0
    for index, op in enumerate(graph.ops):
        live[op.output] = 0 if isinstance(op, Reshape) else _elements(graph, op.output)
        if isinstance(op, Reshape):  # the same bytes under another name
            source = op.inputs[0]
            if last.get(source) == index and source in live:
                live[op.output] = live[source]
        work = _block(op, graph) + _resident(op)
        constants = sum(_elements(graph, name) for name in op.inputs if name in graph.constants)
        held = 0 if isinstance(op, Reshape) else sum(live.values())
        most = max(most, held + work + constants)
        for name in {*op.inputs, op.output}:
            if last.get(name) == index:
                live.pop(name, None)
    return _FLOAT * most


def everything_bytes(graph: FloatGraph) -> int:
    """All weights, all tensors, and one workspace for the largest convolution."""
    tensors = sum(_elements(graph, op.output) for op in graph.ops if not isinstance(op, Reshape))
    inputs = sum(_elements(graph, name) for name in (*graph.inputs, *graph.constants))
    return _FLOAT * (tensors + inputs + sum(map(_weights, graph.ops)) + workspace_elements(graph))


def workspace_elements(graph: FloatGraph) -> int:
    """Elements of the largest matrix of windows of any convolution."""
    return max((_unfolded(op, graph) for op in graph.ops), default=0)
