# SPDX-License-Identifier: Apache-2.0
"""Row streaming beside dataflow restructuring on the latter's five networks, and small published arenas."""

from __future__ import annotations

from collections.abc import Callable

from esl_ref.planner.methods.blend import point
from esl_ref.planner.methods.fuse import fuse
from esl_ref.planner.methods.replay import replay
from esl_ref.planner.methods.restructure import Restructuring
from esl_ref.planner.methods.storage import layerwise
from esl_ref.tables.table import Settings, Table, mean, percent, timer
from esl_ref.workloads import workload

__all__ = ["arenas", "restructuring"]

_FIVE = ("vgg16", "squeezenet11", "mobilenet_v2", "resnet18", "inception_v3")
_PUBLISHED = {"kws": 9_920, "resnet8": 13_568, "vww": 13_824, "mobilenet_v2_035_144": 52_672}
_WORK = 1.086


def restructuring(settings: Settings, say: Callable[[str], None]) -> Table:
    """Activation bytes (int8, network input counted): layer by layer, in slices, in streamed rows."""
    rows = settings.rows()
    for name in _FIVE:
        say(name)
        graph = workload(name)
        base = layerwise(graph).bound
        with timer() as sliced:
            slices = Restructuring(graph).within(_WORK)
        with timer() as streamed:
            found = fuse(graph, 1, settings.seconds, settings.seed)
        faults = replay(found, [group.plan for group in found.groups])
        plan = point(found, 0, "rows")
        rows.append((
            name, base, slices.nbytes, percent(slices.nbytes, base), round(slices.macs / graph.macs, 3), sliced.seconds,
            found.height, percent(found.height, base), round(plan.macs / graph.macs, 3),
            round(plan.external / graph.weight_bytes, 2), round(100 * (found.height / found.bound - 1), 2), len(faults),
            streamed.seconds,
        ))  # fmt: skip
    return Table(
        "restructuring",
        "Dataflow restructuring (DATE 2021) and row streaming: activation bytes, int8, input counted, whole networks",
        ("network", "layerwise", "slices", "slices -%", "slices MACs x", "slices s", "rows", "rows -%", "rows MACs x",
         "rows traffic x", "gap %", "faults", "rows s"),
        tuple(rows),
        {"slices, mean saving %": mean([r[3] for r in rows]), "rows, mean saving %": mean([r[7] for r in rows])},
        ("published for slices: 62.9 % less at 8.6 % more computation, mean",
         "traffic: bytes from external memory against reading every weight once",
         "faults: rows found lost or unmade when the plan is replayed byte by byte"),
    )  # fmt: skip


def arenas(settings: Settings, say: Callable[[str], None]) -> Table:
    """Small networks against published arenas that split rows but keep buffers rectangular."""
    rows = settings.rows()
    for name, published in _PUBLISHED.items():
        say(name)
        graph = workload(name)
        with timer() as clock:
            found = fuse(graph, 1, settings.seconds, settings.seed)
        faults = replay(found, [group.plan for group in found.groups])
        rows.append((name, layerwise(graph).bound, published, found.height, percent(found.height, published),
                     found.bound, round(100 * (found.height / found.bound - 1), 2), len(found.groups), len(faults),
                     clock.seconds))  # fmt: skip
    return Table(
        "arenas",
        "Smallest arenas: tensors on chip, int8, network input streamed by rows",
        ("network", "layerwise", "TinyTS", "rows", "less %", "bound", "gap %", "groups", "faults", "seconds"),
        tuple(rows),
        {"mean against TinyTS, %": mean([r[4] for r in rows])},
        ("TinyTS: HPCA 2024",),
    )
