# SPDX-License-Identifier: Apache-2.0
"""Whole models on the ESL machine: compile, run every Program on it, and the steps between on the host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from esl_ref import arch as arch_module
from esl_ref.arch import Arch
from esl_ref.compiler import ProgramStep
from esl_ref.compiler.model import run_steps
from esl_ref.executor import check_inputs
from esl_ref.ir import Graph, Op
from esl_ref.machine.machine import execute
from esl_ref.ops import lookup
from esl_ref.ops.registry import Array
from esl_ref.pipeline import compile_model

__all__ = ["run"]


def _host(op: Op, graph: Graph, tensors: Mapping[str, Array]) -> dict[str, Array]:
    """One operator that the plan leaves to the host, on the golden kernel."""
    values = [tensors[n] if n in tensors else graph.tensors[n].data for n in op.inputs]
    return {op.outputs[0]: lookup(op).fast(op, values, graph.tensors[op.outputs[0]])}  # type: ignore[arg-type]


def run(
    graph: Graph, inputs: Mapping[str, Array], *, arch: str | Arch = "base", keep: str = "outputs"
) -> dict[str, Array]:
    """Tensor name -> value of the outputs, or (`keep="all"`) of inputs and all tensors that exist on the machine.

    `arch` is a preset, a TOML file or an Arch; its depths are set by the plan. Raises what compiler and machine raise.
    """
    every = keep == "all"
    machine = arch_module.load(arch) if isinstance(arch, str) else arch
    compiled = compile_model(graph, machine, trace=every)

    def program(step: ProgramStep, tensors: Mapping[str, Array]) -> dict[str, Array]:
        return dict(execute(step.program, tensors, traces=every).outputs)

    values: dict[str, Any] = run_steps(compiled, check_inputs(graph, inputs), program, _host)
    values |= {name: graph.tensors[name].data for name in graph.outputs if graph.tensors[name].is_const}
    return values if every else {name: values[name] for name in graph.outputs}
