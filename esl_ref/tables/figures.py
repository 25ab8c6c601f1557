# SPDX-License-Identifier: Apache-2.0
"""What a plan that runs costs: the columns that every table of Programs has, each worked out in one place."""

from __future__ import annotations

from dataclasses import dataclass

from esl_ref.ir import Graph
from esl_ref.macs import total_macs
from esl_ref.pipeline import Planned
from esl_ref.program.fields import Opcode
from esl_ref.program.image import Program
from esl_ref.report.plan import report

__all__ = ["COLUMNS", "Figures", "figures", "weight_reads"]

COLUMNS = ("tensors", "with input", "with scratch", "RTL", "gap %", "MACs x", "weights x", "external", "cycles")


@dataclass(frozen=True)
class Figures:
    """One plan in the four accountings of on-chip bytes, and its costs.

    tensors, with_input, scratch, rtl   on-chip bytes: feature maps; with the network's input, which is the arena; with
                                        everything else that the plan asks for; in the memories of the RTL
    gap                                 per cent by which the arena exceeds the liveness bound of its own schedule
    macs, weights                       work, and weight bytes loaded, over those of the network computed and read once
    external, cycles                    bytes to and from external memory, cycles of the ESL machine
    """

    tensors: int
    with_input: int
    scratch: int
    rtl: int
    gap: float
    macs: float
    weights: float
    external: int
    cycles: int

    @property
    def cells(self) -> tuple[int | float, ...]:
        """In the order of `COLUMNS`."""
        return (self.tensors, self.with_input, self.scratch, self.rtl, self.gap, self.macs, self.weights, self.external,
                self.cycles)  # fmt: skip


def figures(planned: Planned, graph: Graph) -> Figures:
    """Figures of `planned`, a plan of `graph`."""
    found = report(planned.compiled, graph.name)
    cycles, external = planned.costs()
    largest = max(found.segments, key=lambda s: s.height)
    sram = found.sram_bytes
    return Figures(
        sram["tensors"], sram["with_input"], sram["with_scratch"], sram["rtl_memories"],
        round(100 * (largest.height / max(1, largest.bound) - 1), 2),
        round(total_macs(planned.compiled.graph) / max(1, total_macs(graph)), 3),
        weight_reads([step.program for step in planned.compiled.programs]), external, cycles,
    )  # fmt: skip


def weight_reads(programs: list[Program]) -> float:
    """Bytes of weights (with their records) that Programs load, over those of every load's place counted once."""
    loaded = once = 0
    for program in programs:
        loads = [c for c in program.commands if c.opcode is Opcode.LOAD_WEIGHTS]
        loaded += sum(c["size"] for c in loads)
        once += sum({c["offset"]: c["size"] for c in loads}.values())
    return round(loaded / once, 2) if once else 1.0
