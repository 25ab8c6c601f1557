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
from esl_ref.compiler.schedule import Compute, Group, Schedule, build
from esl_ref.compiler.segments import Segment, split
from esl_ref.compiler.weights import PARTS
from esl_ref.errors import PlanError
from esl_ref.ir import Graph, Op
from esl_ref.planner.storage import Interval, StoragePlan, check_budget, plan_storage
from esl_ref.program.fields import Opcode
from esl_ref.program.image import Program

__all__ = [
    "Choice", "Compiled", "HostStep", "ProgramStep", "Strategy", "compile_model", "depths", "prepare",
    "realise", "run_steps",
]  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """What a planner decides for one segment: groups of tasks that stream together, and how finely weights are cut."""

    groups: tuple[Group, ...]
    parts: int = PARTS


@dataclass(frozen=True)
class HostStep:
    """Operators that the host computes with the golden operators."""

    segment: Segment


@dataclass(frozen=True)
class ProgramStep:
    """One accelerator segment: its plan and its Program."""

    segment: Segment
    lowered: Lowered
    choice: Choice
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


@dataclass(frozen=True)
class Realised:
    """A choice worked out: the order of steps and where storages lie."""

    schedule: Schedule
    plan: StoragePlan


def prepare(graph: Graph, arch: Arch) -> tuple[Graph, Arch, tuple[Segment, ...], dict[int, Lowered]]:
    """Fold, cut into segments, lower: (folded graph, machine with its profile, segments, segment number -> lowered)."""
    folded = fold.fold_padding(graph)
    arch = arch.with_depths(profile=folded.profile)  # type: ignore[arg-type]
    segments = split(folded)
    lowered = {n: lower(folded, s, arch) for n, s in enumerate(segments) if not s.host}
    if not lowered:
        raise PlanError("no operator runs on the accelerator", where=f"model '{graph.name}'")
    return folded, arch, segments, lowered


def realise(lowered: Lowered, choice: Choice, arch: Arch, *, trace: bool = False) -> Realised:
    """Steps in order over rolling storages, and their addresses."""
    schedule = overlapped(roll(build(lowered, choice.groups, arch, trace=trace)), arch)
    return Realised(schedule, plan_storage(_intervals(schedule)))


def _intervals(schedule: Schedule) -> tuple[Interval, ...]:
    """Storages with the half-open ranges of steps during which their bytes matter."""
    return tuple(Interval(name, size, *span) for name, (size, *span) in schedule.lifetimes().items())


def depths(arch: Arch, lowered: Sequence[Lowered], height: int) -> Arch:
    """Memory depths: the arena rounded to whole bank pairs; line buffers as long as the widest depthwise map; and as much
    weight SRAM as the scratch memories of `arch` then leave room for, but at least two of the largest weight groups and
    no more than the model has weights."""
    unit = 2 * arch.lanes
    tasks = [t for low in lowered for t in low.tasks]
    largest = max((t.weights.per_group for t in tasks), default=2)
    total = sum(t.weights.per_group * (1 if t.weights.shared else t.groups(arch.lanes)) for t in tasks)
    columns = [window_extent(t)[0] for t in tasks if t.opcode is Opcode.DEPTHWISE_WINDOW and t.column]
    shaped = arch.with_depths(act_bytes=max(unit, -(-height // unit) * unit), line_depth=max(2, *columns, 2))
    spare = _scratch(arch) - _scratch(shaped)
    words = max(arch.weight_words + spare // arch.word_bytes, 2 * largest)
    return shaped.with_depths(weight_words=max(2, min(words, total)))


def _scratch(arch: Arch) -> int:
    """Bytes of all memories but the activation SRAM."""
    return arch.memory_bytes() - arch.act_bytes


Strategy = Callable[[Graph, Lowered, Arch, int | None], Choice]
"""How a planner is asked: (folded graph, lowered segment, machine with its depths, SRAM budget or None)."""


def compile_model(
    graph: Graph, arch: Arch, *, sram: int | None = None, trace: bool = False, sized: Arch | None = None,
    strategy: Strategy | None = None, choices: Sequence[Choice] | None = None,
) -> Compiled:  # fmt: skip
    """Compile `graph` for `arch`, whose depths the plan sets.

    sram: activation SRAM bytes to fit and to build (default: what the plan needs). trace: also store every tensor that
    is ever whole on chip to external memory, for comparison. sized: use exactly this machine instead of sizing one.
    strategy: the planner (default: the joint one); choices: a plan made before, one choice per accelerator segment.
    BudgetError if it does not fit.
    """
    from esl_ref.planner.choose import joint  # it needs this module's passes

    folded, arch, segments, lowered = prepare(graph, arch)
    machine = sized or depths(arch, list(lowered.values()), 0)
    budget = sram if sram is not None else (sized.act_bytes if sized else None)
    given = iter(choices or ())
    chosen = {n: next(given, None) or (strategy or joint)(folded, low, machine, budget) for n, low in lowered.items()}
    done = {n: realise(low, chosen[n], machine, trace=trace) for n, low in lowered.items()}
    height = max(r.plan.height for r in done.values())
    for realised in done.values():
        if budget is not None:
            check_budget(realised.plan, budget, graph.name)
    final = sized or depths(arch, list(lowered.values()), height if sram is None else sram)
    steps: list[HostStep | ProgramStep] = []
    for n, segment in enumerate(segments):
        if segment.host:
            steps.append(HostStep(segment))
            continue
        program = emit(
            folded, done[n].schedule, final, done[n].plan.addresses, segment.inputs, f"{graph.name}.{n}", chosen[n].parts
        )
        steps.append(ProgramStep(segment, lowered[n], chosen[n], done[n].schedule, done[n].plan, program))
    return Compiled(folded, final, tuple(steps))


Array = npt.NDArray[Any]


def run_steps(
    compiled: Compiled,
    inputs: Mapping[str, Array],
    run_program: Callable[[ProgramStep, Mapping[str, Array]], Mapping[str, Array]],
    run_host: Callable[[Op, Graph, Mapping[str, Array]], Mapping[str, Array]],
) -> dict[str, Array]:
    """Run all steps over named tensors. `run_program(step, tensors)` and `run_host(op, graph, tensors)` return tensors."""
    tensors: dict[str, Array] = {n: np.asarray(v) for n, v in inputs.items()}
    for step in compiled.steps:
        if isinstance(step, HostStep):
            for op in step.segment.ops:
                tensors.update(run_host(op, compiled.graph, tensors))
        else:
            tensors.update(run_program(step, {n: tensors[n] for n in step.segment.inputs}))
    return tensors
