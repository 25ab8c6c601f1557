# SPDX-License-Identifier: Apache-2.0
"""Branch coverage of the generated Verilog by Verilator (`--coverage-line`), told by lines of the generator's source.

The format of `coverage.dat` is that of Verilator's `verilated_cov.cpp`: a line per point, of pairs of key (after
character 1) and value (after character 2) in quotes, then how often the point was passed.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from esl_ref.errors import CheckFailed
from rtl.verilog import verilog_of
from sim.accelerator import LEAST_BYTES_LOG2
from sim.mutation.design import Design
from sim.mutation.sites import unit_name
from sim.mutation.stimuli import Stage
from sim.runner import accelerator_build, run_programs

__all__ = ["UnitCoverage", "by_unit", "measure", "points"]

_VERILOG = "esl_accel.v"
_POINT = re.compile(r"^C '(.*)' (\d+)$")
_SOURCE = re.compile(r'\(\* src = "([^"|]*)')
_DUMMY = "if (\\$auto$verilog_backend"
"""Yosys puts such an empty branch, never taken, into every process, so that simulators run it at time 0."""
_MODULE = re.compile(r"^module (\S+?)\s*\(")


@dataclass(frozen=True)
class UnitCoverage:
    """Branches of one unit, those that were taken, and where the others are: source line, and line of the Verilog."""

    points: int
    covered: int
    uncovered: tuple[str, ...]

    @property
    def percent(self) -> float:
        """Of the branches, those taken."""
        return 100 * self.covered / self.points if self.points else 100.0


def measure(design: Design, stages: Iterable[Stage], folder: Path) -> dict[str, UnitCoverage]:
    """Coverage per unit of all runs of `stages`, on a build of its own without mutants; the Verilog that the lines are
    of is left in `folder`."""
    verilog = verilog_of(design.text, sources=True)
    accelerator = accelerator_build(
        verilog, data_width=8 * design.arch.axi_bytes, bytes_log2=LEAST_BYTES_LOG2, args=["--coverage-line"]
    )
    runs = [stimulus.run for stage in stages for stimulus in stage.stimuli]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _VERILOG).write_text(verilog)
    with tempfile.TemporaryDirectory(dir=folder.resolve(), prefix="run-") as scratch:
        run_programs(accelerator, runs, folder=Path(scratch))
        data = Path(scratch) / "coverage.dat"
        if not data.is_file():
            raise CheckFailed("the simulator wrote no coverage", where=str(data))
        return by_unit(points(data.read_text()), verilog)


def points(data: str) -> Iterator[tuple[int, int]]:
    """(line of the accelerator's Verilog, count) of every branch."""
    for line in data.splitlines():
        match = _POINT.match(line)
        if not match:
            continue
        fields = dict(pair.split("\x02", 1) for pair in match[1].split("\x01") if "\x02" in pair)
        if fields.get("f", "").endswith(_VERILOG) and fields.get("page", "").startswith(("v_line", "v_branch")):
            yield int(fields["l"]), int(match[2])


def by_unit(found: Iterable[tuple[int, int]], verilog: str) -> dict[str, UnitCoverage]:
    """Points sorted to the units that the Verilog's `src` attributes name."""
    places, text = _places(verilog), verilog.splitlines()
    lists: dict[str, list[tuple[str, int]]] = {}
    for line, count in found:
        if _DUMMY in text[line - 1]:
            continue
        source, module = places[line - 1]
        lists.setdefault(unit_name(source, module), []).append((f"{source} ({_VERILOG}:{line})", count))
    return {
        name: UnitCoverage(len(of_unit), sum(count > 0 for _, count in of_unit),
                           tuple(sorted(where for where, count in of_unit if not count)))
        for name, of_unit in lists.items()
    }  # fmt: skip


def _places(verilog: str) -> list[tuple[str, str]]:
    """Of each line of the Verilog, the source line last named and the module."""
    places, source, module = [], "", ""
    for line in verilog.splitlines():
        if match := _MODULE.match(line):
            module = match[1]
        if match := _SOURCE.search(line):
            source = match[1]
        places.append((source, module))
    return places
