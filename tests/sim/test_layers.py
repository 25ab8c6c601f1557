# SPDX-License-Identifier: Apache-2.0
"""Per-layer figures from profile records."""

from __future__ import annotations

import pytest

from esl_ref import arch, executor
from esl_ref.frontends import load
from esl_ref.models import embedded_path
from esl_ref.registers import COUNTERS
from sim.jobs import JobResult, Record
from sim.layers import Layer, host_layers, seen_through, segment_layers
from sim.machine_backend import MachineBackend
from sim.random_layers import LayerSpec, build
from sim.runner import BusMemory
from sim.workload import PROFILED, Workload, prepare


@pytest.fixture(scope="module")
def workload() -> Workload:
    graph = load(embedded_path())
    return prepare(graph, executor.random_inputs(graph, 3), arch.load("base"))


def layers_of(workload: Workload, wrong: frozenset[str] = frozenset()) -> tuple[list[Layer], int]:
    records = tuple(
        Record(10 * n, n, {"CYCLES": 100 * (n + 1), "MAC_ACTIVE": 60 * (n + 1), "STALL_DMA": 40 * (n + 1)})
        for n in range(3)
    )
    run = JobResult("run", cycles=450, counters={"CYCLES": 450, "MAC_ACTIVE": 180, "STALL_DMA": 270}, records=records)
    segment = workload.plain.programs[0].segment
    layers, tail = segment_layers(workload.graph, segment, workload.arch, run, run, workload.compared, wrong)
    assert (tail.cycles, tail.causes["STALL_DMA"]) == (150, 150)
    return layers, tail.cycles


def test_cycles_are_differences_of_records(workload: Workload) -> None:
    layers, tail = layers_of(workload)
    assert [layer.cycles for layer in layers[:4]] == [100, 100, 100, 0]
    assert sum(layer.cycles for layer in layers) + tail == 450
    first = layers[0]
    assert (first.name, first.macs) == ("conv1", 28 * 28 * 9 * 16)
    assert first.utilisation == pytest.approx(first.macs / 25600)
    assert first.stalls == {"STALL_DMA": 40}


def test_the_machine_alone_says_what_layers_and_tail_waited_for(workload: Workload) -> None:
    """Their causes add up to those of the run, and the tail has its own, not the whole network's."""
    (run,) = MachineBackend().run([workload.job(0, PROFILED, BusMemory(), profile=True)])
    segment = workload.plain.programs[0].segment
    layers, tail = segment_layers(workload.graph, segment, workload.arch, run, run, workload.compared, frozenset())
    for name in set(run.counters) - {"CYCLES"}:
        assert sum(layer.causes.get(name, 0) for layer in layers) + tail.causes[name] == run.counters[name], name
    causes = [name for name, _ in COUNTERS[1:11]]
    assert sum(tail.causes[name] for name in causes) == tail.cycles < 100
    assert tail.causes["MAC_ACTIVE"] == 0 < tail.causes["STALL_WRITE_BACK"]
    for layer in layers:
        assert sum(layer.causes.get(name, 0) for name in causes) == layer.cycles
    assert layers[0].stalls


def test_wrong_tensors_make_their_layers_inexact(workload: Workload) -> None:
    by_name = {layer.name: layer for layer in layers_of(workload, frozenset({"conv2"}))[0]}
    assert by_name["conv1"].bit_exact and not by_name["conv2"].bit_exact


def test_tensors_without_memory_are_seen_through_their_consumers(workload: Workload) -> None:
    graph = build(LayerSpec("conv", table=True))
    assert seen_through(graph, "y", frozenset({"z"})) == ("z",)
    assert seen_through(graph, "z", frozenset({"z"})) == ("z",)
    assert seen_through(graph, "z", frozenset()) == ()
    assert layers_of(workload, frozenset({"fc6"}))[0][-1].bit_exact is False


def test_host_operators_are_not_compared(workload: Workload) -> None:
    (layer,) = host_layers(workload.graph, workload.graph.ops[-1:])
    assert (layer.runs_on, layer.bit_exact) == ("host", None)
