# SPDX-License-Identifier: Apache-2.0
"""A bank of multiply-accumulate lanes: enough registers to make visible what public signals cost."""

# No postponed annotations here: Amaranth reads a component's members from them.
from amaranth import Module, Signal, signed
from amaranth.back import verilog
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

PORTS = ("clk", "rst", "enable", "a", "b", "acc")


class MacBank(wiring.Component):
    """`lanes` accumulators of (a + lane) · b; lane 0 is `acc`. Two cycles from input to accumulator."""

    enable: In(1)
    a: In(signed(8))
    b: In(signed(8))
    acc: Out(signed(32))

    def __init__(self, lanes: int) -> None:
        self._lanes = lanes
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        for lane in range(self._lanes):
            product = Signal(signed(17), name=f"product_{lane}", reset_less=True)
            valid = Signal(name=f"valid_{lane}")
            total = Signal(signed(32), name=f"total_{lane}")
            m.d.sync += [product.eq((self.a + lane) * self.b), valid.eq(self.enable)]
            with m.If(valid):
                m.d.sync += total.eq(total + product)
            if lane == 0:
                m.d.comb += self.acc.eq(total)
        return m


def mac_verilog(lanes: int) -> str:
    return verilog.convert(MacBank(lanes), name="mac", emit_src=False, strip_internal_attrs=True)
