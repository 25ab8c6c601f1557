# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from esl_ref.arch import load as load_arch
from esl_ref.numerics import Profile
from golden.package import opened
from golden.units import UNITS, adapter, export_unit, width_of
from tests.golden.verilog_units import DELAYS, unit_verilog


def _simulate(
    name: str, folder: Path, arch_name: str = "tiny", profile: Profile = Profile.TFLITE, mutate: str = ""
) -> str:
    if shutil.which("iverilog") is None:
        pytest.skip("Icarus Verilog (iverilog) is not installed")
    arch = load_arch(arch_name).with_depths(profile=profile, line_depth=8)  # type: ignore[arg-type]
    unit = export_unit(name, arch, folder / "package")
    text, ties = unit_verilog(name, arch)
    if mutate:
        assert mutate in text
        text = text.replace(mutate, mutate.replace("<=", "<= 1 ^"), 1)
    (folder / "unit.v").write_text(text + adapter(unit, "own_unit", ties=ties))
    parameters = {"IN_WIDTH": width_of(unit.inputs), "OUT_WIDTH": width_of(unit.outputs), "LINES": len(unit.lines)}
    command = ["iverilog", "-g2005", "-s", "esl_golden_unit_tb", "-o", str(folder / "u.vvp")]
    command += [f"-Pesl_golden_unit_tb.{k}={v}" for k, v in parameters.items()]
    subprocess.run([*command, str(folder / "unit.v"), str(folder / "package/sv/esl_golden_unit_tb.sv")], check=True)
    run = ["vvp", "-n", str(folder / "u.vvp"), f"+package={folder / 'package'}", f"+delay={DELAYS[name]}"]
    done = subprocess.run(run, capture_output=True, text=True, timeout=300)
    assert (done.returncode == 0) == (f"PASS lines={len(unit.lines)}" in done.stdout), done.stdout
    return done.stdout


@pytest.mark.parametrize("name", sorted(UNITS))
def test_our_unit_passes(name: str, tmp_path: Path) -> None:
    assert "PASS" in _simulate(name, tmp_path)


@pytest.mark.parametrize("profile", [Profile.SINGLE, Profile.EVEN, Profile.MUL_ADD_SHIFT, Profile.POW2])
def test_requantiser_of_every_profile_passes(profile: Profile, tmp_path: Path) -> None:
    assert "PASS" in _simulate("requantise", tmp_path, profile=profile)


def test_a_wrong_requantiser_fails_at_a_line(tmp_path: Path) -> None:
    assert "FIRST DIVERGENCE line=1 " in _simulate("requantise", tmp_path, mutate="out <=")


@pytest.mark.parametrize(("name", "register"), [("array", "acc_3"), ("window", "slot_3")])
def test_a_wrong_bit_in_array_or_window_fails(name: str, register: str, tmp_path: Path) -> None:
    assert "FIRST DIVERGENCE line=" in _simulate(name, tmp_path, mutate=f"    {register} <=")


def test_corner_cases_are_among_the_vectors() -> None:
    lines = UNITS["requantise"](load_arch("tiny")).lines
    outs = [line.expected["out"] for line in lines]
    assert {511, -512, 0} <= set(outs) and len(lines) > 1000
    assert any(line.stimulus["acc"] == -(1 << 31) for line in lines)


def test_unit_packages_carry_hashes(tmp_path: Path) -> None:
    export_unit("array", load_arch("tiny"), tmp_path / "p")
    with opened(tmp_path / "p") as package:
        assert package.damaged() == [] and package.strangers() == []
