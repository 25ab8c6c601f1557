# SPDX-License-Identifier: Apache-2.0
"""What is run against each mutant, in stages, and what each run must give according to golden and ESL machine."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from esl_ref import executor
from esl_ref.arch import Arch
from esl_ref.frontends import load
from esl_ref.models import embedded_path
from esl_ref.program.image import PROFILE_RECORD
from sim.fuzz import Case, Spec, case_of
from sim.jobs import Job
from sim.machine_backend import memory_after, prediction
from sim.mutation.chain import chain_job
from sim.mutation.error_cases import error_cases
from sim.mutation.register_cases import RegisterCase, register_cases
from sim.random_layers import random_spec
from sim.random_networks import random_network
from sim.rtl_backend import register_run
from sim.runner import BusMemory, Run
from sim.workload import TRACED, prepare

__all__ = ["Expected", "Stage", "Stimulus", "stages"]

LAYERS_PER_STAGE = 10
_STALL = 0.2
_SPEEDS = ((32, 0), (2, 0), (90, 0), (32, 3), (300, 1))
"""Latency and gap."""


@dataclass(frozen=True)
class Expected:
    """What a run must leave behind; None or empty is not checked.

    error      ERROR_CODE and ERROR_INDEX of a run that must fail
    free       nothing is demanded of the run but that it ends: the next one tells
    memory     all of external memory as far as the image reaches, without the bytes `unknown` (profile records)
    cycles     by the timing model, which knows no random stalls; `counters` likewise
    marks      (command index, tag) of the profile records, sorted
    turns      (command index, tag, cycle) of the profile records in order, by the timing model
    registers  address -> value after the run; `responses` of the register writes, `during` (value, response) while busy
    """

    tensors: Mapping[str, Any] = field(default_factory=dict)
    memory: bytes = b""
    unknown: tuple[int, int] = (0, 0)
    error: tuple[int, int] | None = None
    free: bool = False
    cycles: int | None = None
    counters: Mapping[str, int] = field(default_factory=dict)
    marks: tuple[tuple[int, int], ...] = ()
    turns: tuple[tuple[int, int, int], ...] = ()
    registers: Mapping[int, int] = field(default_factory=dict)
    responses: tuple[int, ...] = ()
    during: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Stimulus:
    """One run."""

    job: Job
    run: Run
    expected: Expected

    @property
    def label(self) -> str:
        """What it is, for reports."""
        return self.job.label


@dataclass(frozen=True)
class Stage:
    """Runs that follow one another after a reset. Mutants that one stage kills are spared the next."""

    name: str
    stimuli: tuple[Stimulus, ...]


def stages(arch: Arch, layers: int, seed: int) -> Iterator[Stage]:
    """The embedded model with every tensor stored, register accesses, broken Programs and buses, as many profile
    records as can be, random layers and networks."""
    graph = load(embedded_path())
    workload = prepare(graph, executor.random_inputs(graph, seed), arch, sized=arch)
    network = workload.job(0, TRACED, BusMemory(), profile=True)
    yield Stage("network", (_good(network, workload.golden),))
    small = _small(arch, seed)
    yield Stage("registers", tuple(_registers(case) for case in register_cases(small.job)))
    whole, golden = chain_job(arch, seed)
    after = _good(whole, golden)
    yield Stage("errors", tuple(s for case in error_cases(whole) for s in (_bad(*case), after)))
    yield Stage("records", tuple(_good(job, golden) for job in _busy_profile(whole)))
    yield from _random(arch, layers, seed)


def _small(arch: Arch, seed: int) -> Case:
    """A layer that runs no longer than the register accesses around it need."""
    made = (_layer(seed + n, arch, stall=0.0) for n in range(1000))
    return next(case for case in made if case is not None and 600 <= prediction(case.job).cycles <= 1500)


def _busy_profile(whole: Job) -> Iterator[Job]:
    """Every command but HEADER and END has a profile record: on a fast memory, and on some too slow for them."""
    stamped = [c.replace(stamp=1) if "tag" in c.fields else c for c in whole.program.commands]
    program = dataclasses.replace(whole.program, commands=tuple(stamped))
    for memory in (BusMemory(2), BusMemory(300, 3), BusMemory(90, 15, 0.5)):
        yield Job(f"records of all commands, latency {memory.latency}", program, whole.inputs, memory, profile=True)


def _random(arch: Arch, layers: int, seed: int) -> Iterator[Stage]:
    """Layers, and a network for every fourth of them, on memories of several speeds; every second on one that stalls,
    whose cycles nothing predicts."""
    for first in range(0, layers, LAYERS_PER_STAGE):
        numbers = range(first, min(first + LAYERS_PER_STAGE, layers))
        seeds = [1000 * seed + n for n in numbers]
        cases = [_layer(n, arch, stall=_STALL * (n % 2)) for n in seeds]
        cases += [_layer(n, arch, stall=_STALL * (n // 4 % 2), draw=random_network) for n in seeds[::4]]
        made = tuple(_good(case.job, case.golden) for case in cases if case is not None)
        if made:
            yield Stage(f"layers {first + 1} to {numbers[-1] + 1}", made)


def _layer(
    seed: int, arch: Arch, *, stall: float, draw: Callable[[int, int], Spec] = random_spec
) -> Case | None:  # fmt: skip
    latency, gap = _SPEEDS[seed % len(_SPEEDS)]
    case = case_of(draw(seed, arch.lanes), arch, BusMemory(latency, gap, stall, seed))
    return case and dataclasses.replace(case, job=dataclasses.replace(case.job, profile=True))


def _good(job: Job, golden: Mapping[str, Any]) -> Stimulus:
    """A job whose result is known in full."""
    records = job.bases().profile
    end = records + PROFILE_RECORD * job.program.stamped() if records else 0
    stamped = [(i, c["tag"]) for i, c in enumerate(job.program.commands) if records and c.fields.get("stamp")]
    expected = Expected(golden, bytes(memory_after(job)), (records, end), marks=tuple(stamped))
    if not job.memory.stall:
        timing = prediction(job)
        turns = tuple((t.index, t.layer, t.complete) for t in timing.turns) if job.profile else ()
        expected = dataclasses.replace(expected, cycles=timing.cycles, counters=timing.counters, turns=turns)
    return Stimulus(job, register_run(job), expected)


def _bad(name: str, job: Job, error: tuple[int, int] | None) -> Stimulus:
    job = dataclasses.replace(job, label=name)
    return Stimulus(job, register_run(job), Expected(error=error, free=error is None))


def _registers(case: RegisterCase) -> Stimulus:
    expected = Expected(registers=case.registers, responses=case.responses, during=case.during, error=case.error)
    return Stimulus(case.job, case.run, expected)
