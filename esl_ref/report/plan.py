# SPDX-License-Identifier: Apache-2.0
"""A plan as plain data: order, strips, SRAM map with lifetimes, lower bound, predicted cycles by term."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from esl_ref.arch import Arch
from esl_ref.compiler.accounts import sram_bytes
from esl_ref.compiler.model import Compiled, HostStep, ProgramStep
from esl_ref.compiler.schedule import WHOLE, Load, Store
from esl_ref.compiler.sizing import Sizing, scratch_bytes
from esl_ref.cycle_bounds import Bound, network_bound
from esl_ref.machine.timing import predict
from esl_ref.planner.floor import least_arena

__all__ = ["BufferRow", "GroupRow", "PlanReport", "SegmentReport", "report"]


@dataclass(frozen=True)
class BufferRow:
    """A storage: SRAM address, bytes held, the tensors' full bytes, steps [first, last), whether alive at the peak."""

    name: str
    address: int
    bytes: int
    first: int
    last: int
    at_peak: bool


@dataclass(frozen=True)
class GroupRow:
    """Tasks that stream together; strip 0 means whole maps."""

    tasks: tuple[str, ...]
    strip: int


@dataclass(frozen=True)
class SegmentReport:
    """One accelerator Program. `bound` is what its own schedule keeps alive; no plan of these tasks needs fewer bytes
    than `least`, which operator `neediest` asks for."""

    name: str
    groups: tuple[GroupRow, ...]
    steps: int
    commands: int
    buffers: tuple[BufferRow, ...]
    height: int
    bound: int
    cycles: int
    terms: Mapping[str, int]
    input_bytes: int
    read_bytes: int
    write_bytes: int
    least: int
    neediest: str


@dataclass(frozen=True)
class PlanReport:
    """A whole model on one machine."""

    model: str
    arch: Mapping[str, int | str]
    arch_hash: str
    segments: tuple[SegmentReport, ...]
    host: tuple[str, ...]
    cycles: int
    bounds: Bound
    sram_bytes: Mapping[str, int]

    @property
    def height(self) -> int:
        """Bytes of the largest arena."""
        return max(s.height for s in self.segments)


def _segment(step: ProgramStep, planning: Arch) -> SegmentReport:
    timing = predict(step.program)
    arch, tasks = step.program.arch, step.lowered.tasks
    loaded = {s.view.storage.name for s in step.schedule.steps if isinstance(s, Load) and not s.parked}
    peak = set(step.plan.peak)
    buffers = tuple(
        BufferRow(i.name, step.plan.addresses[i.name], i.bytes, i.first, i.last, i.name in peak)
        for i in sorted(step.plan.intervals, key=lambda i: (i.first, i.last))
    )
    groups = tuple(
        GroupRow(tuple(tasks[i].op for i in range(g.first, g.last)), 0 if g.strip >= WHOLE else g.strip)
        for g in step.choice.groups
    )
    return SegmentReport(
        step.program.name, groups, sum(not isinstance(s, Store) for s in step.schedule.steps),
        len(step.program.commands), buffers, step.plan.height, step.plan.bound, timing.cycles, timing.counters,
        sum(b.bytes for b in buffers if b.name in loaded and b.at_peak),
        timing.counters["READ_BEATS"] * arch.axi_bytes, timing.counters["WRITE_BEATS"] * arch.axi_bytes,
        *least_arena(step.lowered, planning),
    )  # fmt: skip


def report(compiled: Compiled, model: str) -> PlanReport:
    """Everything `esl-ref plan` says."""
    arch = compiled.arch
    planning = Sizing(arch, tuple(s.lowered for s in compiled.programs), scratch_bytes(arch)).planning()
    segments = tuple(_segment(s, planning) for s in compiled.programs)
    host = tuple(op.name for s in compiled.steps if isinstance(s, HostStep) for op in s.segment.ops)
    return PlanReport(
        model, compiled.arch.to_dict(), f"{compiled.arch.hash():016x}", segments, host,
        sum(s.cycles for s in segments), network_bound(compiled.graph, compiled.arch),
        sram_bytes(compiled),
    )  # fmt: skip
