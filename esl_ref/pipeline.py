# SPDX-License-Identifier: Apache-2.0
"""Graph + architecture -> plan -> Programs: the compiler's passes with a planner's decisions between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

from esl_ref.arch import Arch
from esl_ref.compiler.emit import emit
from esl_ref.compiler.fold import fold_padding
from esl_ref.compiler.model import Choice, Compiled, HostStep, ProgramStep, Realised, Strategy, prepare, realise
from esl_ref.compiler.narrow import turned
from esl_ref.compiler.pools import divided
from esl_ref.compiler.sizing import Sizing, scratch_bytes
from esl_ref.compiler.weights import FINENESS
from esl_ref.errors import BudgetError, InputError, ModelError, PlanError, UnsupportedError
from esl_ref.ir import Graph
from esl_ref.layout.storage import check_budget
from esl_ref.machine.timing import MemoryTiming, predict
from esl_ref.planner.choose import row_streamed, whole_maps
from esl_ref.planner.joint import NEAR, Effort, whole_layers
from esl_ref.planner.reorder import reordered
from esl_ref.planner.rewriting import REWRITERS
from esl_ref.planner.spill import spilling
from esl_ref.rewrite import Ordered, Plain, Rewriting, Upright, lying, rewritten

__all__ = ["METHODS", "Planned", "alternatives", "compile_model", "described", "noted", "plan_model"]

_STRATEGIES: dict[str, Callable[..., Choice]] = {"rows": row_streamed, "layerwise": spilling, "mdfi": whole_maps}
METHODS = ("joint", *_STRATEGIES, *REWRITERS)
"""Methods whose plans run. rows: groups that stream rows; layerwise: layer by layer, maps that do not fit parked in
external memory; mdfi: layer by layer, all maps on chip; joint: the best of all. The others rewrite the graph first."""

POLISHED = 1.5
"""How far behind the best plan known another may be to be looked at: polishing gains a few per cent, not half."""


@dataclass(frozen=True)
class Planned:
    """A model compiled by a method: what it decided, and the bytes that it reckoned with by shapes, if it did."""

    compiled: Compiled
    method: str
    decisions: tuple[str, ...] = ()
    predicted: int | None = None
    memory: MemoryTiming = MemoryTiming()
    """What it was made for."""

    @property
    def height(self) -> int:
        """Bytes of the largest arena."""
        return max(step.plan.height for step in self.compiled.programs)

    @property
    def cycles(self) -> int:
        """Cycles of all Programs by the ESL machine's timing model, on the memory that plans are made for."""
        return self.costs()[0]

    def costs(self, memory: MemoryTiming | None = None) -> tuple[int, int]:
        """(cycles, bytes from and to external memory) of all Programs, on another memory if one is given."""
        memory = memory or self.memory
        if memory not in self._timed:
            runs = [(predict(s.program, memory=memory), s.program.arch) for s in self.compiled.programs]
            moved = sum((t.counters["READ_BEATS"] + t.counters["WRITE_BEATS"]) * a.axi_bytes for t, a in runs)
            self._timed[memory] = sum(t.cycles for t, _ in runs), moved
        return self._timed[memory]

    @cached_property
    def _timed(self) -> dict[MemoryTiming, tuple[int, int]]:
        """What has been timed: long Programs take seconds."""
        return {}


def compile_model(
    graph: Graph, arch: Arch, *, sram: int | None = None, trace: bool = False, sized: Arch | None = None,
    strategy: Strategy | None = None, choices: Sequence[Choice] | None = None,
) -> Compiled:  # fmt: skip
    """Compile `graph` for `arch`, whose depths the plan sets.

    sram: activation SRAM bytes to fit and to build (default: what the plan needs). trace: also store every tensor that
    is ever whole on chip to external memory, for comparison. sized: use exactly this machine instead of sizing one.
    strategy: the planner (default: the joint method, which may rewrite the graph); choices: a plan made before, one
    choice per accelerator segment. BudgetError if it does not fit.
    """
    if strategy is None and choices is None and sized is None:
        found = plan_model(graph, arch, sram=sram).compiled
        if not trace:
            return found
        choices = [step.choice for step in found.programs]
    if choices and choices[0].rewriting:
        graph = rewritten(fold_padding(graph), choices[0].rewriting)
    return _compiled(graph, arch, sram=sram, trace=trace, sized=sized, strategy=strategy, choices=choices)


