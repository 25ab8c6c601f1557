# SPDX-License-Identifier: Apache-2.0
"""CP-SAT in a thread of its own, so that Ctrl-C ends a search at once, and the command with it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ortools.sat.python import cp_model

__all__ = ["solved"]


def solved(solver: cp_model.CpSolver, model: cp_model.CpModel) -> cp_model.CpSolverStatus:
    """Status of `model` after the search. KeyboardInterrupt if that comes meanwhile."""
    # Left to itself CP-SAT takes the signal, ends this one search, and nobody else hears of it.
    solver.parameters.catch_sigint_signal = False
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(solver.solve, model)
        try:
            return running.result()
        except BaseException:
            solver.stop_search()
            raise
