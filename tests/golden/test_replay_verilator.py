# SPDX-License-Identifier: Apache-2.0
"""The same with Verilator's `--binary`: the whole model, and 200 planted faults. A build takes minutes."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from esl_ref.arch import load as load_arch
from esl_ref.frontends import load
from esl_ref.models import embedded_path
from golden.content import Content, from_graph
from golden.export import export
from golden.simulators import BENCH, Bench, Outcome, Verilator, build_verilator, run_bench
from golden.writer import PackageWriter
from rtl.generate import generate
from sim.build import build_root
from sim.speed import measure_simulation_speed
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


def _cpu(outcome: Outcome) -> float:
    """Processor seconds that Verilator reports at the end."""
    match = re.search(r"cpu ([0-9.]+) s", outcome.text)
    assert match, outcome.text
    return float(match[1])


@pytest.mark.slow
def test_is_as_fast_as_four_fifths_of_a_bare_loop(tmp_path: Path) -> None:
    """Processor time from doorbells to interrupts, against the bare loop's best."""
    graph, arch = load(embedded_path()), load_arch("base")
    content = from_graph(graph, arch, kinds=["plain"], count=10)
    with PackageWriter(tmp_path / "p") as writer:
        export(content, writer, formats=["hex"])
    (tmp_path / "esl_accel.v").write_text(generate(content.arch).verilog)
    bench = build_verilator([tmp_path / "esl_accel.v"], 8, 1 << 20, build_root(), _verilator())
    idle = tmp_path / "idle"  # the same files and comparisons, but no doorbell
    shutil.copytree(tmp_path / "p", idle)
    kept = [
        line
        for line in (idle / "replay.txt").read_text().splitlines()
        if not line.startswith(("start", "read", "expect", "tensor"))
    ]
    (idle / "replay.txt").write_text("\n".join(kept) + "\n")
    replays = [run_bench(bench, tmp_path / "p") for _ in range(15)]
    assert all(r.passed for r in replays), replays[0].text
    seconds = min(map(_cpu, replays)) - min(_cpu(run_bench(bench, idle)) for _ in range(15))
    rate = replays[0].cycles / seconds
    bare = measure_simulation_speed(graph, arch, repeats=5).bare
    print(f"replay {rate:,.0f}, bare loop {bare:,.0f} cycles/s")
    assert rate >= 0.8 * bare


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
