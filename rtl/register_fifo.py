# SPDX-License-Identifier: Apache-2.0
"""A small FIFO made of registers: for descriptors that are too few for a RAM macro."""

from __future__ import annotations

from amaranth.hdl import Module, ShapeLike, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["RegisterFifo"]


class RegisterFifo(wiring.Component):
    """Shifts towards its output. Latency one cycle; one push and one pop per cycle unless full.

    Members
    -------
    push, pop : streams of `shape`
    level : Out(range(depth + 1))
        Entries held.
    """

    def __init__(self, shape: ShapeLike, depth: int):
        if depth < 1:
            raise ValueError(f"FIFO depth must be at least 1, not {depth!r}")
        self._shape, self._depth = shape, depth
        super().__init__({
            "push": In(stream.Signature(shape)),
            "pop": Out(stream.Signature(shape)),
            "level": Out(range(depth + 1)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        entries = [Signal(self._shape, name=f"entry{i}", reset_less=True) for i in range(self._depth)]
        pushed, popped = self.push.valid & self.push.ready, self.pop.valid & self.pop.ready
        m.d.comb += [
            self.push.ready.eq(self.level < self._depth),
            self.pop.valid.eq(self.level != 0),
            self.pop.payload.eq(entries[0]),
        ]
        m.d.sync += self.level.eq(self.level + pushed - popped)
        with m.If(popped):
            m.d.sync += [entry.eq(following) for entry, following in zip(entries, entries[1:], strict=False)]
        for i, entry in enumerate(entries):
            with m.If(pushed & (self.level - popped == i)):
                m.d.sync += entry.eq(self.push.payload)
        return m
