# SPDX-License-Identifier: Apache-2.0
"""The accelerator's own mappings as primitives for selection, with an analytic model of time and on-chip bytes.

Streamed mappings go row by row over a map in NHWC order and re-read weights once per strip of rows unless they are
resident. Either a tile (all weights of 16 output channels) is on chip at a time, or single words of 16 x 16 weights
beside int32 sums for the strip. Stationary mappings keep a tile and go over the whole map, once per 16 output channels,
reading and writing planes of 16 channels. Compute and transfers overlap where weights are double-buffered.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import ceil

from esl_ref.planner.methods.ilp import Choice, Conversion
from esl_ref.workloads.graph import Kind, Node, ShapeGraph

__all__ = ["Machine", "mappings"]

_STRIPS = (1, 2, 4, 8, 16)
ROWS, PLANES = "rows", "planes"


@dataclass(frozen=True)
class Machine:
    """Array of lanes_in x lanes_out multipliers and a bus of `bus` bytes per cycle; `taps` per depthwise lane."""

    lanes_in: int = 16
    lanes_out: int = 16
    bus: int = 8
    taps: int = 9


def mappings(graph: ShapeGraph, machine: Machine | None = None) -> tuple[dict[str, list[Choice]], Conversion]:
    """Primitives of every node and the cost of changing a tensor's order."""
    machine = machine or Machine()
    found = {node.name: list(_choices(graph, node, machine)) for node in graph.nodes}

    def conversion(name: str, has: str, wants: str) -> int:
        # Out to memory and back in the other order.
        return 0 if has == wants else ceil(2 * graph[name].nbytes / machine.bus)

    return found, conversion


def _choices(graph: ShapeGraph, node: Node, machine: Machine) -> Iterator[Choice]:
    if node.kind is Kind.INPUT:
        yield Choice("load", ceil(node.nbytes / machine.bus), node.row_bytes, ROWS, ROWS)
    elif node.kind in (Kind.CONV, Kind.DENSE, Kind.DEPTHWISE):
        yield from _weighted(graph, node, machine)
    else:
        cycles = ceil(node.nbytes / machine.lanes_out)
        sources = [graph[name] for name in node.inputs]
        taken = [node.rows(source.shape, node.shape[0] // 2) for source in sources]
        rows = sum((b - a) * source.row_bytes for (a, b), source in zip(taken, sources, strict=True))
        lanes = machine.lanes_out
        planes = sum((b - a) * source.shape[1] * lanes for (a, b), source in zip(taken, sources, strict=True))
        yield Choice("pass", cycles, rows + node.row_bytes, ROWS, ROWS)
        yield Choice("pass", cycles, planes + node.shape[1] * lanes, PLANES, PLANES)


def _compute(graph: ShapeGraph, node: Node, machine: Machine) -> dict[str, int]:
    """Cycles by what lies on the input lanes: channels, a kernel row of them, or the whole window."""
    h, w, c = node.shape
    kh, kw = node.kernel
    if node.kind is Kind.DEPTHWISE:
        return {"window": h * w * ceil(kh * kw / machine.taps) * ceil(c / machine.lanes_out)}
    source = graph[node.inputs[0]].shape
    depth = source[0] * source[1] * source[2] if node.kind is Kind.DENSE else source[2] // node.groups
    outs = ceil(c / node.groups / machine.lanes_out) * node.groups
    return {
        "c": h * w * kh * kw * ceil(depth / machine.lanes_in) * outs,
        "kx,c": h * w * kh * ceil(kw * depth / machine.lanes_in) * outs,
        "ky,kx,c": h * w * ceil(kh * kw * depth / machine.lanes_in) * outs,
    }


def _weighted(graph: ShapeGraph, node: Node, machine: Machine) -> Iterator[Choice]:
    h, w, c = node.shape
    source = graph[node.inputs[0]]
    tile = ceil(node.weight_bytes * min(machine.lanes_out, c) / c)
    for lanes, compute in _compute(graph, node, machine).items():
        # Whole windows on the lanes need every kernel row at once, in a buffer of its own.
        window = 0 if lanes == "c" else (node.kernel[0] if "ky" in lanes else 1) * source.row_bytes
        for strip, depth in product([s for s in _STRIPS if s < 2 * h], (1, 2)):
            rows = min(source.shape[0], (min(strip, h) - 1) * node.stride[0] + node.kernel[0])
            held = rows * source.row_bytes + min(strip, h) * node.row_bytes + window
            fetch = ceil(node.weight_bytes * ceil(h / strip) / machine.bus)
            cycles = max(compute, fetch) if depth > 1 else compute + fetch
            yield Choice(f"{lanes}/strip{strip}/x{depth}", cycles, held + depth * tile, ROWS, ROWS)
            word = machine.lanes_in * machine.lanes_out
            sums = 4 * min(strip, h) * w * machine.lanes_out
            yield Choice(f"{lanes}/strip{strip}/words/x{depth}", cycles, held + depth * word + sums, ROWS, ROWS)
        held = node.kernel[0] * source.row_bytes + node.row_bytes + window
        once = ceil(node.weight_bytes / machine.bus)
        yield Choice(f"{lanes}/resident", compute + once, held + node.weight_bytes, ROWS, ROWS)
        if node.kind is Kind.CONV:
            yield from _stationary(node, source, machine, lanes, compute, window)


def _stationary(node: Node, source: Node, machine: Machine, lanes: str, compute: int, window: int) -> Iterator[Choice]:
    """The whole map once per tile of output channels, read from memory each time; planes of channels on both sides."""
    tile = ceil(node.weight_bytes * min(machine.lanes_out, node.shape[2]) / node.shape[2])
    passes = ceil(node.shape[2] / machine.lanes_out)
    traffic = ceil((node.weight_bytes + passes * source.nbytes + node.nbytes) / machine.bus)
    rows = node.kernel[0] * source.row_bytes + node.shape[1] * min(machine.lanes_out, node.shape[2]) * node.itemsize
    for depth in (1, 2):
        cycles = max(compute, traffic) if depth > 1 else compute + traffic
        yield Choice(f"{lanes}/stationary/x{depth}", cycles, rows + window + depth * tile, PLANES, PLANES)
