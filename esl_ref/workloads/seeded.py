# SPDX-License-Identifier: Apache-2.0
"""A topology with seeded random weights: an integer graph that runs, for planning that is to be shown by execution.

Weights are uniform int8; every scale is chosen so that results spread over int8 whatever the fan-in, so that a wrong
byte anywhere is seen at the output. The same topology and seed give the same graph.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np

from esl_ref import ir
from esl_ref.errors import UnsupportedError
from esl_ref.ir import Act, Graph, Op, Padding, Tensor
from esl_ref.numerics import Requant, quantise_multiplier
from esl_ref.workloads.graph import Kind, Node, ShapeGraph

__all__ = ["seeded"]

_SPREAD = 40.0
"""Standard deviation of results that is aimed at; that of uniform int8 weights is 73."""
_WEIGHT = 73.0


def seeded(shapes: ShapeGraph, seed: int = 0) -> Graph:
    """`shapes` as an int8 graph of batch 1. UnsupportedError for a node that has no integer operator."""
    return _Maker(shapes, np.random.default_rng(seed)).graph()


@dataclass
class _Maker:
    shapes: ShapeGraph
    rng: np.random.Generator
    tensors: dict[str, Tensor] = field(default_factory=dict)
    zeros: dict[str, int] = field(default_factory=dict)
    ops: list[Op] = field(default_factory=list)

    def graph(self) -> Graph:
        for node in self.shapes.nodes:
            self.tensors[node.name] = Tensor(node.name, (1, *node.shape), np.dtype(np.int8))
            if node.kind is Kind.INPUT:
                self.zeros[node.name] = 0
                continue
            make = _MAKERS.get(node.kind)
            if make is None:
                raise UnsupportedError(f"{node.kind.value} has no integer operator", where=f"node '{node.name}'")
            self.zeros[node.name] = self.zeros[node.inputs[0]]
            if node.kind in _SHAPE_OF_INPUT:  # a dense layer's result is a row, whatever the shape graph says
                shape = self.tensors[node.inputs[0]].shape
                self.tensors[node.name] = replace(self.tensors[node.name], shape=shape)
            self.ops.append(make(self, node))
        inputs = tuple(n.name for n in self.shapes.nodes if n.kind is Kind.INPUT)
        return Graph(self.shapes.name, self.tensors, tuple(self.ops), inputs, self.shapes.outputs)

    def names(self, node: Node) -> dict[str, Any]:
        return {"name": node.name, "inputs": node.inputs, "outputs": (node.name,)}

    def act(self, node: Node) -> Act:
        """A new zero point, and a clamp from below at it as ReLU has."""
        zero = int(self.rng.integers(-20, 21))
        self.zeros[node.name] = zero
        return Act(zero, zero, 127)

    def summed(self, node: Node, per_output: int, shape: tuple[int, ...]) -> dict[str, Any]:
        """What convolutions of all kinds have: weights, bias, scale, zero points, activation."""
        scale = _SPREAD / (math.sqrt(per_output) * _WEIGHT * _SPREAD)
        channels = node.shape[2]
        pairs = [quantise_multiplier(scale * float(f)) for f in self.rng.uniform(0.8, 1.25, channels)]
        zero = self.zeros[node.inputs[0]]
        return {
            **self.names(node),
            "weight": self.rng.integers(-127, 128, shape, np.int8),
            "bias": self.rng.integers(-2000, 2001, channels, np.int32),
            "requant": Requant(np.array([m for m, _ in pairs]), np.array([s for _, s in pairs])),
            "zero_in": zero,
            "act": self.act(node),
        }


def _window(node: Node) -> dict[str, Any]:
    top, bottom, left, right = node.pad
    return {"stride": node.stride, "padding": Padding(top, bottom, left, right)}


def _conv(m: _Maker, node: Node) -> Op:
    depth = m.shapes[node.inputs[0]].shape[2] // node.groups
    shape = (node.shape[2], *node.kernel, depth)
    common = m.summed(node, node.kernel[0] * node.kernel[1] * depth, shape)
    return ir.Conv2D(**common, **_window(node), dilation=node.dilation, groups=node.groups)


def _depthwise(m: _Maker, node: Node) -> Op:
    common = m.summed(node, node.kernel[0] * node.kernel[1], (*node.kernel, node.shape[2]))
    multiplier = node.shape[2] // m.shapes[node.inputs[0]].shape[2]
    return ir.DepthwiseConv2D(**common, **_window(node), dilation=node.dilation, multiplier=multiplier)


def _dense(m: _Maker, node: Node) -> Op:
    source = m.shapes[node.inputs[0]].shape
    depth = math.prod(source)
    common = m.summed(node, depth, (node.shape[2], depth))
    m.tensors[node.name] = Tensor(node.name, (1, node.shape[2]), np.dtype(np.int8))
    if source[:2] != (1, 1):  # flattened in the order of rows, columns, channels
        flat = f"{node.inputs[0]}:flat"
        m.tensors[flat] = Tensor(flat, (1, depth), np.dtype(np.int8))
        m.ops.append(ir.Reshape(f"flatten {node.inputs[0]}", node.inputs, (flat,)))
        common["inputs"] = (flat,)
    return ir.FullyConnected(**common)


def _max_pool(m: _Maker, node: Node) -> Op:
    return ir.MaxPool(**m.names(node), window=node.kernel, **_window(node))


def _average(m: _Maker, node: Node) -> Op:
    return ir.AveragePool(**m.names(node), window=node.kernel, **_window(node))


def _mean(m: _Maker, node: Node) -> Op:
    source = m.shapes[node.inputs[0]].shape
    count = source[0] * source[1]
    multiplier, shift = quantise_multiplier(1 / math.sqrt(count))
    zero = m.zeros[node.inputs[0]]
    return ir.Mean(
        **m.names(node), axes=(1, 2), keep_dims=True, requant=Requant(np.array([multiplier]), np.array([shift])),
        act=Act(zero), zero_in=zero, count=count,
    )  # fmt: skip


def _add(m: _Maker, node: Node) -> Op:
    """Both operands at seven tenths, so that the spread stays; TFLite's left shift by 20 in front."""
    if len(node.inputs) != 2:
        raise UnsupportedError(f"a sum of {len(node.inputs)}", where=f"node '{node.name}'")
    half, out = quantise_multiplier(0.5), quantise_multiplier(1.4 / (1 << 20))
    pair = (_scale(half), _scale(half))
    zeros = (m.zeros[node.inputs[0]], m.zeros[node.inputs[1]])
    return ir.Add(**m.names(node), zero=zeros, left_shift=20, requant_in=pair, requant=_scale(out), act=m.act(node))


