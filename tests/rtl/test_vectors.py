# SPDX-License-Identifier: Apache-2.0
"""rtl.vectors: element order, signs, and selection past the end."""

from __future__ import annotations

import pytest
from amaranth.hdl import Cat, Const, Module, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.vectors import choose, elements, sign_extend, signed_elements


class _Probe(wiring.Component):
    """Three bytes: widened to 12 bits each, reversed, and one of them chosen, a cycle later."""

    def __init__(self):
        super().__init__({"word": In(24), "index": In(2), "wide": Out(36), "swapped": Out(24), "chosen": Out(8)})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += [
            self.wide.eq(Cat(sign_extend(byte, 12) for byte in signed_elements(self.word, 8))),
            self.swapped.eq(Cat(reversed(elements(self.word, 8)))),
        ]
        m.d.sync += self.chosen.eq(choose(m, self.index, elements(self.word, 8), "byte"))
        return m


def test_elements(simulate):
    trace = simulate(_Probe(), [{"word": 0x7F80FE, "index": i} for i in range(4)], tail=1)
    assert trace[0]["wide"] == 0x07F_F80_FFE and trace[0]["swapped"] == 0xFE807F
    assert [out["chosen"] for out in trace[1:]] == [0xFE, 0x80, 0x7F, 0xFE]


def test_uneven_vectors_are_refused():
    with pytest.raises(ValueError, match="a vector of 8-bit elements must not have 12 bits"):
        elements(Const(0, signed(12)), 8)
