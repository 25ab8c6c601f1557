# SPDX-License-Identifier: Apache-2.0
"""First-divergence report: the earliest place at which golden, ESL machine and RTL part, and who is alone there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from esl_ref.program.image import Program
from sim.compare import Mismatch, differing, first_mismatch
from sim.jobs import Job, JobResult
from sim.machine_backend import prediction

__all__ = ["Divergence", "diverged", "locate"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Divergence:
    """Everything a designer needs to find the fault.

    backend, run  which executor, in which of its runs
    failure       why there are no results at all, or ''; then `mismatch` is None
    layer, kind   operator that computes the tensor, and its kind
    where         command index, opcode and strip
    cycles        cycles of the run between which the layer's commands completed; (0, 0) if not recorded
    issue         cycles in which the timing model has the command take its operands, without stalls; (0, 0) if unknown
    verdict       which of golden, ESL machine and RTL agree
    """

    backend: str
    run: str
    failure: str = ""
    mismatch: Mismatch | None = None
    layer: str = ""
    kind: str = ""
    where: str = ""
    cycles: tuple[int, int] = (0, 0)
    issue: tuple[int, int] = (0, 0)
    verdict: str = ""

    def sentences(self) -> list[str]:
        """The report, one statement per line."""
        if self.mismatch is None:
            return [f"{self.backend}, run '{self.run}': {self.failure}"]
        m = self.mismatch
        y, x, c = m.coordinate
        lines = [
            f"{self.backend}, run '{self.run}': tensor '{m.tensor}' of {self.kind} '{self.layer}' differs from golden",
            f"first at row {y}, column {x}, channel {c} (index {list(m.index)}): expected {m.expected}, got {m.actual}",
            f"{m.wrong} of {m.size} elements of this tensor are wrong",
            f"written by {self.where or 'a command that the debug records do not name'}",
        ]
        if self.cycles[1]:
            lines.append(f"in cycles {self.cycles[0]} to {self.cycles[1]} of this run")
        if self.issue[1]:
            lines.append(f"the timing model has this command issue in cycles {self.issue[0]} to {self.issue[1]}")
        return [*lines, self.verdict] if self.verdict else lines


def diverged(golden: Mapping[str, Array], result: JobResult) -> bool:
    """Did the run fail, or give any byte that is not golden's?"""
    return bool(result.failure) or bool(differing(golden, result.tensors))


def locate(
    job: Job,
    result: JobResult,
    golden: Mapping[str, Array],
    backend: str,
    others: Mapping[str, JobResult],
    ops: Sequence[Any],
) -> Divergence:
    """The first place where a diverged `result` of `job` leaves `golden`.

    ops: the segment's operators, by layer number. others: results of the same job by name of another backend.
    """
    if result.failure:
        return Divergence(backend, job.label, result.failure)
    made = {name: layer for layer, op in enumerate(ops) for name in op.outputs}
    wrong = differing(golden, result.tensors)
    candidates = [first_mismatch(n, golden[n], result.tensors[n], job.program) for n in wrong]
    first = min(candidates, key=lambda m: (m.command < 0, m.command, made.get(m.tensor, len(ops))))
    layer = made.get(first.tensor, -1)
    op = ops[layer] if layer >= 0 else None
    return Divergence(
        backend, job.label, mismatch=first, layer=op.name if op else "", kind=op.kind if op else "",
        where=_place(job.program, first), cycles=_interval(result, layer_tag(job.program, first)),
        issue=_issue(job, first), verdict=_verdict(first.tensor, golden, backend, result, others),
    )  # fmt: skip


def layer_tag(program: Program, mismatch: Mismatch) -> int:
    """Layer number in the command that wrote the element, -1 if unknown."""
    return program.commands[mismatch.command]["tag"] if mismatch.command >= 0 else -1


def _place(program: Program, mismatch: Mismatch) -> str:
    if mismatch.command < 0:
        return ""
    info = program.info(mismatch.command)
    (y, rows), (c, channels) = info.rows, info.channels
    name = program.commands[mismatch.command].opcode.name
    return f"command {mismatch.command} {name}, strip of rows {y}..{y + rows - 1}, channels {c}..{c + channels - 1}"


def _interval(result: JobResult, tag: int) -> tuple[int, int]:
    """Cycles of the layer's completion and of the layer completed before it."""
    before = 0
    for record in result.records:
        if record.tag == tag:
            return before, record.counters["CYCLES"]
        before = record.counters["CYCLES"]
    return 0, 0


def _issue(job: Job, mismatch: Mismatch) -> tuple[int, int]:
    """First and last operand of the command, as predicted: where to look in the waves."""
    if mismatch.command < 0:
        return 0, 0
    span = prediction(job).spans[mismatch.command]
    return span.first, span.last


def _verdict(
    tensor: str, golden: Mapping[str, Array], backend: str, result: JobResult, others: Mapping[str, JobResult]
) -> str:
    """Which executors agree on the tensor."""
    for name, other in others.items():
        if other.failure:
            return f"the {name} did not finish the same Program: {other.failure}"
        value = other.tensors.get(tensor)
        if value is None:
            continue
        if np.array_equal(value, golden[tensor]):
            return f"golden and the {name} agree here: the {backend} departs from the Program"
        if np.array_equal(value, result.tensors[tensor]):
            return f"the {name} gives the same wrong bytes: the Program does not say what golden means"
        return f"golden, the {name} and the {backend} are all different here"
    return ""
