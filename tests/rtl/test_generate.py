# SPDX-License-Identifier: Apache-2.0
"""Generated files: reproducible, complete, consistent with the architecture, clean under lint."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

import rtl
from esl_ref.arch import PRESETS, load
from esl_ref.errors import EslError
from rtl.generate import Generated, generate, write
from rtl.top import TOP
from sim.toolchain import find_toolchain

WAIVERS = Path(rtl.__file__).parent / "waivers.vlt"
_cache: dict[str, Generated] = {}


def generated(name: str) -> Generated:
    if name not in _cache:
        _cache[name] = generate(load(name))
    return _cache[name]


def test_twice_the_same_bytes() -> None:
    assert generate(load("tiny")).files() == generated("tiny").files()


@pytest.mark.parametrize("name", PRESETS)
def test_memories_are_those_of_the_architecture(name: str) -> None:
    arch = load(name)
    assert sum(m.nbytes for m in generated(name).memories) == arch.memory_bytes()
    assert [m.name for m in generated(name).memories] == [m.name for m in arch.memories()]


def test_planned_depths_reach_the_rtl() -> None:
    arch = load("tiny").with_depths(act_bytes=8192, weight_words=32, line_depth=20)
    sizes = {m.name: (m.depth, m.copies) for m in generate(arch).memories}
    assert sizes["act_sram"] == (512, 2) and sizes["weight_sram"] == (32, 8) and sizes["line_buffer"] == (20, 2)


def test_memories_have_no_contents() -> None:
    assert not re.search(r"^\s+\w+\[\d+\] = ", generated("tiny").verilog, re.MULTILINE)


@pytest.mark.parametrize("name", PRESETS)
def test_ports_are_those_of_the_module(name: str) -> None:
    text = generated(name).verilog
    module = text[text.index(f"module {TOP}(") :]
    module = module[: module.index("endmodule")]
    found = re.findall(r"^  (input|output) (?:\[(\d+):0\] )?(\w+);", module, re.MULTILINE)
    assert {(n, d, int(w or 0) + 1) for d, w, n in found} == {
        (p.name, p.direction, p.width) for p in generated(name).ports
    }


def test_written_folder(tmp_path: Path) -> None:
    write(generated("tiny"), tmp_path / "out")
    names = {p.name for p in (tmp_path / "out").iterdir()}
    assert names == {"esl_accel.v", "esl_accel.json", "ports.vlt", "registers.md", "esl_accel.h", "esl_accel.rdl"}
    sidecar = json.loads((tmp_path / "out/esl_accel.json").read_text())
    assert sidecar["module"] == TOP
    assert sidecar["arch"] == load("tiny").to_dict()
    assert sidecar["arch_hash"] == f"{load('tiny').hash():016x}"
    assert {p["name"] for p in sidecar["ports"]} >= {"clk", "rst", "irq", "m_axi_araddr", "s_axil_wdata"}


def test_failed_conversion_says_why() -> None:
    with pytest.raises(EslError, match="axi_bytes"):
        generate(load("tiny").with_depths(axi_bytes=16))


@pytest.mark.parametrize("name", PRESETS)
def test_lint(name: str, tmp_path: Path) -> None:
    """`verilator --lint-only -Wall`: every warning that rtl/waivers.vlt does not explain is an error."""
    tools = find_toolchain()
    write(generated(name), tmp_path)
    command = [tools.verilator, "--lint-only", "-Wall", "--top-module", TOP, WAIVERS, tmp_path / "esl_accel.v"]
    done = subprocess.run(command, env=tools.environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:2000]


def test_lint_would_find_a_defect(tmp_path: Path) -> None:
    tools = find_toolchain()
    bad = generated("tiny").verilog.replace("  assign m_axi_arburst = 2'h1;", "  assign m_axi_arburst = 3'h1;")
    assert bad != generated("tiny").verilog
    (tmp_path / "esl_accel.v").write_text(bad)
    command = [tools.verilator, "--lint-only", "-Wall", "--top-module", TOP, WAIVERS, tmp_path / "esl_accel.v"]
    done = subprocess.run(command, env=tools.environment(), capture_output=True, text=True, check=False)
    assert done.returncode != 0


def test_ports_vlt_compiles(tmp_path: Path) -> None:
    tools = find_toolchain()
    write(generated("tiny"), tmp_path)
    files = [WAIVERS, tmp_path / "ports.vlt", tmp_path / "esl_accel.v"]
    command = [tools.verilator, "--lint-only", "-Wall", "--top-module", TOP, *files]
    done = subprocess.run(command, env=tools.environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:2000]
