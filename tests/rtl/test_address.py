# SPDX-License-Identifier: Apache-2.0
"""Address stage: sums, store reads in place of an op's, and which bytes of a vector are real."""

from __future__ import annotations

import random

import pytest
from amaranth.sim import Simulator

from esl_ref.arch import load
from rtl.address import LATENCY, AddressStage
from rtl.op import Masking

TINY = load("tiny")
LANES = TINY.lanes


def real_bytes(masking: Masking, position: int, row_bytes: int, row_valid: int, limit: int) -> list[bool]:
    """docs/program.md: which bytes are not padding."""
    if masking is Masking.NONE:
        return [True] * LANES
    if masking is Masking.WHOLE:
        return [bool(row_valid) and 0 <= position < row_bytes] * LANES
    return [bool(row_valid) and 0 <= position + i < row_bytes and i < limit for i in range(LANES)]


@pytest.mark.parametrize("masking", Masking)
def test_addresses_and_padding(masking: Masking) -> None:
    dut = AddressStage(TINY)
    rng = random.Random(masking.value)

    async def bench(ctx) -> None:
        expected: list[tuple[int, list[bool] | None, int] | None] = []
        for cycle in range(1200):
            row_bytes = rng.choice([0, 1, 5, LANES, 100, (1 << 20) - 1])
            position = rng.choice([rng.randrange(-2 * LANES, 2 * LANES), row_bytes + rng.randrange(-LANES, LANES)])
            base, offset, out = rng.randrange(1 << 20), rng.randrange(1 << 23), [rng.randrange(1 << 22) for _ in "abc"]
            row_valid, last_access, last_bytes = rng.random() < 0.8, rng.random() < 0.5, rng.randint(1, LANES)
            store, store_addr = rng.random() < 0.2, rng.randrange(1 << 24)
            fields = {
                "read": 1, "base": base, "offset": offset, "position": position, "row_valid": row_valid,
                "last_access": last_access, "masking": masking, "out_base": out[0], "out_offset": out[1],
                "out_x": out[2],
            }  # fmt: skip
            for name, value in fields.items():
                ctx.set(getattr(dut.op, name), value)
            ctx.set(dut.current.ifm_row_bytes, row_bytes)
            ctx.set(dut.current.last_bytes, last_bytes)
            ctx.set(dut.issue, 1)
            ctx.set(dut.store_valid, store)
            ctx.set(dut.store_addr, store_addr)
            address = store_addr if store else (base + offset + position) % (1 << 24)
            real = real_bytes(masking, position, row_bytes, row_valid, last_bytes if last_access else LANES)
            expected.append((address, None if store else real, sum(out) % (1 << 24)))
            if cycle >= LATENCY:
                address, real, out_addr = expected.pop(0)
                low, high = ctx.get(dut.low), ctx.get(dut.high)
                assert ctx.get(dut.read_en)
                assert ctx.get(dut.read_addr) == address
                assert ctx.get(dut.out_addr) == out_addr
                assert real is None or [low <= i < high for i in range(LANES)] == real
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
