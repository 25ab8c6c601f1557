# SPDX-License-Identifier: Apache-2.0
"""Public networks, each on the RTL of one machine that holds all of them, with Verilator and no Python inside."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from esl_ref.arch import Arch
from esl_ref.arch import load as load_arch
from esl_ref.frontends import load
from esl_ref.ir import Graph
from esl_ref.models import embedded_path
from esl_ref.pipeline import compile_model
from golden.check import check
from golden.content import from_graph
from golden.export import export
from golden.package import opened
from golden.simulators import Bench, Verilator, build_verilator, run_bench
from golden.writer import PackageWriter
from rtl.generate import generate
from sim.build import build_root
from sim.toolchain import find_toolchain

pytestmark = [pytest.mark.cosim, pytest.mark.slow]
NETWORKS = ("embedded", "kws_dscnn_int8", "ic_resnet8_int8", "vww_mnv1_025_96_int8")
DEPTHS = ("act_bytes", "weight_words", "line_depth", "window_rows", "window_cols", "tables")


@pytest.fixture(scope="module")
def graphs(data_dir: Path) -> dict[str, Graph]:
    models = data_dir / "mlperf_tiny" / "models"
    return {n: load(embedded_path() if n == "embedded" else models / f"{n}.tflite") for n in NETWORKS}


@pytest.fixture(scope="module")
def machine(graphs: dict[str, Graph]) -> Arch:
    """The smallest machine on which all of them run."""
    archs = [compile_model(g, load_arch("base")).arch for g in graphs.values()]
    deepest = {n: max(getattr(a, n) for a in archs) for n in DEPTHS if hasattr(archs[0], n)}
    return replace(archs[0], **deepest)


@pytest.fixture(scope="module")
def bench(machine: Arch, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    source = tmp_path_factory.mktemp("rtl") / "esl_accel.v"
    source.write_text(generate(machine).verilog)
    tools = find_toolchain()
    verilator = Verilator(tools.verilator, tools.environment())
    return build_verilator([source], machine.axi_bytes, 1 << 22, build_root(), verilator)


@pytest.mark.parametrize("name", NETWORKS)
def test_replays_to_pass_and_checks_on_the_machine(
    name: str, graphs: dict[str, Graph], machine: Arch, bench: Bench, tmp_path: Path
) -> None:
    content = from_graph(graphs[name], load_arch("base"), sized=machine)
    with PackageWriter(tmp_path / "p") as writer:
        export(content, writer, level="bus", formats=["hex"])
    outcome = run_bench(bench, tmp_path / "p")
    assert outcome.passed, outcome.text
    with opened(tmp_path / "p") as package:
        assert check(package) == []
