# SPDX-License-Identifier: Apache-2.0
"""How a campaign proceeds and what it reports, with a simulator that only pretends."""

from __future__ import annotations

import dataclasses
import io
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from esl_ref import arch
from esl_ref.errors import CheckFailed
from sim.mutation import campaign
from sim.mutation.campaign import Campaign, Fate, run_campaign
from sim.mutation.coverage import UnitCoverage
from sim.mutation.design import Mutated
from sim.mutation.report import as_record, scores, show
from sim.mutation.sites import draw, sites
from sim.mutation.stimuli import Stage, stages
from sim.runner import RunResult
from tests.sim.mutation.test_verdict import perfect
from tests.sim.mutation.unit import UNIT, modules

COUNT = 25


@pytest.fixture(scope="module")
def two_stages() -> list[Stage]:
    """Two layers, one each."""
    *_, layers = stages(arch.load("tiny"), 4, 1)
    clean = [s for s in layers.stimuli if s.expected.cycles is not None]
    return [Stage("first", (clean[0],)), Stage("second", (clean[1],))]


@pytest.fixture
def mutated() -> Mutated:
    mutants = draw([s for s in sites(modules()) if s.module == UNIT], COUNT, 1)
    return Mutated(arch.load("tiny"), None, tuple(mutants), 20, 20)  # type: ignore[arg-type]


def pretend(monkeypatch: pytest.MonkeyPatch, all_stages: list[Stage], broken: dict[int, dict[str, Any]]) -> list[Any]:
    """A simulator in which mutant n has the result changes `broken[n]` in stage 'second', odd ones hang in 'first'."""
    asked: list[Any] = []

    def simulate(_: object, mutants: Sequence[int], runs: Sequence[Any], folder: Path) -> list[list[RunResult]]:
        (stage,) = (s for s in all_stages if s.stimuli[0].run.writes is runs[0].writes)
        asked.append((stage.name, list(mutants)))
        good = perfect(stage.stimuli[0])
        results = []
        for number in mutants:
            bad = {"timed_out": number % 2 == 1} if stage.name == "first" and number else {}
            bad |= broken.get(number, {}) if stage.name == "second" else {}
            results.append([dataclasses.replace(good, **bad)])
        return results

    monkeypatch.setattr(campaign, "simulate", simulate)
    return asked


def test_stages_spare_the_dead_and_the_design_runs_along(
    monkeypatch: pytest.MonkeyPatch, two_stages: list[Stage], mutated: Mutated, tmp_path: Path
) -> None:
    asked = pretend(monkeypatch, two_stages, {2: {"breach": "ARVALID fell"}})
    done = run_campaign(mutated, two_stages, tmp_path)
    even = list(range(2, COUNT + 1, 2))
    assert asked == [
        ("first", [0]), ("first", [*range(1, 21), 0]), ("first", [*range(21, COUNT + 1), 0]),
        ("second", [0]), ("second", [*even, 0]),
    ]  # fmt: skip
    assert [f.mutant.number for f in done.fates if not f.killed] == even[1:]
    assert (done.fates[0].check, done.fates[1].check) == ("time-out", "protocol")
    first, second = (perfect(s.stimuli[0]).cycles for s in two_stages)
    assert done.fates[1].cycles == first + second and done.fates[0].cycles == first
    assert (done.runs, done.predicted, done.exact) == (2, 2, 2)


def test_a_design_that_fails_by_itself_is_no_yardstick(
    monkeypatch: pytest.MonkeyPatch, two_stages: list[Stage], mutated: Mutated, tmp_path: Path
) -> None:
    pretend(monkeypatch, two_stages, {0: {"breach": "ARVALID fell"}})
    with pytest.raises(CheckFailed, match="without a mutant fails: protocol"):
        run_campaign(mutated, two_stages, tmp_path)


@pytest.fixture
def finished(mutated: Mutated) -> Campaign:
    checks = itertools.cycle(["bytes", "", "cycles"])
    fates = [Fate(m, c, "what", "first", "run", 10) if (c := next(checks)) else Fate(m) for m in mutated.mutants]
    return Campaign(tuple(fates), ("first",), 3, 2, 1)


def test_scores(finished: Campaign) -> None:
    (row,) = scores(finished.fates)
    assert (row.unit, row.mutants, row.killed) == ("unit", COUNT, 17)
    assert dict(row.by) == {"bytes": 9, "cycles": 8}
    assert finished.score == row.percent == 68.0


def test_the_report_lists_survivors_with_their_place(finished: Campaign) -> None:
    console = Console(file=io.StringIO(), width=150)
    show(finished, {"unit": UnitCoverage(8, 4, ("rtl/a.py:1 (esl_accel.v:9)",))}, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "8 survivors:" in text and "score 68.0 %: 17 of 25 mutants killed" in text
    assert "unit.py:" in text and "in top.unit 'product': " in text and " 50 " in text
    assert "1 of the 2 whose memory does not stall" in text


def test_the_record_is_whole(finished: Campaign) -> None:
    record = as_record(finished, {"unit": UnitCoverage(8, 4, ("rtl/a.py:1",))})
    assert json.loads(json.dumps(record)) == record
    assert record["killed_by"] == {"bytes": 9, "cycles": 8} and record["coverage"]["unit"]["uncovered"] == [
        "rtl/a.py:1"
    ]
    assert {fate["killed_by"] for fate in record["fates"]} == {"bytes", "cycles", ""}
