# SPDX-License-Identifier: Apache-2.0
"""Workloads: what is compared, and machines that several networks share."""

from __future__ import annotations

from esl_ref import arch, executor
from esl_ref.frontends import load
from esl_ref.models import embedded_path
from sim.random_layers import LayerSpec, build, inputs_of
from sim.runner import MemoryTiming
from sim.workload import common_machine, prepare


def test_traced_and_plain_run_on_the_same_machine() -> None:
    graph = load(embedded_path())
    workload = prepare(graph, executor.random_inputs(graph, 1), arch.load("base"))
    assert workload.plain.arch.hash() == workload.traced.arch.hash()
    timed, _, traced = workload.jobs(0, MemoryTiming())
    assert {s.name for s in timed.program.surfaces_of("out", "trace")} < workload.compared
    assert set(graph.outputs) - workload.compared == {"probability"}  # softmax is the host's
    assert {s.name for s in traced.program.surfaces_of("out", "trace")} == workload.compared


def test_common_machine_takes_the_deepest_of_every_memory() -> None:
    specs = [LayerSpec("conv", height=14, width=14, channels=16, outputs=4), LayerSpec("fc", channels=300, outputs=40)]
    made = []
    for spec in specs:
        graph = build(spec)
        made.append(prepare(graph, inputs_of(spec, graph), arch.load("base")))
    common = common_machine(made)
    for name in ("act_bytes", "weight_words", "line_depth"):
        assert getattr(common, name) == max(getattr(w.arch, name) for w in made)
    assert len({w.arch.act_bytes for w in made}) == 2
