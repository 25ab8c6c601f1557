# SPDX-License-Identifier: Apache-2.0
"""A campaign as tables for people and as a record for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from esl_ref.cli.common import show_table
from sim.mutation.campaign import Campaign, Fate
from sim.mutation.coverage import UnitCoverage
from sim.mutation.sites import unit_name
from sim.mutation.verdict import CHECKS

__all__ = ["UnitScore", "as_record", "scores", "show"]


@dataclass(frozen=True)
class UnitScore:
    """Mutants of one unit (a file of the generator's source) and how many were killed by which check."""

    unit: str
    mutants: int
    by: Mapping[str, int]

    @property
    def killed(self) -> int:
        """How many were noticed."""
        return sum(self.by.values())

    @property
    def percent(self) -> float:
        """Of the mutants, those noticed."""
        return 100 * self.killed / self.mutants if self.mutants else 100.0


def scores(fates: Iterable[Fate]) -> list[UnitScore]:
    """Units in alphabetical order."""
    units: dict[str, list[Fate]] = {}
    for fate in fates:
        units.setdefault(unit_name(fate.mutant.site.source, fate.mutant.site.module), []).append(fate)
    return [_score(name, units[name]) for name in sorted(units)]


def _score(name: str, fates: list[Fate]) -> UnitScore:
    return UnitScore(name, len(fates), Counter(fate.check for fate in fates if fate.killed))


def show(campaign: Campaign, coverage: Mapping[str, UnitCoverage], console: Console) -> None:
    """Score and coverage per unit, checks that killed, and what survived."""
    rows = scores(campaign.fates)
    table = Table(box=None, pad_edge=False)
    table.add_column("unit")
    for heading in ("mutants", "killed", "score %", *(("branches %",) if coverage else ())):
        table.add_column(heading, justify="right")
    table.add_column("killed by")
    for row in [*rows, _score("all", list(campaign.fates))]:
        by = ", ".join(f"{check} {row.by[check]}" for check in CHECKS if row.by.get(check))
        covered = [_percent(coverage.get(row.unit))] if coverage else []
        table.add_row(row.unit, str(row.mutants), str(row.killed), f"{row.percent:.0f}", *covered, by)
    show_table(console, table)
    for line in _summary(campaign):
        console.print(line, soft_wrap=True)


def _percent(covered: UnitCoverage | None) -> str:
    return f"{covered.percent:.0f}" if covered is not None and covered.points else ""


def _summary(campaign: Campaign) -> Iterator[str]:
    """Sentences below the table."""
    by_stage = Counter(fate.stage for fate in campaign.fates if fate.killed)
    yield "killed in stage: " + ", ".join(f"{stage} {by_stage[stage]}" for stage in campaign.stages)
    cycles = sorted(fate.cycles for fate in campaign.fates if fate.killed)
    if cycles:
        yield f"half of them within {cycles[len(cycles) // 2]:,} cycles, all within {cycles[-1]:,}"
    yield f"the design itself passed all {campaign.runs} runs; cycles as predicted in {campaign.exact} of the " \
          f"{campaign.predicted} whose memory does not stall, and only there they can kill"  # fmt: skip
    survivors = [fate for fate in campaign.fates if not fate.killed]
    if survivors:
        yield f"{len(survivors)} survivors:"
    for fate in sorted(survivors, key=lambda f: (f.mutant.site.source, f.mutant.number)):
        yield f"  {_where(fate)}: {fate.mutant.says()} (mutant {fate.mutant.number})"
    yield f"score {campaign.score:.1f} %: {campaign.killed} of {len(campaign.fates)} mutants killed"


def _where(fate: Fate) -> str:
    site = fate.mutant.site
    named = f" '{site.signal[1:]}'" if site.signal.startswith("\\") else ""
    return f"{site.source} in {site.module[1:]}{named}"


def as_record(campaign: Campaign, coverage: Mapping[str, UnitCoverage]) -> dict[str, Any]:
    """The JSON report."""
    return {
        "score_percent": campaign.score, "mutants": len(campaign.fates), "killed": campaign.killed,
        "runs": campaign.runs, "runs_with_predicted_cycles": campaign.predicted,
        "runs_with_exact_cycles": campaign.exact, "stages": list(campaign.stages),
        "killed_by": dict(Counter(fate.check for fate in campaign.fates if fate.killed)),
        "units": [
            {"unit": row.unit, "mutants": row.mutants, "killed": row.killed, "by": dict(row.by)}
            for row in scores(campaign.fates)
        ],
        "coverage": {
            name: {"points": unit.points, "covered": unit.covered, "uncovered": list(unit.uncovered)}
            for name, unit in sorted(coverage.items())
        },
        "fates": [_fate_record(fate) for fate in campaign.fates],
    }  # fmt: skip


def _fate_record(fate: Fate) -> dict[str, Any]:
    site = fate.mutant.site
    return {
        "number": fate.mutant.number, "source": site.source, "module": site.module.lstrip("\\"), "signal": site.signal,
        "operator": fate.mutant.operator, "says": fate.mutant.says(), "killed_by": fate.check, "what": fate.what,
        "stage": fate.stage, "run": fate.stimulus, "cycles": fate.cycles,
    }  # fmt: skip
