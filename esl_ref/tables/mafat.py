# SPDX-License-Identifier: Apache-2.0
"""MAFAT on YOLOv2's layers 0 to 15: its configurations, its search, and row streaming in the same accounting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from esl_ref.errors import BudgetError, PlanError
from esl_ref.planner.methods.fuse import fuse
from esl_ref.planner.methods.mafat import Mafat, Planned
from esl_ref.planner.methods.replay import replay
from esl_ref.tables.table import Settings, Table, timer
from esl_ref.workloads import workload

__all__ = ["make"]

_MIB = 2**20
_CONFIGS = ("1x1/NoCut", "2x2/NoCut", "3x3/NoCut", "4x4/NoCut", "5x5/NoCut", "2x2/8/2x2", "3x3/8/2x2", "4x4/8/2x2",
            "5x5/8/2x2", "5x5/8/3x3", "3x3/12/2x2", "5x5/12/2x2")  # fmt: skip
_LIMITS = (64, 32, 16, 12, 11, 10, 8)


def make(settings: Settings, say: Callable[[str], None]) -> Table:
    """Float32 bytes with the whole network input and output counted, as MAFAT does."""
    graph = workload("yolo_v2").until("conv12").with_itemsize(4)
    mafat = Mafat(graph)
    rows = settings.rows()
    for text in _CONFIGS:
        say(text)
        with timer() as clock:
            planned = mafat.plan(text)
            executed = planned.executed()
        rows.append(_row("configuration", text, planned, executed, graph.macs, clock.seconds))
    for limit in _LIMITS:
        say(f"search within {limit} MiB")
        with timer() as clock:
            try:
                planned = mafat.search(limit * _MIB)
            except BudgetError:
                rows.append((f"search <= {limit} MiB", "none fits", None, None, None, None))
                continue
        rows.append(_row(f"search <= {limit} MiB", str(planned.config), planned, planned.executed(), graph.macs,
                         clock.seconds))  # fmt: skip
    for text, ends in (("whole input and output counted", True), ("input and output streamed too", False)):
        say(f"row streaming, {text}")
        with timer() as clock:
            found = fuse(graph, 1, settings.seconds, settings.seed, ends=ends)
        if faults := replay(found, [group.plan for group in found.groups], ends=ends):
            raise PlanError(f"the plan is illegal: {faults[0]}", where="row streaming")
        mib = round(found.height / _MIB, 2)
        rows.append(("rows", text, mib, mib, 1.0, clock.seconds))
    return Table(
        "mafat",
        "MAFAT (2021): YOLOv2 layers 0 to 15 at 608 x 608, float32 MiB",
        ("method", "configuration", "predicted MiB", "executed MiB", "MACs x", "seconds"),
        tuple(rows),
        {"rows, MiB": rows[-2][2], "rows streamed throughout, MiB": rows[-1][2]},
        ("the search is exact: groups of a cut do not influence each other, so each takes its own best grid",),
    )


def _row(kind: str, text: str, planned: Planned, executed: int, macs: int, seconds: float) -> tuple[Any, ...]:
    sizes = (round(planned.nbytes / _MIB, 2), round(executed / _MIB, 2))
    return (kind, text, *sizes, round(planned.macs / macs, 3), seconds)
