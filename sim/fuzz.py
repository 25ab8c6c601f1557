# SPDX-License-Identifier: Apache-2.0
"""Random layers and networks on ESL machine and RTL, many Programs per simulation without reset; a failing one is made
smaller."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from esl_ref.arch import Arch
from esl_ref.compiler import Choice
from esl_ref.compiler.model import Strategy
from esl_ref.compiler.schedule import Group
from esl_ref.errors import BudgetError, NumericError, PlanError
from esl_ref.executor import random_inputs, run
from esl_ref.ir import Graph
from esl_ref.pipeline import compile_model
from sim.compare import differing
from sim.jobs import Backend, Job, JobResult
from sim.machine_backend import MachineBackend
from sim.random_layers import LayerSpec, build, inputs_of, is_legal, random_spec
from sim.random_networks import NetworkSpec, network, random_plan
from sim.rtl_backend import RtlBackend
from sim.runner import BusMemory

__all__ = ["Case", "Failure", "FuzzResult", "case_of", "fuzz", "shrink", "try_layers"]

MEMORY_BYTES = 1 << 20
_BATCH = 50
_MAX_SHRINKS = 400


Spec: TypeAlias = LayerSpec | NetworkSpec


@dataclass(frozen=True)
class Failure:
    """What `backend` and golden part on; `smallest` is the least one found that still fails."""

    spec: Spec
    backend: str
    what: str
    smallest: Spec


@dataclass(frozen=True)
class FuzzResult:
    """How many were compared, how many golden or compiler refuse with a reason, and the failures."""

    compared: int
    left_out: int
    failures: tuple[Failure, ...]


@dataclass(frozen=True)
class Case:
    """A compiled layer or network, and every tensor of it as golden computes them."""

    spec: Spec
    job: Job
    golden: Mapping[str, Any]


def case_of(spec: Spec, arch: Arch, memory: BusMemory) -> Case | None:
    """Compile for exactly this machine; None if golden refuses the numbers or nothing fits the machine."""
    graph, inputs, strategy, traces = _made(spec)
    try:
        compiled = compile_model(graph, arch, trace=traces, sized=arch, strategy=strategy)
        golden = run(compiled.graph, inputs, keep="all")
    except (BudgetError, NumericError, PlanError):
        return None
    step = compiled.programs[0]
    given = {name: golden[name] for name in step.segment.inputs}
    return Case(spec, Job(graph.name, step.program, given, memory), golden)


def _made(spec: Spec) -> tuple[Graph, Mapping[str, Any], Strategy | None, bool]:
    """Graph, inputs, how it is planned, and whether every tensor is stored: that keeps a map whole on chip."""
    if isinstance(spec, NetworkSpec):
        graph = network(spec)
        return graph, random_inputs(graph, spec.seed), random_plan(spec.seed), spec.seed % 4 == 0
    graph = build(spec)
    return graph, inputs_of(spec, graph), _strategy(spec.seed), True


def _strategy(seed: int) -> Strategy | None:
    """The planner's own choice, or for two layers of three rows streamed in strips, so that rolling buffers, kept line
    buffer columns and partial sums get their share."""
    dice = random.Random(seed)
    strip, ahead = dice.randint(1, 3), dice.randint(0, 1)
    if dice.random() < 1 / 3:
        return None
    return lambda graph, lowered, sizing, budget: Choice((Group(0, len(lowered.tasks), strip, ahead),))


def _verdict(case: Case, result: JobResult) -> str:
    if result.failure:
        return result.failure
    wrong = differing(case.golden, result.tensors)
    if not wrong:
        return ""
    expected, actual = case.golden[wrong[0]], result.tensors[wrong[0]]
    return f"tensor '{wrong[0]}': {int((expected != actual).sum())} of {actual.size} elements differ"


def try_layers(cases: Sequence[Case], backends: Sequence[Backend]) -> Iterator[tuple[Case, str, str]]:
    """(case, backend, what) of everything that fails."""
    for backend in backends:
        for case, result in zip(cases, backend.run([c.job for c in cases]), strict=True):
            if what := _verdict(case, result):
                yield case, backend.name, what


def _smaller(spec: Spec) -> Iterator[Spec]:
    """Networks with fewer layers, or layers with one number nearer to the simplest; boldest step first."""
    if isinstance(spec, NetworkSpec):
        yield from (dataclasses.replace(spec, layers=layers) for layers in _between(spec.layers, 1))
        return
    simplest = LayerSpec(spec.kind, spec.seed)
    yield dataclasses.replace(spec, kernel=(1, 1), padding=(0, 0, 0, 0), dilation=(1, 1))  # legal only together
    yield dataclasses.replace(spec, kernel=(1, spec.kernel[1]), padding=(0, 0, *spec.padding[2:]))
    yield dataclasses.replace(spec, kernel=(spec.kernel[0], 1), padding=(*spec.padding[:2], 0, 0))
    for field in dataclasses.fields(spec):
        if field.name in ("kind", "seed"):
            continue
        value, least = getattr(spec, field.name), getattr(simplest, field.name)
        if value == least:
            continue
        yield dataclasses.replace(spec, **{field.name: least})
        if isinstance(value, tuple):
            for place in range(len(value)):
                for step in _between(value[place], least[place]):
                    yield dataclasses.replace(spec, **{field.name: (*value[:place], step, *value[place + 1 :])})
        elif isinstance(value, int) and not isinstance(value, bool):
            for step in _between(value, least):
                yield dataclasses.replace(spec, **{field.name: step})


def _between(value: int, least: int) -> list[int]:
    """Half way, and one step."""
    if value == least:
        return []
    half, one = (value + least) // 2, value + (1 if least > value else -1)
    return [v for v in dict.fromkeys((least, half, one)) if v != value]


def shrink(spec: Spec, fails: Callable[[Spec], bool]) -> Spec:
    """The smallest layer or network reached by single steps that keep failing."""
    tried = 0
    improved = True
    while improved and tried < _MAX_SHRINKS:
        improved = False
        for candidate in _smaller(spec):
            if tried >= _MAX_SHRINKS:
                break
            if candidate == spec or not _consistent(candidate):
                continue
            tried += 1
            if fails(candidate):
                spec, improved = candidate, True
                break
    return spec


def _consistent(spec: Spec) -> bool:
    """Legal, and channels agree where the kind ties them."""
    if isinstance(spec, NetworkSpec):
        return True
    if spec.kind == "depthwise" and spec.outputs % spec.channels:
        return False
    if spec.kind not in ("conv", "depthwise", "fc") and spec.outputs != spec.channels:
        return False
    return spec.clamp[0] < spec.clamp[1] and is_legal(spec)


def fuzz(
    arch: Arch, count: int, seed: int, folder: Path, *, draw: Callable[[int, int], Spec] = random_spec,
    stall: float = 0.0, rtl: bool = True, progress: Callable[[int], None] = lambda done: None,
) -> FuzzResult:  # fmt: skip
    """`count` random layers, or what else `draw(seed, lanes)` gives, from `seed` on one machine, built once. The first
    failure is shrunk."""
    backends: list[Backend] = [MachineBackend()]
    if rtl:
        backends.append(RtlBackend(arch, MEMORY_BYTES, folder / "run"))
    failures: list[Failure] = []
    left_out = compared = 0
    for first in range(0, count, _BATCH):
        numbers = range(first, min(first + _BATCH, count))
        specs = [draw(seed + n, arch.lanes) for n in numbers]
        made = [case_of(spec, arch, BusMemory(stall=stall, seed=spec.seed)) for spec in specs]
        cases = [case for case in made if case is not None]
        left_out, compared = left_out + len(made) - len(cases), compared + len(cases)
        for case, name, what in try_layers(cases, backends):
            failures.append(_failure(case, name, what, backends, shrinking=not failures))
        progress(numbers[-1] + 1)
    return FuzzResult(compared, left_out, tuple(failures))


def _failure(case: Case, name: str, what: str, backends: Sequence[Backend], *, shrinking: bool) -> Failure:
    own = [b for b in backends if b.name == name]

    def fails(spec: Spec) -> bool:
        again = case_of(spec, case.job.program.arch, case.job.memory)
        return again is not None and bool(list(try_layers([again], own)))

    smallest = shrink(case.spec, fails) if shrinking and fails(case.spec) else case.spec
    return Failure(case.spec, name, what, smallest)
