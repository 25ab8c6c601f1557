# SPDX-License-Identifier: Apache-2.0
"""A whole model: accelerator Programs with host steps between them, all on one machine sized by the plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from esl_ref.arch import Arch
from esl_ref.compiler import fold
from esl_ref.compiler.lines import columns_needed
from esl_ref.compiler.lower import Lowered, lower
from esl_ref.compiler.lower_depthwise import in_parts
from esl_ref.compiler.overlap import overlapped
from esl_ref.compiler.pools import in_steps
from esl_ref.compiler.rolling import roll
from esl_ref.compiler.schedule import Compute, Group, Schedule, build
from esl_ref.compiler.segments import Segment, host_reason, split
from esl_ref.compiler.sizing import MOST_SLOTS, Sizing
from esl_ref.compiler.weights import FINENESS
from esl_ref.errors import ArchError, PlanError
from esl_ref.ir import Conv2D, DepthwiseConv2D, Graph, Op, Table
from esl_ref.layout.storage import Interval, StoragePlan, plan_storage
from esl_ref.program.image import Program
from esl_ref.rewrite import Rewriting

__all__ = [
    "Choice", "Compiled", "HostStep", "ProgramStep", "Realised", "Strategy", "prepare", "realise", "run_steps",
]  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """What a planner decides for one segment.

    groups        tasks that stream together
    fineness      how finely weights are cut: so many chunks of a task's fit the weight SRAM at once
    parked        storages that are in external memory between groups
    weight_words  words of weight SRAM, None for as many as there is room for
    whole_ends    network inputs and outputs are on chip as a whole instead of coming and leaving by rows
    rewriting     how the model (all of it, so every segment says the same) is rewritten first
    room          storages with rows that they hold beyond those alive at once, so that who fills them may run ahead
    """

    groups: tuple[Group, ...]
    fineness: int = FINENESS
    parked: frozenset[str] = frozenset()
    weight_words: int | None = None
    whole_ends: bool = False
    rewriting: tuple[Rewriting, ...] = ()
    room: tuple[tuple[str, int], ...] = ()


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
    """A choice worked out: the order of steps, where storages lie, how long the line buffers must be, and how many
    accumulator slots there must be."""

    schedule: Schedule
    plan: StoragePlan
    columns: int
    slots: int = 0

    @property
    def height(self) -> int:
        """Bytes of the arena."""
        return self.plan.height


def prepare(
    graph: Graph, arch: Arch, *, shaped: bool = False
) -> tuple[Graph, Arch, tuple[Segment, ...], dict[int, Lowered]]:
    """Fold, put pools in steps, cut into segments, lower: (folded graph, machine with its profile, segments, segment
    number -> lowered).

    The machine gets the profile, the window and the table that the model needs, unless it is `shaped` already:
    ArchError if it then rounds in another way than the model, or has no table for it.
    """
    folded = in_steps(fold.fold_padding(graph), arch)
    if shaped and arch.profile is not folded.profile:
        raise ArchError(
            f"the machine rounds by profile {arch.profile.value}, the model by {folded.profile.value}",
            where=f"model '{graph.name}' on architecture '{arch.name}'",
            hint=f'give an architecture with profile = "{folded.profile.value}"',
        )
    needs_table = any(isinstance(op, Table) and not host_reason(op, folded) for op in folded.ops)
    if shaped and needs_table and not arch.tables:
        raise ArchError(
            "the machine has no table, which functions of single bytes need",
            where=f"model '{graph.name}' on architecture '{arch.name}'",
            hint="give an architecture with tables = 1",
        )
    rows = arch.window_rows if shaped else _window_rows(folded, arch)
    tables = arch.tables if shaped else int(needs_table)
    arch = arch.with_depths(profile=folded.profile, window_rows=rows, tables=tables)  # type: ignore[arg-type]
    arch = arch if shaped else arch.with_depths(acc_words=max(arch.acc_words, _row_of_sums(folded, arch)))
    segments = split(folded)
    columns = arch.line_depth if shaped else None
    lowered = {n: lower(folded, s, arch, columns=columns) for n, s in enumerate(segments) if not s.host}
    if not lowered:
        raise PlanError(
            "no operator runs on the accelerator", where=f"model '{graph.name}'",
            hint="`esl-ref inspect FILE` says of each operator why",
        )  # fmt: skip
    return folded, arch, segments, lowered


def _window_rows(graph: Graph, arch: Arch) -> int:
    """Rows of the depthwise window that the model's kernels use: line buffers that none needs are not built."""
    heights = [op.weight.shape[0] for op in graph.ops if isinstance(op, DepthwiseConv2D)]
    single = [op.weight.shape[1:3] for op in graph.ops if isinstance(op, Conv2D) and op.weight.shape[3] == 1]
    # Higher kernels over one channel use what rows there are; more would take line buffers that weights need more.
    heights += [height for height, width in single if height <= arch.window_rows and width <= arch.window_cols]
    return max(2, *(min(h, arch.window_rows) for h in heights)) if heights else 2


