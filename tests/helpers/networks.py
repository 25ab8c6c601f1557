# SPDX-License-Identifier: Apache-2.0
"""A compiled model on the ESL machine against golden, tensor by tensor; host steps take golden's word."""

from __future__ import annotations

import numpy as np

from esl_ref import executor
from esl_ref.arch import Arch
from esl_ref.compiler import Choice, Compiled
from esl_ref.compiler.model import ProgramStep
from esl_ref.ir import Graph
from esl_ref.machine import execute
from esl_ref.pipeline import compile_model

__all__ = ["check", "mismatches"]


def mismatches(compiled: Compiled, seed: int = 7) -> tuple[list[str], int]:
    """(tensors that differ, tensors compared) for seeded random inputs."""
    inputs = executor.random_inputs(compiled.graph, seed)
    golden = {**inputs, **executor.run(compiled.graph, inputs, keep="all")}
    wrong, compared = [], 0
    for step in compiled.steps:
        if not isinstance(step, ProgramStep):
            continue
        given = {name: golden[name] for name in step.segment.inputs}
        for name, value in execute(step.program, given, traces=True).outputs.items():
            compared += 1
            if not np.array_equal(value, golden[name]):
                where = np.argwhere(value != golden[name])[0].tolist()
                wrong.append(f"{name} at {where}")
    return wrong, compared


def check(graph: Graph, arch: Arch, choices: list[Choice] | None = None, seed: int = 7) -> Compiled:
    """Compile with traces, run, compare; returns what was compiled."""
    compiled = compile_model(graph, arch, trace=True, choices=choices)
    wrong, compared = mismatches(compiled, seed)
    assert compared > 0
    assert not wrong, wrong
    return compiled
