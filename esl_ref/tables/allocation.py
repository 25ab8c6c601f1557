# SPDX-License-Identifier: Apache-2.0
"""Layout of public instances: MiniMalloc's, which have to fit a capacity, and two large ones, which want the bound."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from esl_ref import layout
from esl_ref.errors import BudgetError
from esl_ref.tables.table import Settings, Table, timer

__all__ = ["make"]


def make(settings: Settings, say: Callable[[str], None]) -> Table:
    """One row per instance below `planner/`."""
    rows = settings.rows()
    for path in sorted(settings.folder("planner").glob("*/*.csv")):
        say(path.name)
        rows.append(_row(path, settings))
    return Table(
        "allocation",
        "Allocation: offsets for public instances",
        ("instance", "buffers", "capacity", "height", "bound", "gap %", "optimal", "legal", "seconds"),
        tuple(rows),
        {"slowest, s": max(row[-1] for row in rows)},
        ("capacity comes from the file name; the search stops at the first layout that fits it",),
    )


def _row(path: Path, settings: Settings) -> tuple[Any, ...]:
    stem = path.stem.split(".")
    capacity = int(stem[-1]) if stem[-1].isdigit() and len(stem) > 1 else None
    problem = layout.read_csv(path, capacity)
    with timer() as clock:
        try:
            found = layout.solve(problem, settings.seconds, settings.seed)
        except BudgetError:
            return (
                path.name,
                len(problem.buffers),
                capacity,
                None,
                problem.bound,
                None,
                False,
                False,
                settings.seconds,
            )
    legal = not layout.validate(problem, found)
    gap = round(100 * found.gap, 3)
    return (path.name, len(problem.buffers), capacity, found.height, found.bound, gap, found.proved_optimal, legal,
            clock.seconds)  # fmt: skip
