# SPDX-License-Identifier: Apache-2.0
"""The planner's benchmark: every table by a name, computed anew each time."""

from __future__ import annotations

from esl_ref.tables import (
    allocation,
    executed,
    fdt,
    front,
    ilp,
    joint,
    limits,
    mafat,
    mdfi,
    programs,
    rows,
    utilisation,
)
from esl_ref.tables.table import Maker, Settings, Table

__all__ = ["TABLES", "Settings", "Table"]

TABLES: dict[str, Maker] = {
    "allocation": allocation.make,
    "arenas": rows.arenas,
    "restructuring": rows.restructuring,
    "mdfi": mdfi.make,
    "mafat": mafat.make,
    "tiles": limits.configurations,
    "limits": limits.limits,
    "fdt": fdt.make,
    "ilp": ilp.make,
    "front": front.make,
    "joint": joint.make,
    "executed": executed.make,
    "programs": programs.make,
    "utilisation": utilisation.make,
}
