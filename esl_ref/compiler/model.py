# SPDX-License-Identifier: Apache-2.0
"""A whole model: accelerator Programs with host steps between them, all on one machine sized by the plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from esl_ref.arch import Arch
from esl_ref.compiler import fold
from esl_ref.compiler.emit import emit
from esl_ref.compiler.geometry import window_extent
from esl_ref.compiler.lower import Lowered, lower
from esl_ref.compiler.overlap import overlapped
from esl_ref.compiler.rolling import roll
from esl_ref.compiler.schedule import Compute, Group, Schedule, build, layerwise_groups, lifetimes
from esl_ref.compiler.segments import Segment, split
from esl_ref.errors import PlanError
from esl_ref.ir import Graph
from esl_ref.planner.storage import Interval, StoragePlan, check_budget, plan_storage
from esl_ref.program.fields import Opcode
from esl_ref.program.image import Program

__all__ = ["Compiled", "HostStep", "ProgramStep", "compile_model"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class HostStep:
    """Operators that the host computes with the golden operators."""

    segment: Segment


@dataclass(frozen=True)
class ProgramStep:
    """One accelerator segment: its plan and its Program."""

    segment: Segment
    lowered: Lowered
    schedule: Schedule
    plan: StoragePlan
    program: Program


@dataclass(frozen=True)
class Compiled:
    """A model ready to run. `graph` is the graph after folding; `arch` has the depths that the plan asks for."""

    graph: Graph
    arch: Arch
    steps: tuple[HostStep | ProgramStep, ...]

    @property
    def programs(self) -> tuple[ProgramStep, ...]:
        """The accelerator's part."""
        return tuple(s for s in self.steps if isinstance(s, ProgramStep))


def _intervals(schedule: Schedule) -> tuple[Interval, ...]:
    wraps: dict[str, int] = {}
    for step in schedule.steps:
        views = (step.task.ifm, step.task.ofm, step.task.ifm2) if isinstance(step, Compute) else (step.view,)
        wraps |= {v.storage.name: v.storage.wrap for v in views if v is not None}
    spans = lifetimes(schedule)
    return tuple(Interval(name, wraps[name], *span) for name, span in spans.items())


def _depths(arch: Arch, lowered: list[Lowered], plans: list[StoragePlan], sram: int | None) -> Arch:
    """Memory depths: the arena rounded to whole bank pairs, room for two of the largest weight groups, no more than the
    model has weights, and line buffers as long as its widest depthwise map."""
    unit = 2 * arch.lanes
    height = max((p.height for p in plans), default=0) if sram is None else sram
    tasks = [t for low in lowered for t in low.tasks]
    largest = max((t.weights.per_group for t in tasks), default=2)
    total = sum(t.weights.per_group * (1 if t.weights.shared else t.groups(arch.lanes)) for t in tasks)
    columns = [window_extent(t)[0] for t in tasks if t.opcode is Opcode.DEPTHWISE_WINDOW and t.column]
    return arch.with_depths(
        act_bytes=max(unit, -(-height // unit) * unit),
        weight_words=max(2, min(max(arch.weight_words, 2 * largest), total)),
        line_depth=max(2, *columns, 2),
    )


def compile_model(
    graph: Graph, arch: Arch, *, sram: int | None = None, trace: bool = False, sized: Arch | None = None,
    groups: Callable[[Lowered], Sequence[Group]] | None = None,
) -> Compiled:
    """Compile `graph` for `arch`, whose depths the plan sets.

    sram: activation SRAM bytes to fit and to build (default: what the plan needs). trace: also store every tensor to
    external memory, for comparison. sized: use exactly this machine instead of sizing one (BudgetError if too small).
    groups: how the tasks of a segment are grouped and streamed (default: layer by layer).
    """
    folded = fold.fold_padding(graph)
    arch = arch.with_depths(profile=folded.profile)  # type: ignore[arg-type]
    segments = split(folded)
    lowered = {id(s): lower(folded, s, arch) for s in segments if not s.host}
    choose = groups or layerwise_groups
    schedules = {key: overlapped(roll(build(low, choose(low), trace=trace)), arch) for key, low in lowered.items()}
    plans = {key: plan_storage(_intervals(schedules[key])) for key, low in lowered.items()}
    if not lowered:
        raise PlanError("no operator runs on the accelerator", where=f"model '{graph.name}'")
    final = sized or _depths(arch, list(lowered.values()), list(plans.values()), sram)
    for plan in plans.values():
        check_budget(plan, final.act_bytes if sram is None else sram, graph.name)
    steps: list[HostStep | ProgramStep] = []
    for number, segment in enumerate(segments):
        key = id(segment)
        if segment.host:
            steps.append(HostStep(segment))
            continue
        name = f"{graph.name}.{number}"
        program = emit(folded, schedules[key], final, plans[key].addresses, segment.inputs, name)
        steps.append(ProgramStep(segment, lowered[key], schedules[key], plans[key], program))
    return Compiled(folded, final, tuple(steps))


def run_steps(compiled: Compiled, inputs: Mapping[str, Array], run_program: Any, run_host: Any) -> dict[str, Array]:
    """Run all steps over named tensors. `run_program(step, tensors)` and `run_host(op, graph, tensors)` return tensors."""
    tensors: dict[str, Array] = {n: np.asarray(v) for n, v in inputs.items()}
    for step in compiled.steps:
        if isinstance(step, HostStep):
            for op in step.segment.ops:
                tensors.update(run_host(op, compiled.graph, tensors))
        else:
            tensors.update(run_program(step, {n: tensors[n] for n in step.segment.inputs}))
    return tensors
