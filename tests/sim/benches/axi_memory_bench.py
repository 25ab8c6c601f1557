# SPDX-License-Identifier: Apache-2.0
"""cocotb side of `test_axi_memory.py`: cocotbext-axi's manager against the memory model and its checker."""

from __future__ import annotations

import itertools
import logging
import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import Combine, RisingEdge
from cocotbext.axi import AxiBus, AxiMaster

BYTES = 1 << 20
PERIOD_NS = 10


async def start(dut, **config: int) -> AxiMaster:
    settings = {"latency": 32, "gap": 0, "stall": 0, "seed": 1, "restart": 0} | config
    for name, value in settings.items():
        getattr(dut, f"cfg_{name}").value = value
    dut.rst.value = 1
    Clock(dut.clk, PERIOD_NS, unit="ns").start()
    logging.getLogger(f"cocotb.{dut._name}").setLevel(logging.WARNING)
    master = AxiMaster(AxiBus.from_prefix(dut, "s_axi"), dut.clk, dut.rst, max_burst_len=256)
    for _ in range(4):
        await RisingEdge(dut.clk)
    dut.rst.value = 0
    await RisingEdge(dut.clk)
    return master


def finish(dut) -> None:
    assert dut.violations.value == 0, f"breach {int(dut.first_code.value)} in cycle {int(dut.first_cycle.value)}"


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def random_traffic(dut) -> None:
    """Random unaligned writes and reads of 1 to 5000 bytes against a bytearray, under stalls on every channel."""
    rng = random.Random(cocotb.RANDOM_SEED)
    master = await start(dut, stall=int(0.3 * 65536), seed=7, latency=5)
    model = bytearray(BYTES)
    for _ in range(40):
        size = rng.choice([1, 7, 8, 64, rng.randint(1, 5000)])
        address = rng.randrange(0, 1 << 16)
        data = rng.randbytes(size)
        await master.write(address, data)
        model[address : address + size] = data
        place = rng.randrange(0, 1 << 16)
        length = rng.randint(1, 5000)
        assert (await master.read(place, length)).data == model[place : place + length]
    finish(dut)


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def narrow_beats(dut) -> None:
    """Beats narrower than the bus land on their own byte lanes."""
    master = await start(dut, latency=3)
    for size in range(4):
        data = bytes(range(10 * size, 10 * size + 40))
        await master.write(0x1003 + 64 * size, data, size=size)
        assert (await master.read(0x1003 + 64 * size, 40, size=size)).data == data
        assert (await master.read(0x1003 + 64 * size, 40)).data == data
    finish(dut)


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def bursts_overlap(dut) -> None:
    """Sixteen bursts outstanding pay the latency once, and beats then come one per cycle."""
    latency, bursts, beats = 200, 16, 8
    master = await start(dut, latency=latency)
    begin = int(dut.cycle.value)
    reads = [cocotb.start_soon(master.read(0x1000 * i, 8 * beats)) for i in range(bursts)]
    await Combine(*reads)
    spent = int(dut.cycle.value) - begin
    assert int(dut.most_reads.value) >= 8
    assert latency + bursts * beats <= spent < latency + bursts * beats + 3 * bursts
    finish(dut)


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def stalls_are_drawn_at_their_rate(dut) -> None:
    """The share of cycles in which AR is refused is the probability asked for."""
    await start(dut, stall=int(0.25 * 65536))
    refused = 0
    for _ in range(4000):
        await RisingEdge(dut.clk)
        refused += dut.s_axi_arready.value == 0
    assert 0.22 < refused / 4000 < 0.28


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def back_pressure(dut) -> None:
    """The memory holds its answers while the manager pauses its R and B channels."""
    master = await start(dut)
    master.read_if.r_channel.set_pause_generator(itertools.cycle([1, 1, 0, 1, 0]))
    master.write_if.b_channel.set_pause_generator(itertools.cycle([1, 1, 1, 0]))
    data = bytes(random.Random(5).randbytes(3000))
    await master.write(0x0FF1, data)
    assert (await master.read(0x0FF1, 3000)).data == data
    finish(dut)


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def beyond_the_end(dut) -> None:
    master = await start(dut)
    assert (await master.read(BYTES, 8)).resp == 3
    assert (await master.write(BYTES, bytes(8))).resp == 3
    assert (await master.write(BYTES - 8, bytes(8))).resp == 0
    finish(dut)


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def unanswered_write_is_not_read(dut) -> None:
    """The checker objects to a read that overlaps a write without response, and only to that."""
    master = await start(dut, latency=64)
    pending = cocotb.start_soon(master.write(0x2000, bytes(64)))
    await RisingEdge(dut.s_axi_wlast)
    for _ in range(4):
        await RisingEdge(dut.clk)
    await master.read(0x2040, 8)
    finish(dut)
    await master.write(0x3000, bytes(8))
    await pending
    pending = cocotb.start_soon(master.write(0x2000, bytes(64)))
    await RisingEdge(dut.s_axi_wlast)
    for _ in range(4):
        await RisingEdge(dut.clk)
    await master.read(0x203F, 1)
    await pending
    assert dut.first_code.value == 23
