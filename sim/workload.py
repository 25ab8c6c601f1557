# SPDX-License-Identifier: Apache-2.0
"""What a co-simulation runs: a network compiled twice for one machine, its reference, and the jobs that follow.

Every Program gets the reference's tensors as inputs. Since its outputs are compared with the reference, and the host
operators between Programs are the reference's own, equal Programs make an equal chain; and a wrong byte in one Program
cannot hide what a later one does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy.typing as npt

from esl_ref.arch import Arch
from esl_ref.compiler.model import Choice, Compiled
from esl_ref.compiler.schedule import layerwise_groups
from esl_ref.errors import PlanError
from esl_ref.executor import run
from esl_ref.ir import Graph
from esl_ref.pipeline import compile_model
from sim.jobs import Job
from sim.runner import BusMemory

__all__ = ["PROFILED", "TIMED", "TRACED", "Workload", "common_machine", "prepare", "whole_layers"]

Array = npt.NDArray[Any]

TIMED, PROFILED, TRACED = "timed", "profiled", "traced"
_PLANNED = ("act_bytes", "weight_words", "line_depth", "window_rows", "acc_words", "tables")
"""What the plan decides of an architecture."""


@dataclass(frozen=True)
class Workload:
    """A compiled network, the same with every tensor stored, and all of its tensors as golden computes them."""

    plain: Compiled
    traced: Compiled
    golden: Mapping[str, Array]

    @property
    def graph(self) -> Graph:
        """The network as it was compiled."""
        return self.plain.graph

    @property
    def arch(self) -> Arch:
        """The machine it was compiled for."""
        return self.plain.arch

    @property
    def compared(self) -> frozenset[str]:
        """Tensors that some Program stores, and that are therefore compared."""
        surfaces = (s for step in self.traced.programs for s in step.program.surfaces_of("out", "trace"))
        return frozenset(s.name for s in surfaces)

    def jobs(self, number: int, memory: BusMemory) -> list[Job]:
        """Of accelerator segment `number`: timed alone, with profile records, and with every tensor stored."""
        return [
            self.job(number, TIMED, memory),
            self.job(number, PROFILED, memory, profile=True),
            self.job(number, TRACED, memory, profile=True),
        ]

    def job(self, number: int, kind: str, memory: BusMemory, *, profile: bool = False, label: str = "") -> Job:
        """One run of one segment; its label names both."""
        compiled = self.traced if kind == TRACED else self.plain
        step = compiled.programs[number]
        inputs = {name: self.golden[name] for name in step.segment.inputs}
        return Job(f"{label or kind} {step.program.name}", step.program, inputs, memory, profile)


def whole_layers(workload: Workload) -> Workload | None:
    """The same network on the same machine layer by layer, so that every tensor is whole at some time and is stored.

    None if that does not fit, or if the plan has stored all of them already.
    """
    choices = [Choice(layerwise_groups(step.lowered)) for step in workload.plain.programs]
    try:
        traced = compile_model(workload.graph, workload.arch, trace=True, sized=workload.arch, choices=choices)
    except PlanError:
        return None
    other = replace(workload, traced=traced)
    return other if other.compared > workload.compared else None


def prepare(
    graph: Graph, inputs: Mapping[str, Array], arch: Arch, *, sram: int | None = None, sized: Arch | None = None,
    choices: Sequence[Choice] | None = None,
) -> Workload:  # fmt: skip
    """Compile, with a plan made before if `choices` are given, and run the reference.

    PlanError if the network does not fit, InputError for wrong inputs.
    """
    plain = compile_model(graph, arch, sram=sram, sized=sized, choices=choices)
    choices = [step.choice for step in plain.programs]
    traced = compile_model(graph, arch, trace=True, sized=plain.arch, choices=choices)
    return Workload(plain, traced, run(plain.graph, inputs, keep="all"))


def common_machine(workloads: Sequence[Workload]) -> Arch:
    """The smallest machine on which all of them run: every memory as deep as the neediest asks for, and every unit that
    one of them uses."""
    first = workloads[0].arch
    return replace(first, **{n: max(getattr(w.arch, n) for w in workloads) for n in _PLANNED})
