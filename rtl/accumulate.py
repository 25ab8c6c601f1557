# SPDX-License-Identifier: Apache-2.0
"""Accumulator slots: a result may be added to a partial sum kept from earlier, or be kept as one."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from esl_ref.arch import Arch
from rtl.timing import ACCUMULATE_LATENCY
from rtl.vectors import elements

__all__ = ["Accumulate"]


class Accumulate(wiring.Component):
    """One vector per cycle; the sum ACCUMULATE_LATENCY cycles after `valid`.

    A slot written with a result may be added SLOT_GAP results-issue cycles later at the earliest: it is read one cycle
    before `valid` and written one cycle after it. The compiler's bounds keep every partial sum inside int32.

    Members
    -------
    slot_early : In, slot of the vector that comes in the next cycle
    valid, acc : In, int32 of lane `o` in bits [32 o, 32 o + 32)
    add, keep : In, with `valid`: add the slot; put the sum into the slot
    slot : In, with `valid`, the same slot
    out_acc : Out, the sum
    """

    def __init__(self, arch: Arch):
        self.arch = arch
        self.LATENCY = ACCUMULATE_LATENCY
        bits = bits_for(arch.acc_words - 1)
        super().__init__({
            "slot_early": In(bits), "valid": In(1), "acc": In(32 * arch.lanes), "add": In(1), "keep": In(1),
            "slot": In(bits), "out_acc": Out(32 * arch.lanes),
        })  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width = 32 * self.arch.lanes
        m.submodules.slots = memory = Memory(shape=width, depth=self.arch.acc_words, init=[])
        write, read = memory.write_port(), memory.read_port()
        total = Signal(width, reset_less=True)
        kept = Signal()
        slot = Signal.like(self.slot, reset_less=True)
        sums = [
            (value + Mux(self.add, old, 0))[:32]
            for value, old in zip(elements(self.acc, 32), elements(read.data, 32), strict=True)
        ]
        m.d.sync += [total.eq(Cat(sums)), kept.eq(self.valid & self.keep), slot.eq(self.slot)]
        m.d.comb += [
            read.addr.eq(self.slot_early),
            write.en.eq(kept),
            write.addr.eq(slot),
            write.data.eq(total),
            self.out_acc.eq(total),
        ]
        return m
