# SPDX-License-Identifier: Apache-2.0
"""MAFAT's setting as Programs: YOLOv2's layers 0 to 15 with seeded int8 weights, cycles against SRAM limits.

Unfused layers park the maps that do not fit in external memory. Bytes are int8; MAFAT's own, float32, are four times as
many.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from esl_ref import arch
from esl_ref.compiler import Choice
from esl_ref.compiler.model import prepare
from esl_ref.compiler.schedule import layerwise_groups
from esl_ref.errors import PlanError
from esl_ref.ir import Graph
from esl_ref.machine.timing import MemoryTiming
from esl_ref.pipeline import Planned, compile_model, plan_model
from esl_ref.planner.joint import Effort
from esl_ref.planner.methods.mafat import Mafat
from esl_ref.planner.rewriting import tiled_as
from esl_ref.tables.figures import COLUMNS, figures
from esl_ref.tables.table import Settings, Table, timer
from esl_ref.workloads.convert import shape_graph
from esl_ref.workloads.seeded import seeded
from esl_ref.workloads.yolo import yolo_v2

__all__ = ["configuration", "configurations", "limits"]

CONFIGS = ("1x1/NoCut", "2x2/NoCut", "3x3/NoCut", "5x5/NoCut", "2x2/8/2x2", "3x3/8/2x2", "5x5/8/2x2", "5x5/8/3x3",
           "3x3/12/2x2", "5x5/12/2x2")  # fmt: skip
_LIMITS = (16_384, 8_192, 3_072, 2_048, 1_024, 512, 256, 128)
"""KiB. MAFAT's smallest is near 2 MiB of int8."""
_STREAMED = (1_024, 512)
"""Limits for which rows are planned: within them cycles hardly differ from those of no limit, so those plans serve all
larger ones."""
_MEMORIES = {"usual": MemoryTiming(), "slow": MemoryTiming(latency=100, gap=7)}
"""The slow one moves a byte per cycle: as slow against the array as MAFAT's board swapping."""


def first_layers(size: int = 608, last: str = "conv12") -> Graph:
    """YOLOv2 up to its sixteenth layer (or `last`), int8 with seeded weights, on maps of `size` x `size`."""
    return seeded(yolo_v2(size).until(last))


def configuration(graph: Graph, text: str) -> tuple[int, Planned]:
    """(bytes that MAFAT predicts, its Program), the network's input and output whole on chip as it counts them."""
    mafat = Mafat(shape_graph(graph))
    found = tiled_as(graph, mafat, mafat.plan(text))
    (low,) = prepare(found.graph, arch.load("base"))[3].values()
    choice = Choice(layerwise_groups(low, 1), 4, whole_ends=True)
    return found.predicted, Planned(compile_model(found.graph, arch.load("base"), choices=[choice]), "mafat")


def configurations(settings: Settings, say: Callable[[str], None]) -> Table:
    """Published configurations: predicted bytes against the arena of the Program that runs them."""
    graph, rows = first_layers(), settings.rows()
    for text in CONFIGS:
        say(text)
        with timer() as clock:
            predicted, planned = configuration(graph, text)
            found = figures(planned, graph)
        rows.append((text, predicted, *found.cells, round(4 * planned.height / 2**20, 2),
                     len(planned.compiled.programs[0].program.commands), clock.seconds))  # fmt: skip
    return Table(
        "tiles",
        "MAFAT's configurations as Programs: YOLOv2 layers 0 to 15 at 608 x 608, int8",
        ("configuration", "predicted", *COLUMNS, "float32 MiB", "commands", "seconds"),
        tuple(rows),
        {"configurations whose arena is not as predicted": float(sum(row[1] != row[3] for row in rows))},
        ("the whole network input and output counted, as MAFAT does: the arena is the bytes with the input",),
    )


