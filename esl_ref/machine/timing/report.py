# SPDX-License-Identifier: Apache-2.0
"""A predicted run as a table: one line per layer, one column per cause that occurs."""

from __future__ import annotations

from esl_ref.machine.timing.predict import Timing
from esl_ref.registers import COUNTERS

__all__ = ["breakdown"]

_CAUSES = [name for name, _ in COUNTERS[1:11]]


def breakdown(timing: Timing) -> str:
    """Issue slots by layer and cause. The last line is the whole run, what follows the last layer included."""
    used = [name for name in _CAUSES if timing.counters[name]]
    short = [name.removeprefix("STALL_").removesuffix("_ACTIVE").lower() for name in used]
    rows = [["layer", "op", "slots", *short]]
    for layer in timing.layers:
        counts = [layer.causes.get(name, 0) for name in used]
        rows.append([str(layer.layer), layer.op, *(str(n) for n in (sum(layer.causes.values()), *counts))])
    rows.append(["all", "", str(timing.cycles), *(str(timing.counters[name]) for name in used)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: list[str], widths: list[int]) -> str:
    """Numbers to the right, the operator to the left."""
    cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
    cells[1] = row[1].ljust(widths[1])
    return "  ".join(cells)
