# SPDX-License-Identifier: Apache-2.0
"""What the tables of shapes claim for row streaming, as Programs: the joint method within the bytes claimed."""

from __future__ import annotations

from collections.abc import Callable

from esl_ref import arch
from esl_ref.pipeline import plan_model
from esl_ref.planner.joint import Effort
from esl_ref.planner.methods.fuse import fuse
from esl_ref.tables.figures import COLUMNS, figures
from esl_ref.tables.table import Settings, Table, percent, timer
from esl_ref.workloads import workload
from esl_ref.workloads.seeded import seeded

__all__ = ["NETWORKS", "make"]

NETWORKS = ("kws", "resnet8", "vww", "mobilenet_v2_035_144", "cif", "mw", "vgg16", "squeezenet11", "mobilenet_v2",
            "resnet18", "inception_v3")  # fmt: skip
"""Those of tables arenas, fdt and restructuring whose operators all run on the machine: TXT begins with an embedding,
SSD ends in a head of several outputs."""


def make(settings: Settings, say: Callable[[str], None]) -> Table:
    """On `base`, seeded weights; layer by layer beside it."""
    rows, base = settings.rows(), arch.load("base")
    for name in NETWORKS:
        say(name)
        shapes = workload(name)
        claimed = fuse(shapes, 1, settings.seconds, settings.seed).height
        graph = seeded(shapes)
        with timer() as clock:
            planned = plan_model(graph, base, sram=claimed, effort=Effort(seed=settings.seed))
        whole = figures(plan_model(graph, base, "layerwise"), graph)
        found = figures(planned, graph)
        rows.append((name, claimed, *found.cells, whole.with_input, percent(found.with_input, whole.with_input),
                     round(found.cycles / whole.cycles, 3), planned.decisions[0], clock.seconds))  # fmt: skip
    return Table(
        "executed",
        "Row streaming as claimed on shapes, as Programs on base: int8, seeded weights",
        ("network", "claimed", *COLUMNS, "layerwise", "less %", "cycles x", "joint is", "seconds"),
        tuple(rows),
        {"Programs above the bytes claimed": float(sum(row[3] > row[1] for row in rows))},
        ("tensors ... RTL: on-chip bytes, counted four ways; the second is the arena",
         "gap: over the liveness bound of the Program's own schedule; weights: bytes loaded over reading each once",
         "layerwise, less, x: the arena of whole layers, and what this plan is beside it"),
    )  # fmt: skip
