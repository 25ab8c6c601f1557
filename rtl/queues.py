# SPDX-License-Identifier: Apache-2.0
"""Command queue: a RAM as wide as the bus, and the next command assembled ahead in a register."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from esl_ref.arch import Arch
from esl_ref.program.fields import COMMAND_BYTES
from rtl.layouts import command_payload
from rtl.register_fifo import RegisterFifo

__all__ = ["CommandQueue"]


class CommandQueue(wiring.Component):
    """Holds `queue_depth` commands in RAM and one more in the register. A word leaves the RAM as soon as it is there,
    so an empty queue passes a command on two cycles after its last word. A word is a bus beat.

    Members
    -------
    write, word : In(1), In(8 * axi_bytes)
        Push the next word of a command; there must be room.
    index : In(32)
        Index in the stream of the command being written; read with its last word.
    used : Out(range(queue_depth + 1))
        Commands with a word in the RAM, counting from a command's first word to its last.
    empty : Out(1)
        No complete command in RAM or register.
    command : Out stream of command_payload()
    """

    def __init__(self, arch: Arch):
        self._depth = arch.queue_depth
        self._bits = 8 * arch.axi_bytes
        self._command_words = COMMAND_BYTES // arch.axi_bytes
        super().__init__({
            "write": In(1),
            "word": In(self._bits),
            "index": In(32),
            "used": Out(range(arch.queue_depth + 1)),
            "empty": Out(1),
            "command": Out(stream.Signature(command_payload())),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        words = self._depth * self._command_words
        m.submodules.ram = ram = memory.Memory(shape=self._bits, depth=words, init=[])
        write_port, read_port = ram.write_port(), ram.read_port(domain="sync")
        level, some = Signal(range(words + 1)), Signal()  # some: level != 0
        reading = Signal()
        first, last = self._count(m, words, write_port, read_port, reading)
        m.d.comb += [
            write_port.en.eq(self.write),
            write_port.data.eq(self.word),
            read_port.en.eq(reading),
        ]
        with m.If(self.write & ~reading):
            m.d.sync += [level.eq(level + 1), some.eq(1)]
        with m.If(reading & ~self.write):
            m.d.sync += [level.eq(level - 1), some.eq(level != 1)]
        with m.If(first & ~last):
            m.d.sync += self.used.eq(self.used + 1)
        with m.If(last & ~first):
            m.d.sync += self.used.eq(self.used - 1)
        self._assemble(m, some, reading, read_port.data)
        self._number(m)
        return m

    def _count(self, m: Module, words: int, write_port, read_port, reading: Signal) -> tuple[Signal, Signal]:
        """Addresses, and the word number within the command at either end."""
        pulses = []
        ends = (("write", write_port, self.write, 0), ("read", read_port, reading, self._command_words - 1))
        for name, port, step, edge in ends:
            addr = Signal(range(words), name=f"{name}_addr")
            number = Signal(range(self._command_words), name=f"{name}_number")
            at_edge = Signal(name=f"{name}_at_edge", init=edge == 0)  # number == edge
            pulse = Signal(name=f"{name}_edge")
            with m.If(step):
                m.d.sync += addr.eq(Mux(addr == words - 1, 0, addr + 1))
                following = Mux(number == self._command_words - 1, 0, number + 1)
                m.d.sync += [number.eq(following), at_edge.eq(following == edge)]
            m.d.comb += [port.addr.eq(addr), pulse.eq(step & at_edge)]
            pulses.append(pulse)
        return pulses[0], pulses[1]

    def _assemble(self, m: Module, some: Signal, reading: Signal, word: Signal) -> None:
        """Shift words in from the top; after a whole command the first is at the bottom."""
        arriving = Signal()
        words, bits = self._command_words, self._bits
        asked = Signal(range(words + 1))
        got = Signal(range(words + 1))
        register = Signal(words * bits, reset_less=True)
        taken = Signal()
        wanted, whole = Signal(init=1), Signal()  # asked != words, got == words
        m.d.comb += [
            reading.eq(some & wanted),
            self.command.valid.eq(whole),
            self.command.payload.word.eq(register),
            taken.eq(self.command.valid & self.command.ready),
        ]
        m.d.sync += arriving.eq(reading)
        with m.If(reading):
            m.d.sync += [asked.eq(asked + 1), wanted.eq(asked != words - 1)]
        with m.If(arriving):
            m.d.sync += [register.eq(Cat(register[bits:], word)), got.eq(got + 1), whole.eq(got == words - 1)]
        with m.If(taken):
            m.d.sync += [asked.eq(0), wanted.eq(1), got.eq(0), whole.eq(0)]

    def _number(self, m: Module) -> None:
        """Carry the index beside the RAM, in registers: the words have no bits to spare for it."""
        m.submodules.indexes = indexes = RegisterFifo(32, self._depth + 1)
        count = Signal(range(self._command_words))
        last = Signal(init=self._command_words == 1)  # count is the last
        with m.If(self.write):
            following = Mux(last, 0, count + 1)
            m.d.sync += [count.eq(following), last.eq(following == self._command_words - 1)]
        m.d.comb += [
            indexes.push.valid.eq(self.write & last),
            indexes.push.payload.eq(self.index),
            indexes.pop.ready.eq(self.command.valid & self.command.ready),
            self.command.payload.index.eq(indexes.pop.payload),
            self.empty.eq(~indexes.pop.valid),
        ]
