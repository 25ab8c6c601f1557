# SPDX-License-Identifier: Apache-2.0
"""Weight SRAM: one word of `lanes * lanes` bytes per cycle to the array, written bus beat by bus beat."""

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
    write_en, write_word, write_beat, write_data : In
        Bytes `write_beat * axi_bytes` upward of word `write_word`.
    """

    def __init__(self, arch: Arch):
        self._arch = arch
        super().__init__({
            "read_addr": In(range(arch.weight_words)),
            "read_data": Out(8 * arch.word_bytes),
            "write_en": In(1),
            "write_word": In(range(arch.weight_words)),
            "write_beat": In(range(arch.word_bytes // arch.axi_bytes)),
            "write_data": In(8 * arch.axi_bytes),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        arch = self._arch
        # A beat is registered once before it fans out to all banks.
        valid = Signal()
        word = Signal.like(self.write_word, reset_less=True)
        beat = Signal.like(self.write_beat, reset_less=True)
        payload = Signal.like(self.write_data, reset_less=True)
        m.d.sync += [
            valid.eq(self.write_en),
            word.eq(self.write_word),
            beat.eq(self.write_beat),
            payload.eq(self.write_data),
        ]
        unit = min(arch.axi_bytes, arch.lanes)  # bytes of one beat that fall into one bank
        outputs = []
        for lane in range(arch.lanes):
            m.submodules[f"bank_{lane}"] = bank = Memory(shape=8 * arch.lanes, depth=arch.weight_words, init=[])
            write = bank.write_port(granularity=8 * unit)
            first = lane * arch.lanes
            places = range(first, first + arch.lanes, unit)
            lane_in_beat = first % arch.axi_bytes
            m.d.comb += [
                write.addr.eq(word),
                write.data.eq(payload[8 * lane_in_beat :][: 8 * unit].replicate(arch.lanes // unit)),
                write.en.eq(Cat(valid & (beat == place // arch.axi_bytes) for place in places)),
            ]
            read = bank.read_port()
            m.d.comb += read.addr.eq(self.read_addr)
            output = Signal(8 * arch.lanes, name=f"output_{lane}", reset_less=True)
            m.d.sync += output.eq(read.data)
            outputs.append(output)
        m.d.comb += self.read_data.eq(Cat(outputs))
        return m
