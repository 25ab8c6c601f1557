# SPDX-License-Identifier: Apache-2.0
"""Every method as Programs: what it reckons, what its Program needs and takes, and the joint method at that budget."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from esl_ref import arch
from esl_ref.errors import PlanError
from esl_ref.frontends import load
from esl_ref.ir import Graph
from esl_ref.models import embedded_path
from esl_ref.pipeline import METHODS, Planned, plan_model
from esl_ref.planner.joint import Effort
from esl_ref.tables.figures import COLUMNS, figures
from esl_ref.tables.table import Settings, Table, percent, timer
from esl_ref.workloads import workload
from esl_ref.workloads.seeded import seeded

__all__ = ["make"]

_MLPERF = ("kws_dscnn_int8", "ic_resnet8_int8", "vww_mnv1_025_96_int8")
_SEEDED = ("cif", "mw")
"""TXT begins with a table of 10,000 rows, which no operator of the integer graph looks up: see table fdt."""


def models(settings: Settings) -> Iterator[tuple[str, Graph]]:
    """The embedded model, MLPerf Tiny's networks where the data is there, and topologies with seeded weights."""
    yield "embedded", load(embedded_path())
    folder = settings.data / "mlperf_tiny" / "models"
    for name in _MLPERF:
        if (folder / f"{name}.tflite").is_file():
            yield name, load(folder / f"{name}.tflite")
    for name in _SEEDED:
        yield f"{name}, seeded weights", seeded(workload(name))


def make(settings: Settings, say: Callable[[str], None]) -> Table:
    """On `base`, every method without a budget; then the joint one with the method's arena as its budget."""
    rows = settings.rows()
    for name, graph in models(settings):
        whole = plan_model(graph, arch.load("base"), "layerwise")
        for method in METHODS[1:]:
            say(f"{name}: {method}")
            with timer() as clock:
                found = _methods(graph, method, Effort(seed=settings.seed))
            if isinstance(found, str):
                rows.append((name, method, *(None,) * (len(COLUMNS) + 6), clock.seconds, found))
                continue
            planned, best = found
            worse = best.height > planned.height or best.cycles > planned.cycles
            rows.append((
                name, method, planned.predicted, *figures(planned, graph).cells, percent(planned.height, whole.height),
                round(planned.cycles / whole.cycles, 3), best.height, best.cycles, worse, clock.seconds,
                "; ".join((*planned.decisions[:1], best.decisions[0])),
            ))  # fmt: skip
    return Table(
        "programs",
        "Methods as Programs on base: bytes of the arena, cycles, and the joint method within the same arena",
        ("model", "method", "reckoned", *COLUMNS, "less %", "cycles x", "joint arena", "joint cycles", "worse",
         "seconds", "decisions"),
        tuple(rows),
        {"joint worse than a single method": float(sum(row[-3] is True for row in rows))},
        ("reckoned: by the method, on shapes; tensors ... RTL: on-chip bytes, counted four ways, the second the arena",
         "less and x: the arena and the cycles against whole layers; cycles: the ESL machine's timing model",
         "a method without figures does not apply: the decision says why"),
    )  # fmt: skip


def _methods(graph: Graph, method: str, effort: Effort) -> tuple[Planned, Planned] | str:
    base = arch.load("base")
    try:
        planned = plan_model(graph, base, method, effort=effort)
    except PlanError as error:
        return error.what
    return planned, plan_model(graph, base, sram=planned.height, effort=effort)