def _row_of_sums(graph: Graph, arch: Arch) -> int:
    """Accumulator slots for a whole row of results of depthwise layers that sum them over commands, as far as machines
    go."""
    ops = [op for op in graph.ops if isinstance(op, DepthwiseConv2D) and in_parts(op, arch)]
    return min(MOST_SLOTS, max((graph.tensors[op.outputs[0]].shape[2] for op in ops), default=0))


def realise(lowered: Lowered, choice: Choice, arch: Arch, *, trace: bool = False) -> Realised:
    """Steps in order over rolling storages, and their addresses."""
    lowered = lowered.spread if choice.parked else lowered
    built = build(lowered, choice.groups, arch, trace=trace, parked=choice.parked, whole_ends=choice.whole_ends)
    schedule = overlapped(roll(built, dict(choice.room)), arch)
    columns = max((columns_needed(s.task, arch.lanes) for s in schedule.steps if isinstance(s, Compute)), default=0)
    return Realised(schedule, plan_storage(_intervals(schedule)), columns, _slots(schedule, arch))


def _slots(schedule: Schedule, arch: Arch) -> int:
    """Accumulator slots up to the last one that a spread sum, or a sum of several commands, uses."""
    tasks = {s.index: s.task for s in schedule.steps if isinstance(s, Compute)}.values()
    spread = (t.acc_base + t.part_slots(arch.lanes) for t in tasks if t.acc_base is not None and not t.share)
    return max((*spread, *(t.parts.slots for t in tasks if t.parts)), default=0)


def _intervals(schedule: Schedule) -> tuple[Interval, ...]:
    """Storages with the half-open ranges of steps during which their bytes matter."""
    return tuple(Interval(name, size, *span) for name, (size, *span) in schedule.lifetimes().items())


Strategy = Callable[[Graph, Lowered, Sizing, int | None], Choice]
"""How a planner is asked: (folded graph, lowered segment, how machines are sized, SRAM budget or None)."""


Array = npt.NDArray[Any]


def run_steps(
    compiled: Compiled,
    inputs: Mapping[str, Array],
    run_program: Callable[[ProgramStep, Mapping[str, Array]], Mapping[str, Array]],
    run_host: Callable[[Op, Graph, Mapping[str, Array]], Mapping[str, Array]],
) -> dict[str, Array]:
    """Run all steps over named tensors. `run_program(step, tensors)` and `run_host(op, graph, tensors)` return
    tensors."""
    tensors: dict[str, Array] = {n: np.asarray(v) for n, v in inputs.items()}
    for step in compiled.steps:
        if isinstance(step, HostStep):
            for op in step.segment.ops:
                tensors.update(run_host(op, compiled.graph, tensors))
        else:
            tensors.update(run_program(step, {n: tensors[n] for n in step.segment.inputs}))
    return tensors
