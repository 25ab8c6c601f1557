# SPDX-License-Identifier: Apache-2.0
"""Graph + architecture -> plan -> Programs: the compiler's passes with a planner's decisions between them."""

from __future__ import annotations

from collections.abc import Sequence

from esl_ref.arch import Arch
from esl_ref.compiler.emit import emit
from esl_ref.compiler.model import Choice, Compiled, HostStep, ProgramStep, Strategy, prepare, realise
from esl_ref.compiler.sizing import Sizing, scratch_bytes
from esl_ref.ir import Graph
from esl_ref.planner.choose import joint
from esl_ref.planner.storage import check_budget

__all__ = ["compile_model"]


def compile_model(
    graph: Graph, arch: Arch, *, sram: int | None = None, trace: bool = False, sized: Arch | None = None,
    strategy: Strategy | None = None, choices: Sequence[Choice] | None = None,
) -> Compiled:  # fmt: skip
    """Compile `graph` for `arch`, whose depths the plan sets.

    sram: activation SRAM bytes to fit and to build (default: what the plan needs). trace: also store every tensor that
    is ever whole on chip to external memory, for comparison. sized: use exactly this machine instead of sizing one.
    strategy: the planner (default: the joint one); choices: a plan made before, one choice per accelerator segment.
    BudgetError if it does not fit.
    """
    scratch = scratch_bytes(arch)
    folded, arch, segments, lowered = prepare(graph, sized or arch, shaped=sized is not None)
    sizing = Sizing(arch, tuple(lowered.values()), scratch, sized)
    machine = sizing.planning()
    budget = sram if sram is not None else (sized.act_bytes if sized else None)
    given = iter(choices or ())
    chosen = {n: next(given, None) or (strategy or joint)(folded, low, sizing, budget) for n, low in lowered.items()}
    done = {n: realise(low, chosen[n], machine, trace=trace) for n, low in lowered.items()}
    height, columns = (max(getattr(r, name) for r in done.values()) for name in ("height", "columns"))
    for realised in done.values():
        if budget is not None:
            check_budget(realised.plan, budget, graph.name)
    asked = [c.weight_words for c in chosen.values()]
    words = None if None in asked else max(w for w in asked if w is not None)
    final = sizing.fitted(height if sram is None else sram, columns, words)
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
            chosen[n].parts,
        )
        steps.append(ProgramStep(segment, lowered[n], chosen[n], done[n].schedule, done[n].plan, program))
    return Compiled(folded, final, tuple(steps))
