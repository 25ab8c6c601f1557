# SPDX-License-Identifier: Apache-2.0
"""The page: a template filled from a compiled plan, with everything it needs inside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from esl_ref import __version__
from esl_ref.compiler.model import Compiled, ProgramStep
from esl_ref.compiler.sizing import Sizing
from esl_ref.machine.timing import Timing, predict
from esl_ref.planner.points import Point
from esl_ref.report.front import front_svg
from esl_ref.report.page.activity import CAUSES
from esl_ref.report.page.drawing import drawing
from esl_ref.report.page.savings import Saving, savings
from esl_ref.report.plan import GroupRow, PlanReport, SegmentReport

__all__ = ["page"]

ACCOUNTINGS = (
    ("tensors", "feature maps, the network's input held elsewhere"),
    ("with_input", "the arena: feature maps with the network's input"),
    ("with_scratch", "all memories of the plan: the arena in whole words, weights, line buffers, sums, tables, queues"),
    ("rtl_memories", "the memories of the generated Verilog"),
)  # fmt: skip


@dataclass(frozen=True)
class _Section:
    """One accelerator segment on the page."""

    report: SegmentReport
    drawing: Markup
    terms: list[tuple[str, str, int]]
    streamed: list[GroupRow]
    savings: list[Saving]


def _terms(report: SegmentReport) -> list[tuple[str, str, int]]:
    """(class, words, cycles) of every term that occurs, the largest first."""
    found = [(name.lower(), words, report.terms[name]) for name, words in CAUSES if report.terms[name]]
    return sorted(found, key=lambda term: -term[2])


def _section(compiled: Compiled, step: ProgramStep, report: SegmentReport, sizing: Sizing) -> _Section:
    timing: Timing = predict(step.program)
    peak = {b.name for b in report.buffers if b.at_peak}
    drawn = drawing(step.program, timing, report.height, report.bound, peak)
    streamed = [g for g in report.groups if g.strip and len(g.tasks) > 1]
    saved = savings(compiled.graph, step.lowered, sizing, step.choice)
    return _Section(report, Markup(drawn), _terms(report), streamed, saved)


def _short(name: str) -> str:
    return name.split(";")[-1]


def _signed(value: int) -> str:
    return f"{value:+,}" if value else "0"


def page(compiled: Compiled, report: PlanReport, sizing: Sizing, points: Sequence[Point] = (), shown: int = 0) -> str:
    """HTML that opens from disk without network. `points`: the front, if it was computed; `shown`: number of the point
    that this plan is."""
    here = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader(here), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"short": _short, "signed": _signed}
    sections = [
        _section(compiled, step, segment, sizing)
        for step, segment in zip(compiled.programs, report.segments, strict=True)
    ]
    return environment.get_template("page.html.j2").render(
        plan=report, sections=sections, accountings=ACCOUNTINGS, version=__version__, causes=CAUSES,
        points=points, shown=shown, front=Markup(front_svg(report.model, points, inline=True)) if points else "",
        style=Markup((here / "page.css").read_text()), script=Markup((here / "page.js").read_text()),
    )  # fmt: skip
