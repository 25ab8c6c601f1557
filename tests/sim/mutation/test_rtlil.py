# SPDX-License-Identifier: Apache-2.0
"""Taking RTLIL apart loses nothing, and what is not understood is refused."""

from __future__ import annotations

import pytest

from esl_ref.errors import CheckFailed
from sim.mutation.rtlil import Assign, Cell, Process, Switch, parse, render
from tests.sim.mutation.unit import UNIT, modules


def test_the_text_survives() -> None:
    parsed = modules()
    again = parse(render(parsed))
    assert [m.name for m in again] == ["\\top", "\\top.unit"]
    assert render(again) == render(parsed)


def test_cells_and_processes_know_their_source() -> None:
    unit = next(m for m in modules() if m.name == UNIT)
    less = next(c for c in unit.items if isinstance(c, Cell) and c.kind == "$lt")
    assert less.ports["\\A"] == "\\a [3:0]" and "unit.py:" in less.source
    switch = next(n for p in unit.items if isinstance(p, Process) for n in p.body if isinstance(n, Switch))
    assert switch.value and len(switch.cases) == 2


def test_an_assignment_behind_a_switch_keeps_its_place() -> None:
    """Yosys would move it before the switch."""
    module = modules()[0]
    body = [Assign("\\a", "1'0"), Switch("\\s", [("1'1", [Assign("\\a", "1'1")])]), Assign("\\a", "\\b")]
    module.items = [Process("", "$1", body)]  # type: ignore[list-item]
    text = [line.strip() for line in render([module]).splitlines()]
    first = ["assign \\a 1'0", "switch \\s", "case 1'1", "assign \\a 1'1", "end"]
    assert text[text.index("process $1") + 1 :][:9] == [*first, "switch { }", "case", "assign \\a \\b", "end"]


@pytest.mark.parametrize(
    "line", ["  sync posedge \\clk", "  cell $add $1\n    surprise 1\n  end", "  process $1\n    sync always\n  end"]
)
def test_what_is_not_understood_is_refused(line: str) -> None:
    with pytest.raises(CheckFailed, match="not understood"):
        parse(f"module \\m\n{line}\nend\n")
