# SPDX-License-Identifier: Apache-2.0
"""Carries out the runs of a stage on some mutants, in one simulation with a reset before each mutant."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from esl_ref.errors import ToolError
from sim.bench import run_bench
from sim.image import write_image
from sim.runner import Accelerator, Run, RunResult, dump_ranges, job_entry, run_result

__all__ = ["Silence", "simulate"]

_TIMEOUT_SECONDS = 3600
Silence = str
"""Why there is no result: a register access that was not answered."""


def simulate(
    accelerator: Accelerator, mutants: Sequence[int], runs: Sequence[Run], folder: Path
) -> list[list[RunResult | Silence]]:
    """Results per mutant (0: the design as it is), fewer than `runs` if a run timed out or the registers were silent.

    ToolError if the simulator itself fails. Dumps of memory, one per run and mutant, are gone afterwards.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.resolve(), prefix="mutants-") as scratch:
        return _simulate(accelerator, mutants, runs, Path(scratch))


def _simulate(
    accelerator: Accelerator, mutants: Sequence[int], runs: Sequence[Run], folder: Path
) -> list[list[RunResult | Silence]]:
    spans = dump_ranges(accelerator, runs)
    entries = [job_entry(accelerator, run, span) for run, span in zip(runs, spans, strict=True)]
    for index, run in enumerate(runs):
        if run.image is not None:
            write_image(folder / f"memory.load.{index}.hex", run.image, accelerator.word_bytes)
    (folder / "job.json").write_text(json.dumps({"mutants": list(mutants), "runs": entries}))
    bench = run_bench(
        accelerator.build, "sim.benches.mutants", folder, timeout_seconds=_TIMEOUT_SECONDS,
        env={"ESL_SIM_JOB": str(folder / "job.json"), "ESL_SIM_RESULT": str(folder / "result.json")},
        plusargs=[f"+memory={folder / 'memory'}"],
    )  # fmt: skip
    if bench.failures:
        raise ToolError(f"the simulation broke off: {'; '.join(bench.failures.values())}", where=str(bench.log))
    records: list[list[dict[str, Any]]] = json.loads((folder / "result.json").read_text())
    return [
        [_one(accelerator, folder, place * len(runs) + i, record, spans[i]) for i, record in enumerate(of_mutant)]
        for place, of_mutant in enumerate(records)
    ]


def _one(
    accelerator: Accelerator, folder: Path, dump: int, record: dict[str, Any], span: tuple[int, int]
) -> RunResult | Silence:
    if "silent" in record:
        return str(record["silent"])
    return run_result(accelerator, folder, dump, record, span)
