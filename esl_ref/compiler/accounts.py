# SPDX-License-Identifier: Apache-2.0
"""On-chip bytes of a compiled network in the four accountings, from which every report has them."""

from __future__ import annotations

from esl_ref.compiler.model import Compiled, ProgramStep
from esl_ref.layout.storage import accountings, plan_storage

__all__ = ["sram_bytes", "without_inputs"]


def without_inputs(step: ProgramStep) -> int:
    """Bytes of the arena if the network's inputs were held elsewhere: the other storages laid out again, because
    without the inputs the peak may be at another step. The arena as it is has room for them in any case."""
    kept = tuple(i for i in step.plan.intervals if i.name not in step.segment.inputs)
    if len(kept) == len(step.plan.intervals):
        return step.plan.height
    return min(step.plan.height, plan_storage(kept).height)


def sram_bytes(compiled: Compiled) -> dict[str, int]:
    """Bytes by accounting, as `layout.storage.accountings` names them; of several Programs the largest decides."""
    tensors = max(without_inputs(step) for step in compiled.programs)
    return accountings(compiled.arch, tensors, max(step.plan.height for step in compiled.programs))
