# SPDX-License-Identifier: Apache-2.0
"""Per-layer figures of a co-simulation: exactness, cycles and their causes, work and bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from esl_ref.arch import Arch
from esl_ref.compiler.segments import Segment
from esl_ref.cycle_bounds import Bound, op_bound
from esl_ref.ir import Graph, Op
from esl_ref.macs import macs
from sim.jobs import JobResult, Record

__all__ = ["Layer", "Tail", "host_layers", "seen_through", "segment_layers"]


@dataclass(frozen=True)
class Layer:
    """One operator.

    runs_on    'accelerator', or 'host' for what the reference computes in every executor
    bit_exact  whether its tensor, or those it is seen through, equal golden; None for host operators
    seen_in    tensors that were compared to know: its own, or those of its consumers where it has none in memory
    cycles     of its turns, each from the completion of the command before to that of its last; 0 for what takes no
               command
    causes     the counters over the same cycles
    """

    name: str
    kind: str
    tensor: str
    shape: tuple[int, ...]
    runs_on: str
    bit_exact: bool | None = None
    seen_in: tuple[str, ...] = ()
    cycles: int = 0
    predicted_cycles: int = 0
    macs: int = 0
    utilisation: float = 0.0
    bound: Bound = field(default_factory=lambda: Bound(0, 0, 0))
    causes: Mapping[str, int] = field(default_factory=dict)

    @property
    def stalls(self) -> dict[str, int]:
        """Causes other than work, the largest first."""
        idle = {n: v for n, v in self.causes.items() if v and (n.startswith("STALL") or n == "OVERHEAD")}
        return dict(sorted(idle.items(), key=lambda item: -item[1]))


@dataclass(frozen=True)
class Tail:
    """What comes after the last layer: the rest of the stores and records."""

    cycles: int
    causes: Mapping[str, int]


def seen_through(graph: Graph, tensor: str, compared: frozenset[str]) -> tuple[str, ...]:
    """The compared tensors in which an error of `tensor` would show: itself, or the nearest made from it."""
    if tensor in compared:
        return (tensor,)
    consumers, found, pending, known = graph.consumers(), [], [tensor], {tensor}
    while pending:
        for op in consumers.get(pending.pop(0), ()):
            for out in op.outputs:
                if out in known or op.host:
                    continue
                known.add(out)
                if out in compared:
                    found.append(out)
                else:
                    pending.append(out)
    return tuple(found)


def _spent(records: Sequence[Record]) -> tuple[dict[int, dict[str, int]], dict[str, int]]:
    """Layer number -> counters over its turns, each from the completion before to its own; and the last ones."""
    spent: dict[int, dict[str, int]] = {}
    before: Mapping[str, int] = {}
    for record in records:
        total = spent.setdefault(record.tag, {})
        for name, value in record.counters.items():
            total[name] = total.get(name, 0) + value - before.get(name, 0)
        before = record.counters
    return spent, dict(before)


def segment_layers(
    graph: Graph, segment: Segment, arch: Arch, profiled: JobResult, predicted: JobResult,
    compared: frozenset[str], wrong: frozenset[str],
) -> tuple[list[Layer], Tail]:  # fmt: skip
    """Layers of an accelerator segment. `profiled`, `predicted`: its profiled run on RTL and on the ESL machine."""
    spent, at_last = _spent(profiled.records)
    expected, _ = _spent(predicted.records)
    layers = []
    for number, op in enumerate(segment.ops):
        causes = dict(spent.get(number, {}))
        cycles, work = causes.pop("CYCLES", 0), macs(op, graph)
        seen = seen_through(graph, op.outputs[0], compared)
        layers.append(Layer(
            op.name, op.kind, op.outputs[0], graph.tensors[op.outputs[0]].shape, "accelerator",
            bit_exact=not wrong.intersection(seen) if seen else None, seen_in=seen, cycles=cycles,
            predicted_cycles=expected.get(number, {}).get("CYCLES", 0), macs=work,
            utilisation=work / (cycles * arch.macs_per_cycle) if cycles else 0.0,
            bound=op_bound(op, graph, arch), causes=causes,
        ))  # fmt: skip
    rest = {n: v - at_last.get(n, 0) for n, v in profiled.counters.items()}
    return layers, Tail(rest.pop("CYCLES", 0), rest)


def host_layers(graph: Graph, ops: Sequence[Op]) -> list[Layer]:
    """Layers that the host computes."""
    return [Layer(op.name, op.kind, op.outputs[0], graph.tensors[op.outputs[0]].shape, "host") for op in ops]
