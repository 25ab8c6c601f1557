# SPDX-License-Identifier: Apache-2.0
"""Well-known topologies whole on `base`: how much of the array's peak they reach, and what holds them up."""

from __future__ import annotations

from collections.abc import Callable

from esl_ref import arch
from esl_ref.cycle_bounds import network_bound
from esl_ref.machine.timing import predict
from esl_ref.macs import total_macs
from esl_ref.pipeline import plan_model
from esl_ref.tables.table import Settings, Table, mean, timer
from esl_ref.workloads import workload
from esl_ref.workloads.seeded import seeded

__all__ = ["NETWORKS", "make"]

NETWORKS = (
    "mobilenet_v1", "mobilenet_v2", "resnet18", "resnet50", "squeezenet11", "googlenet", "inception_v3", "tiny_yolo_v3",
)  # fmt: skip

_ELSEWHERE = {
    "mobilenet_v1": "NE16: up to 91 (its README)",
    "mobilenet_v2": "Ethos-U55-128: 43",
    "resnet18": "VTA: 21 to 23",
    "resnet50": "NVDLA nv_small: about 55; Gemmini 16 x 16: about 35",
}
"""Share of the peak, in per cent, as published or reported for other accelerators."""


def make(settings: Settings, say: Callable[[str], None]) -> Table:
    """Seeded weights, whole layers one after the other, activations on chip."""
    rows = settings.rows()
    base = arch.load("base")
    for name in NETWORKS:
        say(name)
        with timer() as clock:
            graph = seeded(workload(name))
            planned = plan_model(graph, base, "layerwise")
        (step,) = planned.compiled.programs
        timing = predict(step.program)
        macs, bound = total_macs(graph), network_bound(planned.compiled.graph, base)
        lost = {cause: count for cause, count in timing.counters.items() if cause.startswith(("STALL", "VECTOR"))}
        worst = max(lost, key=lambda cause: lost[cause])
        rows.append((
            name, round(macs / 1e6, 1), timing.cycles, round(100 * macs / base.macs_per_cycle / timing.cycles, 1),
            bound.lanes, bound.weights, f"{worst.lower()} {100 * lost[worst] / timing.cycles:.1f} %", planned.height,
            clock.seconds, _ELSEWHERE.get(name, ""),
        ))  # fmt: skip
    return Table(
        "utilisation",
        "Topologies on base: cycles of the ESL machine's timing model, which the RTL counts likewise",
        ("network", "million MACs", "cycles", "peak %", "lanes", "weights", "lost most to", "arena", "seconds",
         "elsewhere %"),
        tuple(rows),
        {"mean share of the peak %": round(mean([row[3] for row in rows]), 1)},
        ("lanes, weights: bounds on cycles by the array's lanes and by the weights' way over the bus",
         "vector_active: depthwise windows filling, pooling and additions, which have no multiplications"),
    )  # fmt: skip
