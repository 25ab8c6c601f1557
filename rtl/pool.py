# SPDX-License-Identifier: Apache-2.0
"""Pooling: the sum or the largest of the bytes of each lane."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from esl_ref.arch import Arch
from rtl.delay import delay
from rtl.timing import POOL_LATENCY
from rtl.vectors import sign_extend, signed_elements

__all__ = ["PoolUnit"]

# At most 255 x 255 taps (8-bit counts) of magnitude 128: below 2**23.
_SUM_BITS = 24


class PoolUnit(wiring.Component):
    """acc[o] = sum or maximum over the taps of byte `o` of `vector`; one tap per cycle, latency as given.

    Members
    -------
    valid, first, last : in, as `MacArray`: a tap, the first, the last of a result
    sum : in, sampled with every tap: 1 adds the taps, 0 takes the largest
    vector : in, int8 of lane `o` in bits [8 o, 8 o + 8)
    out_valid, acc : out, as `MacArray`
    """

    def __init__(self, arch: Arch, latency: int) -> None:
        if latency < POOL_LATENCY:
            raise ValueError(f"latency must be at least {POOL_LATENCY}, not {latency!r}")
        self.arch = arch
        self.LATENCY = latency
        super().__init__({
            "valid": In(1), "first": In(1), "last": In(1), "sum": In(1), "vector": In(8 * arch.lanes),
            "out_valid": Out(1), "acc": Out(32 * arch.lanes),
        })  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # The delay is spent before the accumulator, where a lane is 8 bits and not 32.
        before = self.LATENCY - POOL_LATENCY
        valid = delay(m, self.valid, before, name="valid", valid=True)
        last = delay(m, self.valid & self.last, before, name="last", valid=True)
        first = delay(m, self.first, before, name="first")
        add = delay(m, self.sum, before, name="add")
        vector = delay(m, self.vector, before, name="vector")

        accumulators = []
        for lane, byte in enumerate(signed_elements(vector, 8)):
            acc = Signal(signed(_SUM_BITS), name=f"acc_{lane}", reset_less=True)
            with m.If(valid):
                # For the maximum, acc holds an int8: its low byte is all of it.
                largest = Mux(byte > acc[:8].as_signed(), byte, acc)
                m.d.sync += acc.eq(Mux(first, byte, Mux(add, acc + byte, largest)))
            accumulators.append(acc)
        m.d.sync += self.out_valid.eq(last)
        m.d.comb += self.acc.eq(Cat(sign_extend(acc, 32) for acc in accumulators))
        return m