def _scale(pair: tuple[int, int]) -> Requant:
    return Requant(np.array([pair[0]]), np.array([pair[1]]))


def _table(m: _Maker, node: Node) -> Op:
    return ir.Table(**m.names(node), table=m.rng.permutation(256).astype(np.uint8).view(np.int8))


def _concat(m: _Maker, node: Node) -> Op:
    return ir.Concat(**m.names(node), axis=3)


def _stack(m: _Maker, node: Node) -> Op:
    return ir.Concat(**m.names(node), axis=1)


def _upsample(m: _Maker, node: Node) -> Op:
    rows, columns = (tuple(i // node.scale for i in range(size)) for size in node.shape[:2])
    return ir.ResizeNearest(**m.names(node), rows=rows, columns=columns)


def _reshape(m: _Maker, node: Node) -> Op:
    return ir.Reshape(**m.names(node))


def _pad(m: _Maker, node: Node) -> Op:
    top, bottom, left, right = node.pad
    return ir.Pad(**m.names(node), pads=((0, 0), (top, bottom), (left, right), (0, 0)), value=m.zeros[node.inputs[0]])


def _softmax(m: _Maker, node: Node) -> Op:
    return ir.Softmax(**m.names(node), multiplier=1 << 30, shift=23, diff_min=-124)


_SHAPE_OF_INPUT = (Kind.TABLE, Kind.SOFTMAX)
_Make: TypeAlias = Callable[[_Maker, Node], Op]
_MAKERS: dict[Kind, _Make] = {
    Kind.CONV: _conv, Kind.DEPTHWISE: _depthwise, Kind.DENSE: _dense, Kind.MAX_POOL: _max_pool,
    Kind.AVG_POOL: _average, Kind.MEAN: _mean, Kind.ADD: _add, Kind.TABLE: _table, Kind.CONCAT: _concat,
    Kind.STACK: _stack, Kind.UPSAMPLE: _upsample, Kind.RESHAPE: _reshape, Kind.PAD: _pad, Kind.SOFTMAX: _softmax,
}  # fmt: skip
