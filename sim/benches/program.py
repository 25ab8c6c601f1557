# SPDX-License-Identifier: Apache-2.0
"""Runs inside the simulator on `tb_top`: carries out the job file of `sim.runner`, run after run without reset between.

Python acts only at the ends of a run: it loads the memory from a file, writes registers, sleeps until the interrupt,
reads registers and has the memory dumped to a file. In between the clock runs inside the simulator.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import First, RisingEdge, Timer

from sim.benches.axil import AxiLiteManager

PERIOD_NS = 10
RESET_CYCLES = 4
DRAIN_CYCLES = 4096
_IDLE_INPUTS = ("cfg_restart", "file_load", "file_dump")
_STATISTICS = ("read_bursts", "read_beats", "write_bursts", "write_beats")


@cocotb.test()
async def run_job(dut) -> None:
    job = json.loads(Path(os.environ["ESL_SIM_JOB"]).read_text())
    Clock(dut.clk, PERIOD_NS, unit="ns").start()
    bus = await reset(dut)
    results: list[dict[str, Any]] = []
    for index, run in enumerate(job["runs"]):
        results.append(await carry_out(dut, bus, run, index, index))
        Path(os.environ["ESL_SIM_RESULT"]).write_text(json.dumps(results))
        if results[-1]["timed_out"]:
            break  # the state of the hardware is unknown now: what follows would blame the wrong run


async def reset(dut) -> AxiLiteManager:
    """Idle inputs and a reset; the register bus, ready for use."""
    bus = AxiLiteManager(dut)
    for name in _IDLE_INPUTS:
        getattr(dut, name).value = 0
    dut.rst.value = 1
    await _cycles(RESET_CYCLES)
    await RisingEdge(dut.clk)
    dut.rst.value = 0
    await RisingEdge(dut.clk)
    return bus


async def carry_out(dut, bus: AxiLiteManager, run: dict[str, Any], load: int, dump: int) -> dict[str, Any]:
    """One run; the memory comes from file number `load` and goes to number `dump`."""
    for name, value in run["config"].items():
        getattr(dut, f"cfg_{name}").value = value
    dut.file_index.value = load
    await _pulse(dut, dut.cfg_restart)
    if run["load"]:
        await _pulse(dut, dut.file_load)
    responses = [await bus.write(address, value) for address, value in run["writes"]]
    doorbell = int(dut.doorbell_cycle.value)
    start = time.perf_counter()
    during = cocotb.start_soon(_accesses(bus, run["during"]))
    timed_out = not await _interrupt(dut, run["timeout_cycles"])
    seconds = time.perf_counter() - start
    if timed_out:
        during.cancel()
    await RisingEdge(dut.clk)
    await RisingEdge(dut.clk)
    result = {
        "timed_out": timed_out,
        "cycles": int(dut.cycle.value if timed_out else dut.irq_cycle.value) - doorbell,
        "seconds": seconds,
        "busy_at_irq": int(dut.bus_busy.value),
        "write_responses": responses,
        "during": [] if timed_out else await during,
    }
    registers = {} if timed_out else {address: (await bus.read(address))[0] for address in run["reads"]}
    if not timed_out:
        responses += [await bus.write(address, value) for address, value in run["acknowledge"]]
        await RisingEdge(dut.clk)
    result |= {"registers": list(registers.items()), "irq_after": int(dut.irq.value)}
    await _drain(dut)
    result |= {name: int(getattr(dut, name).value) for name in _STATISTICS}
    result |= {"breach": int(dut.first_code.value), "breach_cycle": int(dut.first_cycle.value)}
    if run["dump"] is not None:
        dut.dump_lo.value, dut.dump_hi.value = run["dump"]
        dut.file_index.value = dump
        await _pulse(dut, dut.file_dump)
    return result


async def _interrupt(dut, timeout_cycles: int) -> bool:
    """Sleep until the interrupt is up; False if it is not within the bound."""
    if dut.irq.value == 1:
        return True
    irq = RisingEdge(dut.irq)
    return await First(irq, Timer(PERIOD_NS * timeout_cycles, unit="ns")) is irq


async def _accesses(bus: AxiLiteManager, accesses: list[list[int | None]]) -> list[list[int]]:
    """Register accesses while the engine runs: [wait cycles, address, value or None to read] → [value, response].

    Ends at the first that is not answered: raised here, the error would end the test and name no run.
    """
    done: list[list[int]] = []
    for wait, address, value in accesses:
        await _cycles(wait)
        try:
            done.append(list(await bus.read(address)) if value is None else [value, await bus.write(address, value)])
        except TimeoutError:
            break
    return done


async def _drain(dut) -> None:
    """Let outstanding bursts end, so that the memory is whole when it is dumped."""
    for _ in range(DRAIN_CYCLES):
        if dut.bus_busy.value == 0:
            return
        await RisingEdge(dut.clk)


async def _pulse(dut, signal) -> None:
    """One cycle of `signal`, and the two that it takes to act behind the harness's input register."""
    signal.value = 1
    await RisingEdge(dut.clk)
    signal.value = 0
    for _ in range(2):
        await RisingEdge(dut.clk)


async def _cycles(count: int) -> None:
    if count > 0:
        await Timer(PERIOD_NS * count, unit="ns")
