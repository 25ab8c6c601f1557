# SPDX-License-Identifier: Apache-2.0
"""cocotb side of `test_build.py`: runs inside the simulator on the `mac` model."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ReadOnly, RisingEdge, Timer


async def start(dut) -> None:
    dut.rst.value = 1
    dut.enable.value = 0
    Clock(dut.clk, 10, unit="ns").start()
    await RisingEdge(dut.clk)
    await RisingEdge(dut.clk)
    dut.rst.value = 0


@cocotb.test(timeout_time=1, timeout_unit="sec")
async def accumulates(dut) -> None:
    """Sum of products of `n` beats, one per cycle, against the same sum in Python."""
    await start(dut)
    expected = 0
    for step in range(20):
        dut.enable.value = 1
        dut.a.value = a = step * 11 % 128 - 64
        dut.b.value = b = step * 37 % 256 - 128
        expected += a * b
        await RisingEdge(dut.clk)
    dut.enable.value = 0
    for _ in range(3):
        await RisingEdge(dut.clk)
    await ReadOnly()
    assert dut.acc.value.to_signed() == expected


@cocotb.test(timeout_time=1, timeout_unit="sec")
async def measure_speed(dut) -> None:
    """Cycles per second with the clock inside the simulator and no Python between start and end."""
    cycles = int(os.environ["BENCH_CYCLES"])
    await start(dut)
    dut.enable.value = 1
    begin = time.perf_counter()
    await Timer(10 * cycles, unit="ns")
    seconds = time.perf_counter() - begin
    Path(os.environ["BENCH_RESULT"]).write_text(json.dumps({"cycles": cycles, "seconds": seconds}))


@cocotb.test(timeout_time=1, timeout_unit="sec")
async def list_visible(dut) -> None:
    """Write down the names that the simulator interface shows."""
    names = sorted(handle._name for handle in dut)
    Path(os.environ["BENCH_RESULT"]).write_text(json.dumps(names))


@cocotb.test()
async def fails_on_purpose(dut) -> None:
    await start(dut)
    raise AssertionError("this bench fails on purpose")


@cocotb.test()
async def hangs(dut) -> None:
    """Never ends: the clock goes on and the awaited edge does not come."""
    await start(dut)
    await RisingEdge(dut.rst)
