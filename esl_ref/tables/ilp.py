# SPDX-License-Identifier: Apache-2.0
"""Primitive selection by integer programming on the accelerator's mappings: exact fronts, greedy, and the trade."""

from __future__ import annotations

from collections.abc import Callable

from esl_ref.planner.methods.ilp import Selector, within
from esl_ref.planner.methods.mappings import mappings
from esl_ref.tables.table import Settings, Table, mean, timer
from esl_ref.workloads import workload

__all__ = ["make"]

_NETWORKS = ("alexnet", "vgg16", "googlenet", "resnet18", "squeezenet11")


def make(settings: Settings, say: Callable[[str], None]) -> Table:
    """Cycles of the ESL machine on `base`; bytes of activation SRAM and weight SRAM together."""
    rows = settings.rows()
    for name in _NETWORKS:
        graph = workload(name)
        with timer() as timing:
            found = mappings(graph, say=lambda node, name=name: say(f"{name}: timing {node}"))  # type: ignore[misc]
        say(f"{name}: solving")
        with timer() as solving:
            selector = Selector(graph, *found)
            front = selector.front()
        greedy, fastest, slower = selector.greedy(), front[0], within(front, 0.15)
        rows.append((name, sum(map(len, found[0].values())), len(front), greedy.cycles,
                     round(greedy.cycles / fastest.cycles, 4), fastest.cycles, fastest.nbytes, slower.nbytes,
                     round(slower.cycles / fastest.cycles, 3), round(fastest.nbytes / slower.nbytes, 2),
                     front[-1].nbytes, timing.seconds, solving.seconds))  # fmt: skip
    return Table(
        "ilp",
        "Primitive selection by ILP (SBAC-PAD 2020): cycles by the ESL machine, bytes of arena and weight SRAM",
        ("network", "primitives", "points", "greedy cycles", "greedy x", "fastest cycles", "bytes at fastest",
         "bytes at <= +15 %", "cycles x", "memory x", "least bytes", "timing s", "solving s"),
        tuple(rows),
        {"memory x at +15 % time, mean": mean([r[9] for r in rows]), "greedy x, mean": mean([r[4] for r in rows])},
        ("published: 2.2 times less memory for 15 % more time; 8 times faster than greedy on its CPU primitives",
         "`bytes at fastest` is time-only selection; the fronts are exact for these primitives",
         "moving a map between memory and SRAM is all that neighbours can cost each other here: greedy loses little"),
    )  # fmt: skip
