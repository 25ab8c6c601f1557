# SPDX-License-Identifier: Apache-2.0
"""How fast the co-simulation is: the same run of the same RTL under cocotb, under a bare C++ loop, and as the replay of
a golden-vector package, in turn."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from esl_ref.arch import Arch
from esl_ref.errors import CheckFailed
from esl_ref.executor import random_inputs
from esl_ref.ir import Graph
from golden.content import from_graph
from golden.export import export
from golden.simulators import Bench, Verilator, build_verilator, rtl_sources, run_bench
from golden.writer import PackageWriter
from sim.accelerator import BuiltRtl
from sim.bare import bare_executable, bare_run
from sim.build import build_root
from sim.rtl_backend import RtlBackend, register_run
from sim.runner import BusMemory, run_programs
from sim.toolchain import find_toolchain
from sim.workload import TIMED, Workload, prepare

__all__ = ["SimulationSpeed", "measure_simulation_speed"]

_MEMORY_LOG2 = 20


@dataclass(frozen=True)
class SimulationSpeed:
    """Best cycles per second of each; `cycles` of the run, `build_seconds` of the model for cocotb and bare loop."""

    model: str
    arch: str
    cycles: int
    cocotb: float
    bare: float
    replay: float
    build_seconds: float

    @property
    def fraction(self) -> float:
        """cocotb's speed over the bare loop's; 0.5 is asked for."""
        return self.cocotb / self.bare

    @property
    def replay_fraction(self) -> float:
        """The replay's speed over the bare loop's; 0.8 is asked for."""
        return self.replay / self.bare


def measure_simulation_speed(
    graph: Graph, arch: Arch, repeats: int = 5, *, fixed: bool = False, seed: int = 1
) -> SimulationSpeed:
    """Run the first accelerator segment of `graph` on the RTL `repeats` times in each of the three ways.

    They take turns, and the best of each counts, so that a busy moment of the machine hits all alike; each is timed
    from doorbell to interrupt. `fixed` builds `arch` with the memories it describes instead of those the plan needs.
    Raises `CheckFailed` if a run fails or cocotb and the bare loop count different cycles.
    """
    workload = prepare(graph, random_inputs(graph, seed), arch, sized=arch if fixed else None)
    run = register_run(workload.job(0, TIMED, BusMemory()))
    image_bytes = 1 << _MEMORY_LOG2 if run.image is None else run.image.size
    with tempfile.TemporaryDirectory(prefix="esl-ref-speed-") as scratch:
        folder = Path(scratch)
        built = RtlBackend(workload.arch, image_bytes, folder).built
        bare_executable(built.accelerator.build)
        package, bench = _package(workload, folder / "package"), _bench(built, image_bytes)
        cocotb, bare, replays = [], [], []
        for _ in range(repeats):
            result = run_programs(built.accelerator, [run], folder=folder)[0].check()
            cocotb.append(result.cycles / result.seconds)
            yardstick = bare_run(built.accelerator, run, folder)
            bare.append(yardstick.cycles_per_second)
            if yardstick.cycles != result.cycles:
                raise CheckFailed(f"cocotb counts {result.cycles} cycles, the bare loop {yardstick.cycles}")
            replay = run_bench(bench, package)
            if not replay.passed:
                raise CheckFailed("the replay failed", where=str(package), hint=replay.text[-500:])
            replays.append(replay.cycles / replay.seconds)
    return SimulationSpeed(graph.name, arch.name, result.cycles, max(cocotb), max(bare), max(replays), built.seconds)


def _package(workload: Workload, out: Path) -> Path:
    """The timed Program as a golden-vector package."""
    content = from_graph(workload.graph, workload.arch, sized=workload.arch, kinds=["plain"])
    with PackageWriter(out) as writer:
        export(content, writer, formats=["hex"])
    return out


def _bench(built: BuiltRtl, memory_bytes: int) -> Bench:
    """The package's own bench around the same Verilog."""
    tools = find_toolchain()
    verilator = Verilator(tools.verilator, tools.environment())
    sources, word = rtl_sources(built.folder), built.accelerator.word_bytes
    return build_verilator(sources, word, memory_bytes, build_root(), verilator)
