# SPDX-License-Identifier: Apache-2.0
"""Packages on the generated RTL with Icarus Verilog: slow per cycle, but built in a second. As SystemVerilog, where
logic without an event at the start would stay unknown; the whole model as Verilog."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from golden.content import Content
from golden.simulators import Bench, build_icarus, run_bench
from rtl.generate import generate
from tests.golden.mutants import Mutant, with_mutants
from tests.golden.replaying import expect_file_flip, expect_mutant

MUTANTS, FLIPS = 4, 6


@pytest.fixture(scope="module")
def built(head: Content, tmp_path_factory: pytest.TempPathFactory) -> tuple[Bench, list[Mutant]]:
    if shutil.which("iverilog") is None:
        pytest.skip("Icarus Verilog (iverilog) is not installed")
    folder = tmp_path_factory.mktemp("icarus")
    text, mutants = with_mutants(generate(head.arch).verilog, MUTANTS, seed=3)
    (folder / "esl_accel.v").write_text(text)
    bench = build_icarus([folder / "esl_accel.v"], head.arch.axi_bytes, 1 << 18, folder, standard=2012)
    return bench, mutants


def test_passes_with_bus_monitor_and_stalls(built: tuple[Bench, list[Mutant]], head_package: Path) -> None:
    outcome = run_bench(built[0], head_package)
    assert outcome.passed and outcome.status == 0, outcome.text
    stalled = run_bench(built[0], head_package, "+stall=30", "+latency=40")
    assert stalled.passed and stalled.cycles > outcome.cycles, stalled.text


@pytest.mark.slow
def test_the_whole_model_passes(embedded: Content, embedded_package: Path, tmp_path: Path) -> None:
    """Both Programs, bus monitor included: some minutes of simulation."""
    if shutil.which("iverilog") is None:
        pytest.skip("Icarus Verilog (iverilog) is not installed")
    (tmp_path / "esl_accel.v").write_text(generate(embedded.arch).verilog)
    bench = build_icarus([tmp_path / "esl_accel.v"], embedded.arch.axi_bytes, 1 << 20, tmp_path)
    outcome = run_bench(bench, embedded_package)
    assert outcome.passed and outcome.status == 0, outcome.text
    print(f"{outcome.cycles} cycles at {outcome.cycles / outcome.seconds:,.0f} cycles/s")


def test_flipped_bits_of_the_package_are_reported_in_place(
    built: tuple[Bench, list[Mutant]], head: Content, head_package: Path, copied: Callable[[Path], Path]
) -> None:
    folder, rng = copied(head_package), random.Random(5)
    for number in range(FLIPS):
        expect_file_flip(built[0], folder, head, rng, r"expected\." if number % 2 else r"commands|constants|input\.")


def test_flipped_bits_of_the_requantiser_are_reported_in_their_lane(
    built: tuple[Bench, list[Mutant]], head: Content, head_package: Path
) -> None:
    for mutant in built[1]:
        expect_mutant(built[0], head_package, head, mutant)


@pytest.mark.parametrize(("name", "line", "said"), [
    ("bus/p0.v0.load.txt", 0, "BUS load differs"), ("bus/p0.v0.fetch.txt", 3, "BUS burst differs"),
    ("bus/p0.v0.store.txt", 0, "BUS burst differs"), ("bus/p0.v0.wdata.txt", 0, "BUS data beat differs"),
])  # fmt: skip
def test_a_changed_transaction_is_reported(
    built: tuple[Bench, list[Mutant]],
    head_package: Path,
    copied: Callable[[Path], Path],
    name: str,
    line: int,
    said: str,
) -> None:
    folder = copied(head_package)
    lines = (folder / name).read_text().splitlines()
    words = lines[line].split()
    words[1] = f"{int(words[1], 16) ^ 0x40:0{len(words[1])}x}"
    (folder / name).write_text("\n".join([*lines[:line], " ".join(words), *lines[line + 1 :]]) + "\n")
    outcome = run_bench(built[0], folder)
    assert not outcome.passed and said in outcome.text, outcome.text


def test_a_missing_script_and_another_architecture_fail(
    built: tuple[Bench, list[Mutant]], head_package: Path, copied: Callable[[Path], Path], tmp_path: Path
) -> None:
    folder = copied(head_package)
    text = (folder / "replay.txt").read_text()
    hash_text = text.split()[2]
    (folder / "replay.txt").write_text(text.replace(hash_text, "00000000deadbeef", 1))
    outcome = run_bench(built[0], folder)
    assert not outcome.passed and "00000000deadbeef" in outcome.text and hash_text in outcome.text
    (folder / "replay.txt").unlink()
    assert "FAIL" in run_bench(built[0], folder).text


def test_a_hang_is_ended(built: tuple[Bench, list[Mutant]], head_package: Path) -> None:
    outcome = run_bench(built[0], head_package, "+timeout=100")
    assert not outcome.passed and "HANG run=p0.v0" in outcome.text and "FAIL" in outcome.text
