# SPDX-License-Identifier: Apache-2.0
"""Weight SRAM: one word of `lanes * lanes` bytes per cycle to the array, written lane by lane."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from esl_ref.arch import Arch

__all__ = ["READ_LATENCY", "WRITE_LATENCY", "WeightSram"]

READ_LATENCY = 2
"""Cycles from `read_addr` to `read_data`: memory and an output register."""

WRITE_LATENCY = 2
"""A read whose address comes this many cycles after a write was presented sees what was written."""


class WeightSram(wiring.Component):
    """`lanes` banks, bank `o` holding the `lanes` bytes of output lane `o` of every word.

    Members
    -------
    read_addr : In(range(weight_words)), read_data : Out(8 * lanes * lanes)
        Byte `o * lanes + i` is multiplier `i` of output lane `o`; READ_LATENCY cycles after the address.
    write_en, write_word, write_lane, write_data : In
        The bytes of lane `write_lane` of word `write_word`.
    """

    def __init__(self, arch: Arch):
        self._arch = arch
        super().__init__({
            "read_addr": In(range(arch.weight_words)),
            "read_data": Out(8 * arch.word_bytes),
            "write_en": In(1),
            "write_word": In(range(arch.weight_words)),
            "write_lane": In(range(arch.lanes)),
            "write_data": In(8 * arch.lanes),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        arch = self._arch
        # A lane is registered once before it fans out to all banks.
        enable = Signal(arch.lanes)
        word = Signal.like(self.write_word, reset_less=True)
        payload = Signal.like(self.write_data, reset_less=True)
        m.d.sync += [
            enable.eq(Cat(self.write_en & (self.write_lane == lane) for lane in range(arch.lanes))),
            word.eq(self.write_word),
            payload.eq(self.write_data),
        ]
        outputs = []
        for lane in range(arch.lanes):
            m.submodules[f"bank_{lane}"] = bank = Memory(shape=8 * arch.lanes, depth=arch.weight_words, init=[])
            write = bank.write_port()
            m.d.comb += [write.addr.eq(word), write.data.eq(payload), write.en.eq(enable[lane])]
            read = bank.read_port()
            m.d.comb += read.addr.eq(self.read_addr)
            output = Signal(8 * arch.lanes, name=f"output_{lane}", reset_less=True)
            m.d.sync += output.eq(read.data)
            outputs.append(output)
        m.d.comb += self.read_data.eq(Cat(outputs))
        return m
