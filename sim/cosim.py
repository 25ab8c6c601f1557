# SPDX-License-Identifier: Apache-2.0
"""Co-simulation of a network: golden, ESL machine and RTL on the same Programs, compared tensor by tensor.

For every accelerator segment there are three runs: timed (nothing but the Program, whose cycles are the result),
profiled (a record per layer) and traced (every tensor that is ever whole on chip stored, and compared). Repeats follow
without reset, other networks in between if asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy.typing as npt

from esl_ref.arch import Arch
from esl_ref.compiler.model import Choice, HostStep
from esl_ref.cycle_bounds import Bound, network_bound
from esl_ref.executor import random_inputs
from esl_ref.ir import Graph
from sim.accelerator import BuiltRtl
from sim.compare import differing
from sim.jobs import Backend, Job, JobResult
from sim.layers import Layer, Tail, host_layers, segment_layers
from sim.locate import Divergence, diverged, locate
from sim.machine_backend import MachineBackend
from sim.memory_account import SramAccount, account
from sim.rtl_backend import RtlBackend
from sim.runner import BusMemory
from sim.workload import PROFILED, TIMED, TRACED, Workload, common_machine, prepare, whole_layers

__all__ = ["Options", "Outcome", "RunRecord", "cosimulate"]

Array = npt.NDArray[Any]
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """sram: activation SRAM bytes to build (None: what the plan needs). fixed: build `arch` as it is described, not as
    the plan would need (then networks share one build). between: networks run between repeats. flips: constants
    whose bytes are inverted in the RTL's memory, to see the locator at work. rtl: False leaves the RTL out, so that no
    simulator is needed. choices: a plan made before."""

    arch: Arch
    folder: Path
    sram: int | None = None
    memory: BusMemory = field(default_factory=BusMemory)
    repeat: int = 1
    between: Sequence[Graph] = ()
    waves: bool = False
    flips: tuple[int, ...] = ()
    rtl: bool = True
    fixed: bool = False
    choices: Sequence[Choice] | None = None


@dataclass(frozen=True)
class RunRecord:
    """One run in the order of simulation."""

    label: str
    backend: str
    cycles: int
    bit_exact: bool
    seconds: float
    failure: str = ""


@dataclass(frozen=True)
class Outcome:
    """All that is known afterwards; `cycles`, `counters`, `predicted_*` are sums over the Programs of one inference."""

    arch: Arch
    bit_exact: bool
    cycles: int
    predicted_cycles: int
    counters: Mapping[str, int]
    predicted_counters: Mapping[str, int]
    macs: int
    utilisation: float
    bound: Bound
    sram: SramAccount
    layers: tuple[Layer, ...]
    tails: tuple[Tail, ...]
    runs: tuple[RunRecord, ...]
    compared: tuple[str, ...]
    divergence: Divergence | None
    sim_cycles_per_second: float
    built: BuiltRtl | None


@dataclass(frozen=True)
class _Ran:
    """A job with its results by backend name."""

    workload: Workload
    number: int
    kind: str
    job: Job
    results: dict[str, JobResult] = field(default_factory=dict)


def cosimulate(
    graph: Graph, inputs: Mapping[str, Array], options: Options, progress: Progress = lambda what: None
) -> Outcome:
    """Run everything and compare; never raises for a mismatch, which the outcome tells."""
    progress("reference and plan")
    workload, others = _workloads(graph, inputs, options)
    ran = _plan_runs(workload, others, options)
    progress("ESL machine")
    _run_on(MachineBackend(), [r for r in ran if r.kind in (TIMED, PROFILED, TRACED)], ())
    if not options.rtl:
        return _outcome(workload, ran, None, _divergence(ran))
    progress("generating and Verilating the RTL")
    backend = _rtl(ran, workload.arch, options)
    progress("simulating the RTL")
    _run_on(backend, ran, options.flips)
    found = _divergence(ran)
    if found is not None and found.backend == backend.name and found.mismatch is not None:
        progress("locating the difference layer by layer")
        found = _nearer(workload, backend, options) or found
    return _outcome(workload, ran, backend.built, found)


def _nearer(workload: Workload, backend: RtlBackend, options: Options) -> Divergence | None:
    """The divergence in runs layer by layer, where a streamed plan keeps some tensors from being seen."""
    whole = whole_layers(workload)
    if whole is None:
        return None
    jobs = [whole.jobs(n, options.memory)[2] for n in range(len(whole.traced.programs))]
    ran = [_Ran(whole, n, TRACED, replace(job, label=f"{job.label}, layer by layer")) for n, job in enumerate(jobs)]
    _run_on(MachineBackend(), ran, ())
    _run_on(backend, ran, options.flips)
    return _divergence(ran)


def _workloads(graph: Graph, inputs: Mapping[str, Array], options: Options) -> tuple[Workload, list[Workload]]:
    """The network and those in between, all compiled for one machine."""
    graphs = [(graph, inputs), *((g, random_inputs(g, options.memory.seed)) for g in options.between)]
    sized = options.arch if options.fixed else None
    plans = [options.choices, *(None for _ in options.between)]
    made = [
        prepare(g, x, options.arch, sram=options.sram, sized=sized, choices=plan)
        for (g, x), plan in zip(graphs, plans, strict=True)
    ]
    if len(made) > 1 and not options.fixed:
        machine = common_machine(made)
        made = [
            prepare(g, x, options.arch, sized=machine, choices=plan) for (g, x), plan in zip(graphs, plans, strict=True)
        ]
    return made[0], made[1:]


def _plan_runs(workload: Workload, others: Sequence[Workload], options: Options) -> list[_Ran]:
    segments = range(len(workload.plain.programs))
    ran = [
        _Ran(workload, n, kind, job)
        for n in segments
        for kind, job in zip((TIMED, PROFILED, TRACED), workload.jobs(n, options.memory), strict=True)
    ]
    for repeat in range(1, options.repeat):
        memory = replace(options.memory, seed=options.memory.seed + repeat)
        for other in others:
            for n in range(len(other.plain.programs)):
                ran.append(_Ran(other, n, "between", other.job(n, TIMED, memory, label="between")))
        ran += [_Ran(workload, n, "repeat", workload.job(n, TIMED, memory, label=f"repeat {repeat}")) for n in segments]
    return ran


def _rtl(ran: Sequence[_Ran], arch: Arch, options: Options) -> RtlBackend:
    size = max(r.job.bases().size for r in ran)
    return RtlBackend(arch, size, options.folder / "run", waves=options.waves)


def _run_on(backend: Backend, ran: Sequence[_Ran], flips: tuple[int, ...]) -> None:
    results = backend.run([replace(r.job, flips=flips) for r in ran])
    for r, result in zip(ran, results, strict=True):
        r.results[backend.name] = result


def _divergence(ran: Sequence[_Ran]) -> Divergence | None:
    """The most telling one: on the ESL machine before the RTL, where every tensor is stored before where not."""
    order = {TRACED: 0, PROFILED: 1, TIMED: 2}
    for name in (MachineBackend.name, RtlBackend.name):
        for r in sorted(ran, key=lambda r: order.get(r.kind, 3)):
            if name in r.results and diverged(r.workload.golden, r.results[name]):
                others = {k: v for k, v in r.results.items() if k != name}
                ops = r.workload.plain.programs[r.number].segment.ops
                return locate(r.job, r.results[name], r.workload.golden, name, others, ops)
    return None


def _sum(counters: Sequence[Mapping[str, int]]) -> dict[str, int]:
    names = counters[0] if counters else {}
    return {n: sum(c.get(n, 0) for c in counters) for n in names}


def _outcome(workload: Workload, ran: Sequence[_Ran], built: BuiltRtl | None, divergence: Divergence | None) -> Outcome:
    machine = MachineBackend.name
    measured = RtlBackend.name if built else machine
    timed = [r for r in ran if r.kind == TIMED]
    cycles = sum(r.results[measured].cycles for r in timed)
    layers, tails = _layers(workload, ran, measured)
    macs = sum(layer.macs for layer in layers if layer.runs_on == "accelerator")
    seconds = sum(r.results[measured].seconds for r in ran)
    simulated = sum(r.results[measured].cycles for r in ran)
    return Outcome(
        arch=workload.arch, bit_exact=divergence is None, cycles=cycles,
        predicted_cycles=sum(r.results[machine].cycles for r in timed),
        counters=_sum([r.results[measured].counters for r in timed]),
        predicted_counters=_sum([r.results[machine].counters for r in timed]),
        macs=macs, utilisation=macs / (cycles * workload.arch.macs_per_cycle) if cycles else 0.0,
        bound=network_bound(workload.graph, workload.arch),
        sram=account(workload.plain, built.memory_bytes if built else None),
        layers=tuple(layers), tails=tuple(tails), runs=tuple(_records(ran)), compared=tuple(sorted(workload.compared)),
        divergence=divergence, sim_cycles_per_second=simulated / seconds if built and seconds else 0.0, built=built,
    )  # fmt: skip


def _layers(workload: Workload, ran: Sequence[_Ran], measured: str) -> tuple[list[Layer], list[Tail]]:
    wrong = frozenset(
        name
        for r in ran
        if r.workload is workload
        for result in r.results.values()
        for name in _wrong(workload.golden, result, workload.compared)
    )
    layers: list[Layer] = []
    tails: list[Tail] = []
    number = 0
    for step in workload.plain.steps:
        if isinstance(step, HostStep):
            layers += host_layers(workload.graph, step.segment.ops)
            continue
        results = next(r.results for r in ran if r.kind == PROFILED and r.number == number and r.workload is workload)
        part, tail = segment_layers(
            workload.graph, step.segment, workload.arch, results[measured], results[MachineBackend.name],
            workload.compared, wrong,
        )  # fmt: skip
        layers, number = layers + part, number + 1
        tails.append(tail)
    return layers, tails


def _wrong(golden: Mapping[str, Array], result: JobResult, compared: frozenset[str]) -> Sequence[str]:
    """Tensors that a run got wrong; all of them if it gave no results."""
    return sorted(compared) if result.failure else differing(golden, result.tensors)


def _records(ran: Sequence[_Ran]) -> list[RunRecord]:
    records = []
    for r in ran:
        for name, result in r.results.items():
            exact = not diverged(r.workload.golden, result)
            records.append(RunRecord(r.job.label, name, result.cycles, exact, result.seconds, result.failure))
    return records
