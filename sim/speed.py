# SPDX-License-Identifier: Apache-2.0
"""How fast the co-simulation is: the same run of the same model under cocotb and under a bare C++ loop, in turn."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from esl_ref.arch import Arch
from esl_ref.errors import CheckFailed
from esl_ref.executor import random_inputs
from esl_ref.ir import Graph
from sim.bare import bare_executable, bare_run
from sim.rtl_backend import RtlBackend, register_run
from sim.runner import MemoryTiming, run_programs
from sim.workload import TIMED, prepare

__all__ = ["SimulationSpeed", "measure_simulation_speed"]

_MEMORY_LOG2 = 20


@dataclass(frozen=True)
class SimulationSpeed:
    """Best cycles per second of each; `cycles` of the run, `build_seconds` of the model."""

    model: str
    arch: str
    cycles: int
    cocotb: float
    bare: float
    build_seconds: float

    @property
    def fraction(self) -> float:
        """cocotb's speed over the bare loop's; 0.5 is asked for."""
        return self.cocotb / self.bare


def measure_simulation_speed(
    graph: Graph, arch: Arch, repeats: int = 5, *, fixed: bool = False, seed: int = 1
) -> SimulationSpeed:
    """Run the first accelerator segment of `graph` on the RTL `repeats` times in each of the two ways.

    They take turns, and the best of each counts, so that a busy moment of the machine hits both alike. `fixed` builds
    `arch` with the memories it describes instead of those the plan needs. Raises `CheckFailed` if a run fails or the
    two ways count different cycles.
    """
    workload = prepare(graph, random_inputs(graph, seed), arch, sized=arch if fixed else None)
    run = register_run(workload.job(0, TIMED, MemoryTiming()))
    image_bytes = 1 << _MEMORY_LOG2 if run.image is None else run.image.size
    with tempfile.TemporaryDirectory(prefix="esl-ref-speed-") as scratch:
        folder = Path(scratch)
        built = RtlBackend(workload.arch, image_bytes, folder).built
        bare_executable(built.accelerator.build)
        cocotb, bare = [], []
        for _ in range(repeats):
            result = run_programs(built.accelerator, [run], folder=folder)[0].check()
            cocotb.append(result.cycles / result.seconds)
            yardstick = bare_run(built.accelerator, run, folder)
            bare.append(yardstick.cycles_per_second)
            if yardstick.cycles != result.cycles:
                raise CheckFailed(f"cocotb counts {result.cycles} cycles, the bare loop {yardstick.cycles}")
    return SimulationSpeed(graph.name, arch.name, result.cycles, max(cocotb), max(bare), built.seconds)
