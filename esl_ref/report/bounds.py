# SPDX-License-Identifier: Apache-2.0
"""Least cycles of a model on an architecture, from its shapes alone: what no schedule can beat."""

from __future__ import annotations

from dataclasses import dataclass

from esl_ref.arch import Arch
from esl_ref.ir import Add, AveragePool, Conv2D, DepthwiseConv2D, FullyConnected, Graph, MaxPool, Mean, Mul, Op
from esl_ref.macs import macs as op_macs

__all__ = ["Bounds", "bounds", "lane_cycles"]


@dataclass(frozen=True)
class Bounds:
    """macs / multipliers; the same with every layer rounded up to whole lanes; bytes of weights over the bus."""

    ideal: int
    lanes: int
    weights: int

    @property
    def least(self) -> int:
        """The larger of the lane-quantised and the weight-traffic bound."""
        return max(self.lanes, self.weights)


def _up(value: int, unit: int) -> int:
    return -(-value // unit)


def lane_cycles(op: Op, graph: Graph, lanes: int) -> int:
    """Array cycles of an operator with whole lanes: per pixel and group of `lanes` output channels, a convolution takes
    KH * ceil(KW * I / lanes), a depthwise window ceil(KH * KW / lanes), pooling one; elementwise takes `lanes`
    elements."""
    out = graph.tensors[op.outputs[0]]
    if isinstance(op, Conv2D):
        o, kh, kw, i = op.weight.shape
        pixels = out.elements // o
        return pixels * op.groups * _up(o // op.groups, lanes) * kh * _up(kw * i, lanes)
    if isinstance(op, FullyConnected):
        o, i = op.weight.shape
        return out.elements // o * _up(o, lanes) * _up(i, lanes)
    if isinstance(op, DepthwiseConv2D):
        kh, kw, channels = op.weight.shape
        return out.elements // channels * _up(channels, lanes) * _up(kh * kw, lanes)
    if isinstance(op, AveragePool | MaxPool | Mean):
        return _up(out.elements, lanes)
    return _up(out.elements, lanes) if isinstance(op, Add | Mul) else 0


def bounds(graph: Graph, arch: Arch) -> Bounds:
    """Bounds of a whole model. Weights count one byte each; biases and scales come on top."""
    macs = weights = cycles = 0
    for op in graph.ops:
        cycles += lane_cycles(op, graph, arch.lanes)
        if isinstance(op, Conv2D | DepthwiseConv2D | FullyConnected):
            macs += op_macs(op, graph)
            weights += op.weight.size
    return Bounds(_up(macs, arch.macs_per_cycle), cycles, _up(weights, arch.axi_bytes))
