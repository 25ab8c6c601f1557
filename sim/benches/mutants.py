# SPDX-License-Identifier: Apache-2.0
"""Runs inside the simulator on a `tb_top` with mutants in it: for each mutant a reset, then the same runs.

A mutant whose interrupt or register bus stays silent gets no further runs.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock

from sim.benches.program import PERIOD_NS, carry_out, reset


@cocotb.test()
async def run_mutants(dut) -> None:
    job = json.loads(Path(os.environ["ESL_SIM_JOB"]).read_text())
    Clock(dut.clk, PERIOD_NS, unit="ns").start()
    results: list[list[dict[str, Any]]] = []
    for place, number in enumerate(job["mutants"]):
        dut.dut.mutant_selected.value = number
        results.append(await _all_runs(dut, job["runs"], place * len(job["runs"])))
    Path(os.environ["ESL_SIM_RESULT"]).write_text(json.dumps(results))


async def _all_runs(dut, runs: list[dict[str, Any]], first_dump: int) -> list[dict[str, Any]]:
    bus = await reset(dut)
    done: list[dict[str, Any]] = []
    for index, run in enumerate(runs):
        try:
            done.append(await carry_out(dut, bus, run, index, first_dump + index))
        except TimeoutError as silence:
            return [*done, {"silent": str(silence)}]
        if done[-1]["timed_out"]:
            return done
    return done