def plan_model(
    graph: Graph, arch: Arch, method: str = "joint", *, sram: int | None = None, effort: Effort | None = None,
    memory: MemoryTiming | None = None,
) -> Planned:  # fmt: skip
    """Compile `graph` by one of `METHODS`, for an external `memory` (default: MemoryTiming()). PlanError, saying why,
    for a method that does not apply; BudgetError for one that does not get down to `sram` bytes."""
    if method not in METHODS:
        raise InputError(f"no method '{method}'", hint=f"there are: {', '.join(METHODS)}")
    effort, memory = effort or Effort(), memory or MemoryTiming()
    if method in REWRITERS:
        return _rewritten(graph, arch, method, sram, effort, memory)
    if method == "joint":
        return _joint(graph, arch, sram, effort, memory)
    strategy = partial(_STRATEGIES[method], effort=effort)
    return Planned(_compiled(graph, arch, sram=sram, strategy=strategy, memory=memory), method, memory=memory)


def _rewritten(
    graph: Graph, arch: Arch, method: str, sram: int | None, effort: Effort, memory: MemoryTiming
) -> Planned:
    """The rewritten graph layer by layer: the faster of what the method decides for the budget and for as few bytes as
    it can, since a Program may need less than the method reckons."""
    plans: list[Planned] = []
    error: PlanError | None = None
    known: list[tuple[Rewriting, ...]] = []
    for budget in dict.fromkeys((sram, None)):
        try:
            found = REWRITERS[method](graph, arch, budget)
            if found.steps in known:
                continue
            known.append(found.steps)
            compiled = _compiled(
                found.graph, arch, sram=sram, strategy=partial(whole_maps, effort=effort), memory=memory
            )
        except PlanError as reason:
            error = reason
            continue
        except (ModelError, UnsupportedError) as reason:  # what the method makes of it is no network
            error = PlanError(reason.what, where=reason.where)
            continue
        plans.append(Planned(noted(compiled, found.steps), method, found.decisions, found.predicted, memory))
    if plans:
        return min(plans, key=lambda p: (p.cycles, p.height))
    assert error is not None
    if isinstance(error, BudgetError):
        raise error
    raise PlanError(f"method {method} does not apply: {error.what}", where=error.where) from error


def noted(compiled: Compiled, steps: tuple[Rewriting, ...]) -> Compiled:
    """What was compiled from a rewritten graph, with the rewriting in its choices, so that they suit the model."""
    noted = (
        replace(s, choice=replace(s.choice, rewriting=steps)) if isinstance(s, ProgramStep) else s
        for s in compiled.steps
    )
    return replace(compiled, steps=tuple(noted))


def _joint(graph: Graph, arch: Arch, sram: int | None, effort: Effort, memory: MemoryTiming) -> Planned:
    """Row-streamed groups; where a budget keeps whole layers from being run, the fastest of all methods."""
    try:
        best: Planned | BudgetError = plan_model(graph, arch, "rows", sram=sram, effort=effort, memory=memory)
    except BudgetError as error:
        best = error
    if sram is not None and not (isinstance(best, Planned) and _all_whole(best)):
        tries = [(method, steps) for steps in alternatives(graph, arch) for method in ("rows", "layerwise")]
        for method, steps in [*((m, ()) for m in ("layerwise", *REWRITERS)), *tries]:
            known = None if isinstance(best, BudgetError) else POLISHED * best.cycles
            try:
                other = _after(graph, steps, arch, method, sram, replace(effort, slowest=known), memory)
            except PlanError as error:
                best = _nearer(best, error)
                continue
            if isinstance(best, BudgetError) or (other.cycles, other.height) < (best.cycles, best.height):
                best = other
    if isinstance(best, BudgetError):
        raise best
    if sram is None and (order := reordered(graph, arch)):
        other = _after(graph, order, arch, "rows", sram, effort, memory)
        if other.height < best.height and other.cycles <= NEAR * best.cycles:
            best = other
    return replace(best, method="joint", decisions=(f"method {best.method}", *best.decisions))


