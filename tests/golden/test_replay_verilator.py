# SPDX-License-Identifier: Apache-2.0
"""The same with Verilator's `--binary`: the whole model, and 200 planted faults. A build takes minutes."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from golden.content import Content
from golden.simulators import BENCH, Bench, Verilator, build_verilator, run_bench
from rtl.generate import generate
from sim.build import build_root
from sim.toolchain import find_toolchain
from tests.golden.mutants import Mutant, with_mutants
from tests.golden.replaying import expect_file_flip, expect_mutant

pytestmark = pytest.mark.cosim
MUTANTS, FLIPS = 40, 160


def _verilator() -> Verilator:
    tools = find_toolchain()
    return Verilator(tools.verilator, tools.environment())


@pytest.fixture(scope="module")
def built(embedded: Content, tmp_path_factory: pytest.TempPathFactory) -> tuple[Bench, list[Mutant]]:
    folder = tmp_path_factory.mktemp("verilator")
    text, mutants = with_mutants(generate(embedded.arch).verilog, MUTANTS, seed=4)
    (folder / "esl_accel.v").write_text(text)
    return build_verilator(
        [folder / "esl_accel.v"], embedded.arch.axi_bytes, 1 << 20, build_root(), _verilator()
    ), mutants


@pytest.mark.slow
def test_passes(built: tuple[Bench, list[Mutant]], embedded_package: Path) -> None:
    outcome = run_bench(built[0], embedded_package)
    assert outcome.passed and outcome.status == 0, outcome.text


@pytest.mark.slow
def test_two_hundred_flipped_bits_are_reported_in_place(
    built: tuple[Bench, list[Mutant]], embedded: Content, embedded_package: Path, copied: Callable[[Path], Path]
) -> None:
    folder, rng = copied(embedded_package), random.Random(200)
    for number in range(FLIPS):
        expect_file_flip(
            built[0], folder, embedded, rng, r"expected\." if number % 2 else r"commands|constants|input\."
        )
    for mutant in built[1]:
        expect_mutant(built[0], embedded_package, embedded, mutant)


def test_sequence_items_compile(tmp_path: Path) -> None:
    """With a small bench that counts what the reader gives."""
    tools = find_toolchain()
    (tmp_path / "t.sv").write_text(
        f'`include "{BENCH / "esl_golden_items.svh"}"\n'
        'module t; esl_golden_reader r; esl_golden_item i; initial begin r = new("x"); while (r.next(i)) '
        '$display("%0d", i.kind); end endmodule\n'
    )
    command = [str(tools.verilator), "--lint-only", "--timing", "-Wno-fatal", str(tmp_path / "t.sv")]
    done = subprocess.run(command, capture_output=True, text=True, env=tools.environment())
    assert done.returncode == 0, done.stderr
