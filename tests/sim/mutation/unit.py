# SPDX-License-Identifier: Apache-2.0
"""A small design with every kind of thing that can be mutated, inside a top module."""

from amaranth.back import rtlil
from amaranth.hdl import Cat, Const, Module, Mux
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from sim.mutation.rtlil import Module as Parsed
from sim.mutation.rtlil import parse

UNIT = r"\top.unit"


class Unit(wiring.Component):
    """Arithmetic, comparisons, a switch with nested conditions, a register with a reset value, a memory."""

    a: In(4)
    b: In(4)
    pick: In(2)
    total: Out(4)
    product: Out(8)
    less: Out(1)
    is_five: Out(1)
    masked: Out(4)
    chosen: Out(4)
    shifted: Out(4)
    state: Out(4, init=5)
    read: Out(4)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(shape=4, depth=2, init=[])
        write, read = memory.write_port(), memory.read_port(transparent_for=[])
        m.d.comb += [
            self.total.eq(self.a + self.b), self.product.eq(self.a * self.b), self.less.eq(self.a < self.b),
            self.is_five.eq(self.a == 5), self.masked.eq((self.a & self.b) | ~self.pick[0].replicate(4)),
            self.shifted.eq(Cat(self.a, self.b) >> Const(1, 2)),
            write.addr.eq(self.pick[0]), write.data.eq(self.a), write.en.eq(self.pick[1]),
            read.addr.eq(self.b[0]), read.en.eq(1), self.read.eq(read.data),
        ]  # fmt: skip
        with m.Switch(self.pick):
            with m.Case(1):
                m.d.comb += self.chosen.eq(self.a)
            with m.Case(2):
                m.d.comb += self.chosen.eq(Mux(self.less, self.b, 3))
                with m.If(self.b[3]):
                    m.d.comb += self.chosen[0].eq(self.a[2])
        with m.If(self.pick == 3):
            m.d.sync += self.state.eq(self.state - self.b)
        return m


class Top(wiring.Component):
    a: In(4)
    b: In(4)
    pick: In(2)
    seen: Out(4)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.unit = unit = Unit()
        m.d.comb += [unit.a.eq(self.a), unit.b.eq(self.b), unit.pick.eq(self.pick)]
        m.d.comb += self.seen.eq(
            unit.total ^ unit.product ^ unit.less ^ unit.is_five ^ unit.masked ^ unit.chosen ^ unit.shifted ^ unit.state
            ^ unit.read
        )  # fmt: skip
        return m


def modules() -> list[Parsed]:
    return parse(rtlil.convert(Top(), name="top"))