def _after(
    graph: Graph, steps: tuple[Rewriting, ...], arch: Arch, method: str, sram: int | None, effort: Effort,
    memory: MemoryTiming,
) -> Planned:  # fmt: skip
    """What a method decides after some steps of rewriting, with these in its choices."""
    found = plan_model(rewritten(fold_padding(graph), steps), arch, method, sram=sram, effort=effort, memory=memory)
    if not steps:
        return found
    decisions = (described(steps), *found.decisions)
    return replace(found, compiled=noted(found.compiled, steps), decisions=decisions)


def _as_they_stand(graph: Graph, arch: Arch) -> tuple[Rewriting, ...]:
    """Steps that keep operators from being run in ways of more bytes, if any are: pools from being divided, with maps
    between, and sequences from being one row, which cannot stream."""
    folded = fold_padding(graph)
    turning = lying(folded)
    steps: tuple[Rewriting, ...] = (Upright(turning),) if turning else ()
    stood = rewritten(folded, steps)
    plain = divided(stood, arch) | turned(stood)
    return (*steps, Plain(tuple(sorted(plain)))) if plain else steps


def alternatives(graph: Graph, arch: Arch) -> list[tuple[Rewriting, ...]]:
    """Steps that make networks of the same operators which may need fewer bytes: in another order, with operators run
    as they stand, and both."""
    order, plain = reordered(graph, arch), _as_they_stand(graph, arch)
    return [steps for steps in dict.fromkeys((order, plain, (*order, *plain))) if steps]


def described(steps: tuple[Rewriting, ...]) -> str:
    """In words, what `alternatives` does."""
    ways = ["in the order of fewest bytes"] if any(isinstance(step, Ordered) for step in steps) else []
    ways += ["as they stand"] if any(isinstance(step, Plain | Upright) for step in steps) else []
    return f"operators run {' and '.join(ways)}"


def _nearer(best: Planned | BudgetError, error: PlanError) -> Planned | BudgetError:
    """Of two refusals the one with the smaller budget that would do: that is what the user wants to know."""
    if not isinstance(best, BudgetError) or not isinstance(error, BudgetError) or error.least is None:
        return best
    return error if best.least is None or error.least < best.least else best


def _all_whole(planned: Planned) -> bool:
    """Whether every layer runs as a whole: then the budget binds nobody, and no other method is faster."""
    return all(
        replace(step.choice, fineness=FINENESS) in whole_layers(step.lowered) for step in planned.compiled.programs
    )


def _compiled(
    graph: Graph, arch: Arch, *, sram: int | None = None, trace: bool = False, sized: Arch | None = None,
    strategy: Strategy | None = None, choices: Sequence[Choice] | None = None, memory: MemoryTiming | None = None,
) -> Compiled:  # fmt: skip
    """One strategy on the graph as it is."""
    scratch = scratch_bytes(arch)
    folded, arch, segments, lowered = prepare(graph, sized or arch, shaped=sized is not None)
    sizing = Sizing(arch, tuple(lowered.values()), scratch, sized, memory or MemoryTiming())
    machine = sizing.planning()
    budget = sram if sram is not None else (sized.act_bytes if sized else None)
    given, choose = iter(choices or ()), strategy or row_streamed
    chosen: dict[int, Choice] = {}
    done: dict[int, Realised] = {}
    refused: list[BudgetError] = []
    for n, low in lowered.items():
        try:
            chosen[n] = next(given, None) or choose(folded, low, sizing, budget)
            done[n] = realise(low, chosen[n], machine, trace=trace)
            if budget is not None:
                check_budget(done[n].plan, budget, graph.name)
        except BudgetError as error:
            refused.append(error)
    if refused:  # by the segment that asks for the most: that budget would do for all
        raise max(refused, key=lambda error: error.least or 0)
    height, columns, slots = (max(getattr(r, n) for r in done.values()) for n in ("height", "columns", "slots"))
    asked = [c.weight_words for c in chosen.values()]
    words = None if None in asked else max(w for w in asked if w is not None)
    final = sizing.fitted(height if sram is None else sram, columns, words, slots)
    steps: list[HostStep | ProgramStep] = []
    for n, segment in enumerate(segments):
        if segment.host:
            steps.append(HostStep(segment))
            continue
        program = emit(
            folded,
            done[n].schedule,
            final,
            done[n].plan.addresses,
            segment.inputs,
            f"{graph.name}.{n}",
            chosen[n].fineness,
        )
        steps.append(ProgramStep(segment, lowered[n], chosen[n], done[n].schedule, done[n].plan, program))
    return Compiled(folded, final, tuple(steps))
