# SPDX-License-Identifier: Apache-2.0
"""The accelerator's own mappings as primitives for selection, each timed by the ESL machine.

A layer runs in strips of rows, from and to external memory or on maps that lie whole in activation SRAM, with weight
SRAM for one group of output channels, for a second that arrives meanwhile, or for all of its weights. Two memories
count: activation SRAM and weight SRAM, each as large as the neediest layer asks for. Maps may stay on chip only from a
layer to the next one, if nobody else reads them: then nothing else lives at the same time.

There is one way to put a layer on the lanes, the one that the compiler takes (whole kernel rows for convolutions,
windows for depthwise ones): it is never slower than tap by tap, and needs no more memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from esl_ref.arch import Arch, load
from esl_ref.compiler.schedule import WHOLE
from esl_ref.errors import ArchError
from esl_ref.planner.methods.ilp import Choice, Conversion
from esl_ref.planner.methods.layer_time import CHIP, MEMORY, Layer, Mapping
from esl_ref.workloads.graph import ALIASES, Kind, Node, ShapeGraph

__all__ = ["mappings"]

STRIPS = (1, 2, 4, 8)
"""Strip heights that are tried, besides whole maps."""
SLOW = 4
"""Mappings whose weights alone keep the bus busy for so many times the fastest mapping's cycles are left out."""
_FREE = frozenset({Kind.INPUT, Kind.SOFTMAX, Kind.CONCAT, Kind.STACK, Kind.SLICE}) | ALIASES
"""Addressing alone, the host's work, or nothing."""


def mappings(
    graph: ShapeGraph, arch: Arch | None = None, say: Callable[[str], None] = lambda node: None
) -> tuple[dict[str, list[Choice]], Conversion]:
    """Primitives of every node, and the cycles of moving a tensor between memory and SRAM. `say` is told every node."""
    arch = arch or load("base")
    known: dict[Any, list[Choice]] = {}
    found = {}
    for number, node in enumerate(graph.nodes):
        say(node.name)
        alone = replace(node, name="", inputs=())
        key = alone, tuple(graph[name].shape for name in node.inputs), node.kind in _FREE
        if key not in known:
            known[key] = list(_choices(graph, node, arch))
        kept = _stays(graph, number)
        found[node.name] = [c for c in known[key] if c.writes == MEMORY or kept]

    def conversion(name: str, has: str, wants: str) -> int:
        latency = 64  # of the first beat, and of the last response
        return 0 if has == wants else graph[name].nbytes // arch.axi_bytes + latency

    return found, conversion


def _stays(graph: ShapeGraph, number: int) -> bool:
    """Whether a node's output may stay on chip: its only reader runs next."""
    readers = graph.consumers[graph.nodes[number].name]
    following = graph.nodes[number + 1 : number + 2]
    return len(readers) == 1 and readers[0] is following[0] and len(following[0].inputs) == 1


def _choices(graph: ShapeGraph, node: Node, arch: Arch) -> Iterator[Choice]:
    if node.kind in _FREE:
        yield Choice("memory", 0, 0, MEMORY, MEMORY)
        if node.kind in ALIASES:
            yield Choice("chip", 0, node.nbytes, CHIP, CHIP)
        return
    layer = Layer(graph, node, arch)
    best = None
    for mapping in _mappings(layer):
        if best is not None and _reload_cycles(layer, mapping) > SLOW * best:
            continue
        try:
            cycles, arena = layer.cost(mapping)
        except ArchError:  # more than any machine has
            continue
        best = min(best or cycles, cycles)
        yield Choice(_named(mapping), cycles, arena, mapping.reads, mapping.writes, mapping.words * arch.word_bytes)


def _mappings(layer: Layer) -> Iterator[Mapping]:
    """Likely fast ones first."""
    single, double, resident = layer.word_counts
    for reads, writes in ((CHIP, CHIP), (MEMORY, MEMORY), (CHIP, MEMORY), (MEMORY, CHIP)):
        for words in dict.fromkeys((double, single)):
            yield Mapping(WHOLE, words, reads, writes)
        if layer.node.kind is Kind.DENSE or (reads, writes) == (CHIP, CHIP):
            continue
        for strip in STRIPS if (reads, writes) == (MEMORY, MEMORY) else STRIPS[-1:]:
            if strip < layer.node.shape[0]:
                for words in dict.fromkeys((double, resident, single) if strip == STRIPS[0] else (double, resident)):
                    yield Mapping(strip, words, reads, writes)


def _reload_cycles(layer: Layer, mapping: Mapping) -> int:
    """Bus cycles of the weights, once per strip unless they stay."""
    _, _, resident = layer.word_counts
    times = 1 if mapping.words >= resident else max(1, -(-layer.node.shape[0] // mapping.strip))
    return times * resident * layer.arch.word_bytes // layer.arch.axi_bytes


def _named(mapping: Mapping) -> str:
    rows = "whole map" if mapping.strip == WHOLE else f"{mapping.strip} rows"
    return f"{rows}, {mapping.words} weight words, {mapping.reads} to {mapping.writes}"
