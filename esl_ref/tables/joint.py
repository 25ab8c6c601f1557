# SPDX-License-Identifier: Apache-2.0
"""The joint method beside every single one, by shapes, on all built-in workloads: it is never worse."""

from __future__ import annotations

from collections.abc import Callable

from esl_ref.errors import PlanError
from esl_ref.planner.shapes import SINGLE, plan_shapes
from esl_ref.tables.table import Settings, Table, percent, timer
from esl_ref.workloads import NAMES, ShapeGraph, workload

__all__ = ["make"]

_METHODS = (*SINGLE, "rows")


def make(settings: Settings, say: Callable[[str], None]) -> Table:
    """Fewest bytes of tensors that each method finds, int8."""
    rows = settings.rows()
    for name in NAMES:
        say(name)
        graph = workload(name)
        with timer() as clock:
            least = [_least(graph, method, settings) for method in _METHODS]
            joint = plan_shapes(graph, "joint", seconds=settings.seconds / 3, seed=settings.seed)
        worse = any(tensors is not None and joint.tensors > tensors for tensors in least)
        rows.append((name, *least, joint.tensors, percent(joint.tensors, joint.layerwise),
                     round(joint.macs / max(1, graph.macs), 3), joint.decisions[0], worse, clock.seconds))  # fmt: skip
    return Table(
        "joint",
        "Joint method beside the others: bytes of tensors, int8, by shapes",
        ("workload", *_METHODS, "joint", "joint -%", "MACs x", "joint is", "worse", "seconds"),
        tuple(rows),
        {"joint worse than a single method": float(sum(row[-2] for row in rows))},
        ("-: the method does not apply; Programs of real models are compared in table programs",),
    )  # fmt: skip


def _least(graph: ShapeGraph, method: str, settings: Settings) -> int | None:
    try:
        return plan_shapes(graph, method, seconds=settings.seconds / 3, seed=settings.seed).tensors
    except PlanError:
        return None
