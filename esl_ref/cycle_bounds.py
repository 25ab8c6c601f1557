# SPDX-License-Identifier: Apache-2.0
"""Paper bounds on a layer's cycles: what the lanes can do at best, and what its weights cost on the bus.

The lane-quantised bound counts array cycles of one output pixel after the other: a convolution packs each kernel row's
(kx, c) bytes densely on the input lanes, a depthwise window feeds its taps to the lane of their own channel, an
addition takes one vector per cycle, and channels round up to whole groups of lanes. Pooling has no multiplications and
counts as free. Layers that leave lanes empty so may be faster than that: pixels side by side, one channel through the
window, rows of padding left out (docs/engine.md). The weight-traffic bound is the layer's weight bytes over the bytes
of a bus beat.
"""

from __future__ import annotations

from dataclasses import dataclass

from esl_ref.arch import Arch
from esl_ref.ir import Add, Conv2D, DepthwiseConv2D, FullyConnected, Graph, Mul, Op, Sub
from esl_ref.macs import macs

__all__ = ["Bound", "network_bound", "op_bound"]


@dataclass(frozen=True)
class Bound:
    """Cycles, each a lower bound by one resource: `ideal` is MACs over the array's multipliers, `lanes` the
    lane-quantised bound, `weights` the weight traffic."""

    ideal: int
    lanes: int
    weights: int

    @property
    def cycles(self) -> int:
        """The larger of the two that can bind."""
        return max(self.lanes, self.weights)

    def beside(self, cycles: int, which: str) -> str:
        """Where so many cycles lie: "8.0 % above the larger of the first two", `which` being the two."""
        off = 100 * cycles / self.cycles - 100 if self.cycles else 0.0
        if off >= 0:
            return f"{off:.1f} % above the larger of {which}"
        return f"{-off:.1f} % below the larger of {which}: lanes that these leave empty are used (docs/engine.md)"


def _up(value: int, unit: int) -> int:
    return -(-value // unit)


def _conv(op: Conv2D, pixels: int, lanes: int) -> int:
    outputs, rows, columns, channels = op.weight.shape
    dense = op.dilation[1] == 1 and op.groups == 1
    per_row = _up(columns * channels, lanes) if dense else columns * _up(channels, lanes)
    return int(pixels * op.groups * _up(outputs // op.groups, lanes) * rows * per_row)


def _lane_cycles(op: Op, graph: Graph, lanes: int) -> int:
    shape = graph.tensors[op.outputs[0]].shape
    channels = shape[-1] if shape else 1
    pixels = graph.tensors[op.outputs[0]].elements // max(channels, 1)
    if isinstance(op, Conv2D):
        return _conv(op, pixels, lanes)
    if isinstance(op, DepthwiseConv2D):
        taps = op.weight.shape[0] * op.weight.shape[1]
        return pixels * _up(channels, lanes) * _up(taps, lanes)
    if isinstance(op, FullyConnected):
        return pixels * _up(channels, lanes) * _up(op.weight.shape[1], lanes)
    if isinstance(op, Add | Sub | Mul):
        return pixels * _up(channels, lanes)
    return 0


def op_bound(op: Op, graph: Graph, arch: Arch) -> Bound:
    """Bounds of one operator."""
    has_weights = isinstance(op, Conv2D | DepthwiseConv2D | FullyConnected)
    weights = _up(op.weight.size, arch.axi_bytes) if has_weights else 0  # type: ignore[attr-defined]
    return Bound(_up(macs(op, graph), arch.macs_per_cycle), _lane_cycles(op, graph, arch.lanes), weights)


def network_bound(graph: Graph, arch: Arch) -> Bound:
    """Bounds of a whole network.

    Weights of convolutions can hide behind the pixels of other layers. Those of a fully connected layer are used once
    each, so there the lane-quantised bound is the larger of its array cycles and its weight traffic. Operators that
    share their weights, as the tiles of one do, read them once.
    """
    bounds = [(op, op_bound(op, graph, arch)) for op in graph.ops]
    lanes = sum(b.cycles if isinstance(op, FullyConnected) else b.lanes for op, b in bounds)
    total = sum(macs(op, graph) for op in graph.ops)
    read = {id(getattr(op, "weight", op)): b.weights for op, b in bounds}
    return Bound(_up(total, arch.macs_per_cycle), lanes, sum(read.values()))
