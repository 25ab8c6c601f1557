# SPDX-License-Identifier: Apache-2.0
"""Addresses for the storages of a schedule, and what that costs on chip, in the four accountings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from esl_ref import layout
from esl_ref.arch import Arch
from esl_ref.errors import BudgetError
from esl_ref.program.commands import QUEUES
from esl_ref.program.fields import COMMAND_BYTES, TABLE_BYTES

__all__ = ["Interval", "StoragePlan", "accountings", "check_budget", "plan_storage"]


@dataclass(frozen=True)
class Interval:
    """A storage of `bytes` bytes in use during steps [first, last)."""

    name: str
    bytes: int
    first: int
    last: int


@dataclass(frozen=True)
class StoragePlan:
    """SRAM addresses. `height` bytes are needed, `bound` is the liveness lower bound, `peak` the storages alive at
    it."""

    addresses: Mapping[str, int]
    intervals: tuple[Interval, ...]
    height: int
    bound: int
    peak: tuple[str, ...]


def plan_storage(intervals: tuple[Interval, ...], *, time_limit: float = 10.0, seed: int = 1) -> StoragePlan:
    """Offsets of least height for storages with lifetimes."""
    buffers = tuple(layout.Buffer(i.name, i.first, i.last, i.bytes) for i in intervals if i.bytes)
    if not buffers:
        return StoragePlan({i.name: 0 for i in intervals}, intervals, 0, 0, ())
    problem = layout.Problem(buffers)
    solved = layout.solve(problem, time_limit=time_limit, seed=seed)
    time, bound = problem.peak()
    addresses = {i.name: 0 for i in intervals} | dict(solved.offsets)
    peak = tuple(b.id for b in problem.alive_at(time))
    return StoragePlan(addresses, intervals, solved.height, bound, peak)


def check_budget(plan: StoragePlan, budget: int, name: str) -> None:
    """BudgetError, saying by how much and what stands in the way, unless the plan fits `budget` bytes."""
    if plan.height <= budget:
        return
    sizes = {i.name: i.bytes for i in plan.intervals}
    alive = in_words([(name, sizes[name]) for name in plan.peak])
    raise BudgetError(
        f"needs {plan.height} bytes of activation SRAM, {plan.height - budget} more than the {budget} allowed",
        where=f"model '{name}'",
        hint=f"alive together at the peak: {alive}; --sram {plan.height} fits",
        least=plan.height,
    )


def in_words(alive: Sequence[tuple[str, int]], count: int = 4) -> str:
    """The `count` largest of (storage, bytes). Fused tensors carry all their names: the last one is enough here."""
    largest = sorted(alive, key=lambda item: -item[1])
    listed = ", ".join(f"{name.split(';')[-1]} ({size} bytes)" for name, size in largest[:count])
    rest = [size for _, size in largest[count:]]
    return f"{listed} and {len(rest)} more ({sum(rest)} bytes)" if rest else listed


def accountings(arch: Arch, tensors: int, network_input: int) -> dict[str, int]:
    """On-chip bytes four ways: tensors only; with the network input; with all scratch; bits of every RTL memory / 8.

    The third adds to the arena what the planner knows of (weights, line buffers, accumulators, table copies, queues,
    rounded to words); the fourth counts the memories that the generator instantiates. They must be equal.
    """
    scratch = (
        arch.weight_words * arch.word_bytes
        + (arch.window_rows - 1) * arch.line_depth * arch.lanes
        + arch.acc_words * arch.lanes * 4  # int32
        + arch.tables * arch.post_lanes * TABLE_BYTES
        + len(QUEUES) * arch.queue_depth * COMMAND_BYTES
    )
    return {
        "tensors": tensors,
        "with_input": network_input,
        "with_scratch": arch.act_bytes + scratch,
        "rtl_memories": arch.memory_bytes(),
    }
