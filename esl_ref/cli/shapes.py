# SPDX-License-Identifier: Apache-2.0
"""Printing of plans made on shapes: for built-in workloads, and for methods that only reckon."""

from __future__ import annotations

from pathlib import Path

from esl_ref.cli.common import output_console, progress_console, write_json
from esl_ref.floating import FloatGraph
from esl_ref.ir import Graph
from esl_ref.planner.shapes import ShapePlan, plan_shapes
from esl_ref.workloads import ShapeGraph, workload
from esl_ref.workloads.convert import shape_graph
from esl_ref.workloads.floats import float_shape_graph

__all__ = ["plan_and_show", "show", "source"]

_SHOWN = 12


def source(model: str | Graph | FloatGraph) -> ShapeGraph:
    """A built-in workload by name, or a model without its weights."""
    if isinstance(model, str):
        return workload(model)
    return float_shape_graph(model) if isinstance(model, FloatGraph) else shape_graph(model)


def plan_and_show(
    graph: ShapeGraph, method: str, budget: int | None, seconds: float, seed: int, json_file: Path | None
) -> None:
    """Plan a shape graph by `method`, print it, and write the report."""
    with progress_console().status(f"planning {graph.name} by {method}"):
        plan = plan_shapes(graph, method, budget=budget, seconds=seconds, seed=seed)
    write_json(json_file, plan)
    if str(json_file) != "-":
        show(plan)


def show(plan: ShapePlan) -> None:
    """Print a plan on shapes."""
    console = output_console()
    console.print(
        f"[bold]{plan.model}[/bold] {plan.model_macs:,} MACs, {plan.parameters:,} parameters, "
        f"topology {plan.topology_hash}",
        soft_wrap=True,
    )
    console.print(
        f"{plan.method}: {plan.tensors:,} bytes for tensors ({100 * plan.saving:.1f} % below layer by layer's "
        f"{plan.layerwise:,}), liveness bound {plan.bound:,}, {plan.weights:,} bytes for weights",
        soft_wrap=True,
    )
    console.print(
        f"MACs x{plan.macs / max(1, plan.model_macs):.3f}, {plan.external:,} bytes from and to external memory, "
        f"{plan.seconds:.1f} s",
        soft_wrap=True,
    )
    for line in plan.decisions[:_SHOWN]:
        console.print(f"  {line}", markup=False, soft_wrap=True)
    if len(plan.decisions) > _SHOWN:
        console.print(f"  and {len(plan.decisions) - _SHOWN} more (all of them with --json)")
