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
        # The level in one bit each: nothing that waits for the FIFO, or chooses an entry, has to compare or to invert.
        at = [Signal(name=f"at{level}", init=level == 0) for level in range(self._depth + 1)]
        room, some = Signal(init=1), Signal()
        pushed, popped = Signal(), Signal()
        m.d.comb += [
            pushed.eq(self.push.valid & self.push.ready),
            popped.eq(self.pop.valid & self.pop.ready),
            self.push.ready.eq(room),
            self.pop.valid.eq(some),
            self.pop.payload.eq(entries[0]),
        ]
        with m.If(pushed & ~popped):
            m.d.sync += [room.eq(~at[-2]), some.eq(1)]
        with m.If(popped & ~pushed):
            m.d.sync += [room.eq(1), some.eq(~at[1])]
        for level, here in enumerate(at):
            with m.If(here):
                m.d.comb += self.level.eq(level)
            with m.If(pushed & ~popped):
                m.d.sync += here.eq(at[level - 1] if level else 0)
            with m.If(popped & ~pushed):
                m.d.sync += here.eq(at[level + 1] if level < self._depth else 0)
        # The first entry behind the last takes what is offered, pushed or not: it counts only if it is pushed.
        for place, entry in enumerate(entries):
            with m.If(popped):
                following = entries[place + 1] if place + 1 < self._depth else entry
                with m.If(at[place + 1]):
                    m.d.sync += entry.eq(self.push.payload)
                with m.Else():
                    m.d.sync += entry.eq(following)
            with m.Elif(at[place]):
                m.d.sync += entry.eq(self.push.payload)
        return m
