# SPDX-License-Identifier: Apache-2.0
"""Runs a component in Amaranth's own simulator, one dictionary of inputs per cycle."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pytest
from amaranth.lib.wiring import Component, Flow
from amaranth.sim import Simulator

Cycle = Mapping[str, int]


def _simulate(component: Component, cycles: Iterable[Cycle], tail: int = 0) -> list[dict[str, int]]:
    """Outputs of every cycle, as they stand before its clock edge. Inputs a cycle does not name are 0."""
    members = component.signature.members
    inputs = {name: getattr(component, name) for name, member in members.items() if member.flow is Flow.In}
    outputs = {name: getattr(component, name) for name, member in members.items() if member.flow is Flow.Out}
    trace: list[dict[str, int]] = []

    async def bench(ctx: object) -> None:
        for cycle in [*cycles, *[{}] * tail]:
            if unknown := cycle.keys() - inputs.keys():
                raise KeyError(f"no input {unknown}")
            for name, signal in inputs.items():
                ctx.set(signal, cycle.get(name, 0))
            trace.append({name: ctx.get(signal) for name, signal in outputs.items()})
            await ctx.tick()

    simulator = Simulator(component)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return trace


@pytest.fixture
def simulate() -> Callable[..., list[dict[str, int]]]:
    return _simulate


class Flat:
    """Vectors as the ports of the datapath carry them: element i in bits [width i, width (i + 1))."""

    @staticmethod
    def pack(values: Iterable[int], width: int) -> int:
        mask = (1 << width) - 1
        return sum((int(v) & mask) << (width * i) for i, v in enumerate(values))

    @staticmethod
    def pack_bytes(values: np.ndarray) -> int:
        return int.from_bytes(np.ascontiguousarray(values).astype(np.int8).tobytes(), "little")

    @staticmethod
    def unpack(word: int, width: int, count: int) -> list[int]:
        """Two's complement elements."""
        sign, mask = 1 << (width - 1), (1 << width) - 1
        return [(((word >> (width * i)) & mask) ^ sign) - sign for i in range(count)]


@pytest.fixture
def flat() -> type[Flat]:
    return Flat
