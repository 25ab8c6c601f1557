# SPDX-License-Identifier: Apache-2.0
"""Collects a co-simulation's files in one folder: generated Verilog, waves, log, report."""

from __future__ import annotations

import shutil
from pathlib import Path

from esl_ref.files import refusals
from rtl.top import TOP
from sim.cosim import Outcome

__all__ = ["collect"]


def collect(outcome: Outcome, folder: Path, *, waves: bool) -> dict[str, str]:
    """What is where: copies the generated files beside the results, and names only files that are there."""
    with refusals(folder, "report"):
        folder.mkdir(parents=True, exist_ok=True)
    files = {"report": folder / "report.json", "text": folder / "report.txt"}
    if outcome.built is not None:
        target = folder / "rtl"
        with refusals(target, "Verilog"):
            target.mkdir(exist_ok=True)
            for path in outcome.built.folder.iterdir():
                shutil.copy2(path, target)
        run = folder / "run"
        files |= {"Verilog": target / f"{TOP}.v", "registers": target / "registers.md", "log": run / "sim.log"}
        files["waves"] = run / "waves.fst" if waves else Path("none (--waves writes them)")
    return {name: str(path) for name, path in files.items()}
