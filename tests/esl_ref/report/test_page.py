# SPDX-License-Identifier: Apache-2.0
"""The page of a plan: complete, self-contained, and its figures those of the plan."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from esl_ref import arch
from esl_ref.compiler.model import Compiled
from esl_ref.compiler.sizing import Sizing, scratch_bytes
from esl_ref.frontends import load
from esl_ref.machine.timing import predict
from esl_ref.models import embedded_path
from esl_ref.pipeline import compile_model
from esl_ref.planner.joint import Rater
from esl_ref.planner.points import Point
from esl_ref.report.page import page
from esl_ref.report.page.activity import CAUSES, lives, shares, works
from esl_ref.report.page.savings import savings
from esl_ref.report.plan import report


class _Tags(HTMLParser):
    """Counts tags by class, and sees whether every tag is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.classes: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.classes += (given.get("class") or "").split()
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def compiled() -> Compiled:
    return compile_model(load(embedded_path()), arch.load("base"), sram=4096)


@pytest.fixture(scope="module")
def sizing(compiled: Compiled) -> Sizing:
    return Sizing(compiled.arch, tuple(s.lowered for s in compiled.programs), scratch_bytes(arch.load("base")))


@pytest.fixture(scope="module")
def text(compiled: Compiled, sizing: Sizing) -> str:
    points = [Point(3, 40, 9, 80), Point(9, 50, 7, 20)]
    return page(compiled, report(compiled, "dir/a<b>.tflite"), sizing, points, 2)


def test_page_is_whole_and_needs_no_network(text: str) -> None:
    tags = _Tags()
    tags.feed(text)
    assert tags.open == [] and tags.links == []
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "<h1>a&lt;b&gt;.tflite</h1>" in text


def test_every_buffer_and_term_is_there(text: str, compiled: Compiled) -> None:
    (step,) = compiled.programs
    tags = _Tags()
    tags.feed(text)
    assert tags.classes.count("buffer") == len(step.plan.intervals)
    assert tags.classes.count("peak") == len(step.plan.peak)
    timing = predict(step.program)
    for name, words in CAUSES:
        cell = re.escape(words.replace("'", "&#39;"))
        found = re.search(rf"<td>{cell}</td><td class=\"n\">([\d,]+)</td>", text)
        assert (int(found[1].replace(",", "")) if found else 0) == timing.counters[name]
    for value in report(compiled, "").sram_bytes.values():
        assert f'<td class="n">{value:,}</td>' in text


def test_blocks_cover_the_commands_in_order(compiled: Compiled) -> None:
    program = compiled.programs[0].program
    timing = predict(program)
    blocks = works(program, timing, gap=5)
    assert sum(b.commands for b in blocks) == len(program.commands) - 2
    for queue in ("load", "compute", "store"):
        mine = [b for b in blocks if b.queue == queue]
        assert mine and all(a.last <= b.first for a, b in zip(mine, mine[1:], strict=False))
        assert all(0 <= b.first <= b.last <= timing.cycles for b in mine)


def test_every_cycle_has_its_cause_in_the_picture(compiled: Compiled) -> None:
    timing = predict(compiled.programs[0].program)
    bins = shares(timing, 50)
    assert all(sum(part.values()) == pytest.approx(1, abs=0.02) for part in bins)
    for name, _ in CAUSES:
        drawn = sum(part.get(name, 0) for part in bins) * timing.cycles / 50
        assert drawn == pytest.approx(timing.counters[name], abs=2)


def test_lives_do_not_overlap_in_place_and_time(compiled: Compiled) -> None:
    program = compiled.programs[0].program
    found = lives(program, predict(program))
    assert len(found) == len(compiled.programs[0].plan.intervals)
    assert all(0 <= life.first < life.last for life in found)


def test_savings_are_against_plans_that_were_worked_out(compiled: Compiled, sizing: Sizing) -> None:
    (step,) = compiled.programs
    found = savings(compiled.graph, step.lowered, sizing, step.choice)
    fusion = next(s for s in found if s.decision == "fusion")
    assert fusion.chosen == Rater(compiled.graph, step.lowered, sizing).rate(step.choice)
    assert fusion.chosen.height == step.plan.height
    assert fusion.other.height > 3 * fusion.chosen.height
    residency = next(s for s in found if "weight SRAM" in s.decision)
    assert residency.other.on_chip < residency.chosen.on_chip
    assert residency.other.traffic > residency.chosen.traffic


def test_what_more_weight_memory_would_bring(compiled: Compiled) -> None:
    (step,) = compiled.programs
    little = arch.load("base,weight_words=60")
    short = Sizing(little, (step.lowered,), scratch_bytes(little))
    found = savings(compiled.graph, step.lowered, short, step.choice)
    more = next(s for s in found if s.decision.startswith("no more than"))
    assert more.other.on_chip > more.chosen.on_chip
    assert more.other.cycles < more.chosen.cycles