def limits(settings: Settings, say: Callable[[str], None]) -> Table:
    """Cycles within a limit by unfused layers, MAFAT, rows, and the best plan of any method; on two memories, the plans
    made for the memory that they run on."""
    graph, rows = first_layers(), settings.rows()
    effort = Effort(seconds=min(60.0, settings.seconds), seed=settings.seed)
    known: dict[str, list[Planned]] = {}
    for name, memory in _MEMORIES.items():
        say(f"rows on the {name} memory")
        known[name] = [p for limit in _STREAMED if (p := _within(graph, "rows", limit, effort, memory))]
    for limit in _LIMITS:
        say(f"{limit} KiB")
        with timer() as clock:
            fast, slow = (_plans(graph, limit, effort, memory, known[name]) for name, memory in _MEMORIES.items())
        rows.append((limit, *_cells(fast, 0), _best(fast), *_speedups(fast), *_cells(slow, 0), _best(slow),
                     *_speedups(slow), *_cells(fast, 1), clock.seconds))  # fmt: skip
    names = ("unfused", "MAFAT", "rows")
    table = Table(
        "limits",
        "Cycles against SRAM limits: YOLOv2 layers 0 to 15 at 608 x 608, int8, on base",
        ("KiB", *names, "joint is", "MAFAT x", "joint x", *(f"{n}, slow" for n in names),
         "joint is, slow", "MAFAT x, slow", "joint x, slow", *(f"{n}, external" for n in names), "seconds"),
        tuple(rows),
        {},
        ("x: unfused cycles over those of the method; joint takes the best of all",
         "slow: a memory of one byte per cycle and 100 cycles of latency instead of 8 bytes and 32 cycles"),
    )  # fmt: skip
    return replace(table, summary={f"most {name}": _most(table, name) for name in table.columns if " x" in name})


_METHODS = ("layerwise", "mafat", "rows")
_Figures = Mapping[str, tuple[int, int]]
"""Method -> (cycles, bytes of traffic), of those that get down to a limit."""


def _plans(graph: Graph, limit: int, effort: Effort, memory: MemoryTiming, known: list[Planned]) -> _Figures:
    """Plans within `limit` KiB. `known` are those of larger limits, and of rows: what was the fastest there is so here,
    too, if it fits; a method that did not get down to the last limit does not get down to this one."""
    for method in _METHODS[:2]:
        mine = [p for p in known if p.method == method]
        if any(p.height <= limit * 1024 for p in mine) or (not mine and limit < _LIMITS[0]):
            continue
        if found := _within(graph, method, limit, effort, memory):
            known.append(found)
        else:
            known[:] = [p for p in known if p.method != method]
    fitting = [p for p in known if p.height <= limit * 1024]
    return {
        m: min(p.costs() for p in fitting if p.method == m) for m in _METHODS if any(p.method == m for p in fitting)
    }


def _within(graph: Graph, method: str, limit: int, effort: Effort, memory: MemoryTiming) -> Planned | None:
    """The plan of a method within `limit` KiB, if it gets down to that."""
    try:
        return plan_model(graph, arch.load("base"), method, sram=limit * 1024, effort=effort, memory=memory)
    except PlanError:
        return None


def _best(figures: _Figures) -> str | None:
    """The method that the joint one takes."""
    return min(figures, key=lambda name: figures[name][0], default=None)


def _cells(figures: _Figures, which: int) -> tuple[int | None, ...]:
    return tuple(figures[name][which] if name in figures else None for name in _METHODS)


def _speedups(figures: _Figures) -> tuple[float | None, float | None]:
    """Of MAFAT and of the best method, against unfused layers."""
    if "layerwise" not in figures:
        return None, None
    unfused = figures["layerwise"][0]
    mafat = round(unfused / figures["mafat"][0], 2) if "mafat" in figures else None
    return mafat, round(unfused / min(cycles for cycles, _ in figures.values()), 2)


def _most(table: Table, name: str) -> float:
    return max((row[name] for row in table.records() if row[name] is not None), default=0.0)
