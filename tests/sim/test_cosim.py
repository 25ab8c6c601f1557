# SPDX-License-Identifier: Apache-2.0
"""Golden, ESL machine and RTL on the same Programs, through cocotb and Verilator.

All everyday cases share one build: the preset `base` with the memories it describes.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from esl_ref import arch, executor
from esl_ref.frontends import load
from esl_ref.models import embedded_path
from sim.cosim import Options, Outcome, cosimulate
from sim.fuzz import MEMORY_BYTES, case_of, fuzz
from sim.machine_backend import MachineBackend, prediction
from sim.random_layers import LayerSpec, build, random_spec
from sim.random_networks import random_network
from sim.rtl_backend import RtlBackend
from sim.runner import BusMemory
from sim.workload import PROFILED, prepare

pytestmark = [pytest.mark.cosim, pytest.mark.xdist_group("base")]


def run_embedded(folder: Path, preset: str = "base", **changes: object) -> Outcome:
    graph = load(embedded_path())
    options = Options(arch.load(preset), folder, **{"fixed": True, **changes})  # type: ignore[arg-type]
    return cosimulate(graph, executor.random_inputs(graph, 5), options)


def check(outcome: Outcome) -> None:
    """Every byte right, every memory accounted for, every cycle with a cause, and predicted."""
    assert outcome.bit_exact, "\n".join(outcome.divergence.sentences() if outcome.divergence else ())
    assert all(layer.bit_exact for layer in outcome.layers if layer.runs_on == "accelerator")
    assert outcome.sram.with_scratch == outcome.sram.rtl_memories
    causes = {n: v for n, v in outcome.counters.items() if n not in ("CYCLES", "READ_BEATS", "WRITE_BEATS", "COMMANDS")}
    assert sum(causes.values()) == outcome.counters["CYCLES"] == outcome.cycles


def check_prediction(outcome: Outcome) -> None:
    """Within 3 % per network and 10 % per layer; layers of a few dozen cycles within a few cycles."""
    assert abs(outcome.predicted_cycles - outcome.cycles) <= 0.03 * outcome.cycles
    for layer in outcome.layers:
        assert abs(layer.predicted_cycles - layer.cycles) <= max(0.10 * layer.cycles, 5), layer.name


def test_embedded_model(tmp_path: Path) -> None:
    outcome = run_embedded(tmp_path)
    check(outcome)
    check_prediction(outcome)
    assert {"conv1", "pool1", "dw3", "add4", "fc6"} <= set(outcome.compared)


def test_stalls_and_another_network_in_between(tmp_path: Path) -> None:
    """Twice without reset, on a memory that withholds handshakes on every channel."""
    other = build(LayerSpec("depthwise", 11, 13, 12, 20, 20, (3, 3), padding=(1, 1, 1, 1), table=True))
    outcome = run_embedded(tmp_path, memory=BusMemory(stall=0.3, seed=9), repeat=2, between=[other])
    check(outcome)
    labels = [run.label.split()[0] for run in outcome.runs if run.backend == "RTL"]
    assert labels == ["timed", "profiled", "traced", "between", "repeat"]


def test_a_streamed_plan_in_little_memory(tmp_path: Path) -> None:
    """Rolling buffers, kept line buffer columns, partial sums: a third of the SRAM that whole layers need."""
    outcome = run_embedded(tmp_path, sram=5120)
    check(outcome)
    assert outcome.sram.with_input <= 5120


def test_repeats_take_the_same_cycles(tmp_path: Path) -> None:
    outcome = run_embedded(tmp_path, repeat=3)
    check(outcome)
    timed = [run.cycles for run in outcome.runs if run.backend == "RTL" and run.label.split()[0] in ("timed", "repeat")]
    assert len(timed) == 3 and len(set(timed)) == 1


def test_a_planted_fault_is_located(tmp_path: Path) -> None:
    """One byte of the first layer's bias differs in the RTL's memory only."""
    outcome = run_embedded(tmp_path, flips=(0,))
    assert not outcome.bit_exact
    found = outcome.divergence
    assert found is not None and found.mismatch is not None
    assert (found.backend, found.layer, found.mismatch.coordinate[2]) == ("RTL", "conv1", 0)
    assert "golden and the ESL machine agree" in found.verdict
    assert found.cycles[1] > 0
    assert not next(layer for layer in outcome.layers if layer.name == "conv1").bit_exact


def test_random_layers(tmp_path: Path) -> None:
    result = fuzz(arch.load("base"), 50, 5000, tmp_path, stall=0.1)
    assert result.compared > 40
    assert not result.failures, result.failures[0]


def test_random_networks_under_random_plans(tmp_path: Path) -> None:
    result = fuzz(arch.load("base"), 20, 3000, tmp_path, draw=random_network, stall=0.1)
    assert result.compared > 15
    assert not result.failures, result.failures[0]


@pytest.mark.parametrize("sram", [None, 5120])
def test_records_hold_the_predicted_counters(sram: int | None, tmp_path: Path) -> None:
    """Layer by layer, and streamed with many turns: every counter of every profile record."""
    base, graph = arch.load("base"), load(embedded_path())
    workload = prepare(graph, executor.random_inputs(graph, 3), base, sram=sram, sized=base)
    jobs = [workload.job(0, PROFILED, m, profile=True) for m in (BusMemory(), BusMemory(latency=7, gap=1))]
    hardware = RtlBackend(base, MEMORY_BYTES, tmp_path).run(jobs)
    for predicted, counted in zip(MachineBackend().run(jobs), hardware, strict=True):
        assert len(counted.records) >= 13
        assert predicted.records == counted.records


def test_cycles_on_slow_memories_are_predicted(tmp_path: Path) -> None:
    """Beats that wait for room in the loader must not let the memory's gap count twice."""
    base, memories = arch.load("base"), (BusMemory(gap=1), BusMemory(latency=7, gap=2))
    drawn = [case_of(random_spec(s), base, m) for s in (20097, 20217, *range(20200, 20212)) for m in memories]
    jobs = [case.job for case in drawn if case is not None]
    for job, result in zip(jobs, RtlBackend(base, MEMORY_BYTES, tmp_path).run(jobs), strict=True):
        assert prediction(job).cycles == pytest.approx(result.cycles, rel=0.003), (job.label, job.memory)


@pytest.mark.slow
@pytest.mark.parametrize("preset", arch.PRESETS)
def test_three_hundred_random_networks(preset: str, tmp_path: Path) -> None:
    result = fuzz(arch.load(preset), 300, 20_000, tmp_path, draw=random_network)
    assert result.compared > 280
    assert not result.failures, result.failures[0]


@pytest.mark.slow
@pytest.mark.parametrize("preset", arch.PRESETS)
def test_five_hundred_random_layers(preset: str, tmp_path: Path) -> None:
    result = fuzz(arch.load(preset), 500, 10_000, tmp_path)
    assert result.compared > 450
    assert not result.failures, result.failures[0]


@pytest.mark.slow
def test_memories_as_large_as_the_plan_asks_for(tmp_path: Path) -> None:
    outcome = run_embedded(tmp_path, fixed=False)
    check(outcome)
    assert outcome.arch.act_bytes < arch.load("base").act_bytes
