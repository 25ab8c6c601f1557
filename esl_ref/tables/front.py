# SPDX-License-Identifier: Apache-2.0
"""The joint planner's fronts: on-chip bytes against external traffic."""

from __future__ import annotations

from collections.abc import Callable

from esl_ref.planner.methods.blend import blend
from esl_ref.tables.table import Settings, Table, timer
from esl_ref.workloads import workload

__all__ = ["make"]

_MODELS = ("kws", "resnet8", "vww", "txt", "mobilenet_v2_035_144", "resnet18", "vgg16")


def make(settings: Settings, say: Callable[[str], None]) -> Table:
    """Undominated plans of each model, fewest on-chip bytes first."""
    rows = settings.rows()
    for name in _MODELS:
        say(name)
        graph = workload(name)
        with timer() as clock:
            points = blend(graph, settings.seconds, settings.seed)
        for p in points:
            rows.append((name, p.nbytes, p.tensors, p.weights, p.external, round(p.external / graph.weight_bytes, 2),
                         round(p.macs / graph.macs, 3), round(100 * (p.fusion.height / max(1, p.fusion.bound) - 1), 2),
                         len(p.fusion.groups), p.origin, clock.seconds))  # fmt: skip
    return Table(
        "front",
        "Joint planner: on-chip bytes against external traffic, int8",
        (
            "model",
            "on chip",
            "tensors",
            "weights",
            "external",
            "traffic x",
            "MACs x",
            "gap %",
            "groups",
            "plan",
            "seconds",
        ),
        tuple(rows),
        {},
        ("traffic against reading every weight once; seconds for the model's whole front",),
    )
