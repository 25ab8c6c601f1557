# SPDX-License-Identifier: Apache-2.0
"""FDT on the TinyML models: channel splits alone, spatial tiles alone, rows alone, and all together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from esl_ref.planner.methods.blend import smallest
from esl_ref.planner.methods.fdt import fdt
from esl_ref.planner.methods.fuse import fuse
from esl_ref.planner.methods.restructure import Restructuring
from esl_ref.planner.methods.storage import layerwise
from esl_ref.tables.table import Settings, Table, percent, timer
from esl_ref.workloads import ShapeGraph, workload

__all__ = ["make"]

_MODELS = ("kws", "txt", "mw", "cif", "ssd_mobilenet_v1_075", "resnet8", "vww")


def make(settings: Settings, say: Callable[[str], None]) -> Table:
    """int8 for every model, and TXT in float32 with two numbers of parts, as published."""
    rows = settings.rows()
    for name in _MODELS:
        say(name)
        rows.append(_row(name, workload(name), settings))
    text = workload("txt").with_itemsize(4)
    for parts in (7, 16):
        say(f"txt, {parts} parts")
        rows.append(_row(f"txt float32, {parts} parts", text, settings, (parts,)))
    return Table(
        "fdt",
        "FDT (TinyML 2023): bytes of the arena",
        ("model", "layerwise", "FDT", "FDT -%", "FDT MACs x", "tiles", "tiles -%", "tiles MACs x", "rows", "joint",
         "joint -%", "seconds"),
        tuple(rows),
        {"joint worse than a single method": float(sum(r[9] > min(r[2], r[5], r[8]) for r in rows))},
        ("published for FDT: 76.2 % and 18.1 % on two of seven models, without more work",
         "tiles: slices of rows with halos computed again, their least peak at any work"),
    )  # fmt: skip


def _row(name: str, graph: ShapeGraph, settings: Settings, parts: tuple[int, ...] | None = None) -> tuple[Any, ...]:
    base = layerwise(graph).bound
    with timer() as clock:
        split = fdt(graph, parts) if parts else fdt(graph)
        tiles = Restructuring(graph).front()[-1]
        rows = fuse(graph, 1, settings.seconds, settings.seed)
        joint = smallest(graph, settings.seconds, settings.seed)
    nbytes = split.layout.height
    return (name, base, nbytes, percent(nbytes, base), round(split.graph.macs / max(1, graph.macs), 3), tiles.nbytes,
            percent(tiles.nbytes, base), round(tiles.macs / graph.macs, 3), rows.height, joint.tensors,
            percent(joint.tensors, base), clock.seconds)  # fmt: skip
