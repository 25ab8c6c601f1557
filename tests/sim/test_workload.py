# SPDX-License-Identifier: Apache-2.0
"""Workloads: what is compared, and machines that several networks share."""

from __future__ import annotations

from dataclasses import replace

from esl_ref import arch, executor
from esl_ref.compiler import Choice
from esl_ref.compiler.schedule import Group
from esl_ref.frontends import load
from esl_ref.models import embedded_path
from esl_ref.pipeline import compile_model
from sim.random_layers import LayerSpec, build, inputs_of
from sim.runner import BusMemory
from sim.workload import common_machine, prepare, whole_layers


def test_traced_and_plain_run_on_the_same_machine() -> None:
    graph = load(embedded_path())
    workload = prepare(graph, executor.random_inputs(graph, 1), arch.load("base"))
    assert workload.plain.arch.hash() == workload.traced.arch.hash()
    timed, _, traced = workload.jobs(0, BusMemory())
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
    for name in ("act_bytes", "weight_words", "line_depth", "window_rows", "tables"):
        assert getattr(common, name) == max(getattr(w.arch, name) for w in made)
    assert len({w.arch.act_bytes for w in made}) == 2


def test_layer_by_layer_every_tensor_is_seen() -> None:
    graph = load(embedded_path())
    inputs = executor.random_inputs(graph, 1)
    roomy = prepare(graph, inputs, arch.load("base"), sized=arch.load("base"))
    assert whole_layers(roomy) is None  # the fastest plan has all of them whole
    count = len(roomy.plain.programs[0].lowered.tasks)
    streamed = compile_model(
        graph, roomy.arch, sized=roomy.arch, trace=True, choices=[Choice((Group(0, count, 2, 1),))]
    )
    other = whole_layers(replace(roomy, traced=streamed))
    assert other is not None
    assert other.compared == roomy.compared


def test_no_layer_by_layer_where_the_memory_is_too_small() -> None:
    graph = load(embedded_path())
    tight = arch.load("base").with_depths(act_bytes=8192)
    workload = prepare(graph, executor.random_inputs(graph, 1), tight, sized=tight)
    assert whole_layers(workload) is None
    assert workload.compared < {op.outputs[0] for op in graph.ops}
