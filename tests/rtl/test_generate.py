# SPDX-License-Identifier: Apache-2.0
"""Generated files: reproducible, complete, consistent with the architecture. (Lint: tests/sim/test_lint.py.)"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

import rtl
from esl_ref.arch import PRESETS, load
from esl_ref.errors import EslError, InputError
from rtl.generate import Generated, generate, ports, write
from rtl.top import TOP
from sim.accelerator import generated_folder
from sim.toolchain import find_toolchain
from tests.helpers.disk import no_file_above

WAIVERS = Path(rtl.__file__).parent / "waivers.vlt"
NAMES = {"esl_accel.v", "esl_accel.json", "ports.vlt", "registers.md", "esl_accel.h", "esl_accel.rdl"}


def sidecar_of(name: str) -> dict[str, Any]:
    return json.loads((generated_folder(load(name)) / "esl_accel.json").read_text())


def verilog_of(name: str) -> str:
    return (generated_folder(load(name)) / "esl_accel.v").read_text()


def test_another_process_gives_the_same_bytes_and_writes_them_all(tmp_path: Path) -> None:
    write(generate(load("tiny")), tmp_path / "out")
    assert {p.name for p in (tmp_path / "out").iterdir()} == NAMES
    for name in NAMES:
        assert (tmp_path / "out" / name).read_bytes() == (generated_folder(load("tiny")) / name).read_bytes(), name


@pytest.mark.parametrize("name", PRESETS)
def test_memories_are_those_of_the_architecture(name: str) -> None:
    arch, sidecar = load(name), sidecar_of(name)
    assert sidecar["memory_bytes"] == sum(m["bytes"] for m in sidecar["memories"]) == arch.memory_bytes()
    assert [(m["name"], m["bytes"]) for m in sidecar["memories"]] == [(m.name, m.nbytes) for m in arch.memories()]


def test_memories_have_no_contents() -> None:
    assert not re.search(r"^    \w+\[\d+\] = ", verilog_of("tiny"), re.MULTILINE)


@pytest.mark.parametrize("name", PRESETS)
def test_ports_are_those_of_the_module(name: str) -> None:
    text = verilog_of(name)
    module = text[text.index(f"module {TOP}(") :]
    module = module[: module.index("endmodule")]
    found = re.findall(r"^  (input|output) (?:\[(\d+):0\] )?(\w+);", module, re.MULTILINE)
    ports = {(p["name"], p["direction"], p["width"]) for p in sidecar_of(name)["ports"]}
    assert {(n, d, int(w or 0) + 1) for d, w, n in found} == ports
    assert {p[0] for p in ports} >= {"clk", "rst", "irq", "m_axi_araddr", "m_axi_bresp", "s_axil_wstrb"}


@pytest.mark.parametrize("channel", ["ar", "aw"])
def test_transfers_ask_for_no_privilege(channel: str) -> None:
    """Unprivileged, non-secure data (AXI4, A4.7)."""
    assert re.search(rf"^  assign m_axi_{channel}prot = 3'h2;$", verilog_of("tiny"), re.MULTILINE)


def test_sidecar() -> None:
    arch, sidecar = load("base"), sidecar_of("base")
    assert sidecar["module"] == TOP
    assert sidecar["arch"] == arch.to_dict()
    assert sidecar["arch_hash"] == f"{arch.hash():016x}"
    assert sidecar["verilog_sha256"] == hashlib.sha256(verilog_of("base").encode()).hexdigest()


def test_failed_conversion_says_why() -> None:
    with pytest.raises(EslError, match="axi_bytes"):
        generate(load("tiny").with_depths(axi_bytes=16))


def test_only_the_ports_are_public(tmp_path: Path) -> None:
    """`ports.vlt` is accepted by Verilator and names every port, and nothing else."""
    folder, tools = generated_folder(load("tiny")), find_toolchain()
    named = set(re.findall(r'-module "esl_accel" -var "(\w+)"', (folder / "ports.vlt").read_text()))
    assert named == {p["name"] for p in sidecar_of("tiny")["ports"]}
    command = [tools.verilator, "--lint-only", "-Wall", "--top-module", TOP, WAIVERS, folder / "ports.vlt"]
    done = subprocess.run(
        [*command, folder / "esl_accel.v"], env=tools.environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[:2000]


def large(text: str) -> Generated:
    return Generated(load("tiny"), text * (1 << 20), ports(load("tiny")), load("tiny").memories())


def test_a_full_disk_leaves_the_files_that_were_there(tmp_path: Path) -> None:
    write(Generated(load("base"), "before", ports(load("base")), load("base").memories()), tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    with no_file_above(1 << 18), pytest.raises(InputError, match=f"{tmp_path}: cannot write the Verilog: File too"):
        write(large("after"), tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_a_full_disk_leaves_no_new_folder(tmp_path: Path) -> None:
    with no_file_above(1 << 18), pytest.raises(InputError, match="cannot write the Verilog"):
        write(large("after"), tmp_path / "new")
    assert not list(tmp_path.iterdir())


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "registers.md").mkdir()
    with pytest.raises(InputError, match="registers.md: is a folder"):
        write(large("text"), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["registers.md"]


@pytest.mark.parametrize("place", ["/dev/null", "/dev/null/x", "/proc/1/x"])
def test_impossible_folders_are_one_sentence(place: str) -> None:
    with pytest.raises(InputError, match=f"^{place}: cannot write the Verilog: "):
        write(large("text"), Path(place))
