# SPDX-License-Identifier: Apache-2.0
"""Every running cycle has exactly one cause, and it is the right one."""

from __future__ import annotations

import random

import pytest
from amaranth.sim import Simulator

from rtl.counters import CAUSES, NAMES, Counters
from rtl.load_types import Destination
from rtl.op import Cause

INPUTS = ("cause", "ended", "loading", "storing", "computing", "arrived", "destination")


def _run(cycles: list[dict[str, int]]) -> list[dict[str, int]]:
    """Counters with each cycle: `following` in the cycle after it, `value` one later."""
    dut, seen = Counters(), []

    async def bench(ctx) -> None:
        for cycle in cycles:
            for name in ("run", "read_beat", "write_beat", "retired", *INPUTS):
                ctx.set(getattr(dut, name), cycle.get(name, Cause.NONE if name == "cause" else 0))
            before = [ctx.get(v) for v in dut.following]
            await ctx.tick()
            assert [ctx.get(v) for v in dut.value] == before
            following = [ctx.get(v) for v in dut.following]
            seen.append(dict(zip(NAMES, following, strict=True)))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return seen


WAITING = {"cause": Cause.WAIT_LOAD}
END = {"cause": Cause.NONE, "ended": 1}
ROWS = {"arrived": 1, "destination": Destination.ROWS}
WEIGHTS = {"arrived": 1, "destination": Destination.WEIGHTS}
TABLE = {"arrived": 1, "destination": Destination.TABLE}


@pytest.mark.parametrize(
    ("cycle", "name"),
    [
        ({"cause": Cause.MAC, **ROWS}, "MAC_ACTIVE"),
        ({"cause": Cause.VECTOR}, "VECTOR_ACTIVE"),
        ({"cause": Cause.OVERHEAD}, "OVERHEAD"),
        ({**WAITING, **WEIGHTS}, "STALL_WEIGHTS"),
        ({**WAITING, **TABLE}, "STALL_WEIGHTS"),
        ({**WAITING, **ROWS}, "STALL_ACTIVATIONS"),
        (WAITING, "STALL_MEMORY"),
        ({"cause": Cause.WAIT_STORE}, "STALL_WRITE_BACK"),
        ({"cause": Cause.WAIT_COMPUTE}, "STALL_DEPENDENCY"),
        ({"cause": Cause.DMA}, "STALL_DMA"),
        ({"loading": 1, **ROWS}, "STALL_FETCH"),
        (END, "STALL_FETCH"),
        ({**END, "computing": 1, "storing": 1}, "OVERHEAD"),
        ({**END, "storing": 1, "loading": 1}, "STALL_WRITE_BACK"),
        ({**END, "loading": 1}, "STALL_MEMORY"),
        ({**END, "loading": 1, **ROWS}, "STALL_ACTIVATIONS"),
        ({**END, "loading": 1, **WEIGHTS}, "STALL_WEIGHTS"),
    ],
)
def test_cause(cycle: dict[str, int], name: str) -> None:
    (seen,) = _run([{"run": 1, **cycle}])
    assert {n for n, v in seen.items() if v} == {"CYCLES", name}


def test_sum_and_traffic_under_random_inputs() -> None:
    rng = random.Random(1)
    ranges = {"cause": list(Cause), "destination": list(Destination), "retired": range(8)}
    cycles = [
        {n: rng.choice(ranges.get(n, (0, 1))) for n in ("run", "read_beat", "write_beat", "retired", *INPUTS)}
        for _ in range(500)
    ]
    seen = _run(cycles)
    assert all(s["CYCLES"] == sum(s[name] for name in CAUSES) for s in seen)
    running = [c for c in cycles if c["run"]]
    assert seen[-1]["CYCLES"] == len(running)
    assert seen[-1]["READ_BEATS"] == sum(c["read_beat"] for c in running)
    assert seen[-1]["WRITE_BEATS"] == sum(c["write_beat"] for c in running)
    assert seen[-1]["COMMANDS"] == sum(c["retired"].bit_count() for c in running)
