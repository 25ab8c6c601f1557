# SPDX-License-Identifier: Apache-2.0
"""Whole models on the ESL machine: every accelerator segment as its Program, host operators in between.

Nothing but the network's inputs comes from outside: a segment reads what the machine and the host have computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from esl_ref.arch import Arch, load
from esl_ref.compiler import compile_model
from esl_ref.compiler.model import Compiled, ProgramStep, run_steps
from esl_ref.executor import check_inputs
from esl_ref.ir import Graph, Op
from esl_ref.machine.machine import execute
from esl_ref.ops import lookup

__all__ = ["host_operator", "run", "run_compiled"]

Array = npt.NDArray[Any]


def host_operator(op: Op, graph: Graph, tensors: Mapping[str, Array]) -> dict[str, Array]:
    """Results of an operator that the host computes, with the golden operator."""
    values = []
    for name in op.inputs:
        data = graph.tensors[name].data
        values.append(tensors[name] if data is None else data)
    return {op.outputs[0]: lookup(op).fast(op, values, graph.tensors[op.outputs[0]])}


def run_compiled(compiled: Compiled, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Tensor name -> value: everything that crosses a segment's border, and every tensor that its Program traces.

    InputError for wrong inputs; MachineFault, HazardError, ProgramError or NumericError, naming the command.
    """

    def program(step: ProgramStep, tensors: Mapping[str, Array]) -> dict[str, Array]:
        return dict(execute(step.program, tensors, traces=True).outputs)

    return run_steps(compiled, check_inputs(compiled.graph, inputs), program, host_operator)


def run(
    graph: Graph,
    inputs: Mapping[str, Array],
    *,
    arch: str | Arch = "base",
    keep: Literal["outputs", "all"] = "outputs",
) -> dict[str, Array]:
    """Compile `graph` for `arch` (preset, TOML file or description) and run it.

    `keep="all"` adds every activation that exists in memory: not those that addressing or the post-processor's table
    make disappear.
    """
    machine = load(arch) if isinstance(arch, str) else arch
    compiled = compile_model(graph, machine, trace=keep == "all")
    tensors = run_compiled(compiled, inputs)
    if keep == "all":
        return {name: np.asarray(value) for name, value in tensors.items()}
    return {name: tensors[name] for name in graph.outputs}
