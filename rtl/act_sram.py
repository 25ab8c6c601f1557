# SPDX-License-Identifier: Apache-2.0
"""Activation SRAM: any `lanes` contiguous bytes per cycle from an unaligned byte address.

Two banks hold the even and the odd words of `lanes` bytes. An unaligned access touches one word of each; a
byte rotation puts them in order. So packed NHWC rows need no alignment, whatever the channel count.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from esl_ref.arch import Arch
from rtl.delay import delay

__all__ = ["READ_LATENCY", "WRITE_LATENCY", "ActSram"]

READ_LATENCY = 3
"""Cycles from `read_addr` to `read_data`: memory, two halves of the rotation."""

WRITE_LATENCY = 3
"""A read whose address comes this many cycles after a write was presented sees what was written."""


def _rotate(value: Value, lanes: int, amount: Value, bits: range) -> Value:
    """`lanes` bytes rotated towards higher indices by the part of `amount` that lies in `bits`."""
    for bit in bits:
        value = Mux(amount[bit], value.rotate_left(8 << bit), value)
    return value[: 8 * lanes]


class ActSram(wiring.Component):
    """Even/odd pair of banks, one unaligned read and one unaligned write per cycle.

    Bytes past the end of the memory read as anything and must not be written.

    Members
    -------
    read_en, read_addr (24) : In
        Reads the `lanes` bytes from `read_addr` upward (modulo 2**24).
    read_data : Out(8 * lanes)
        READ_LATENCY cycles after the address, whether or not other reads follow.
    write_en, write_addr (24), write_data (8 * lanes), write_count : In
        Bytes 0 .. write_count - 1 of write_data go to write_addr upward.
    """

    def __init__(self, arch: Arch):
        self._lanes = arch.lanes
        self._rows = arch.act_bytes // (2 * arch.lanes)
        super().__init__({
            "read_en": In(1),
            "read_addr": In(24),
            "read_data": Out(8 * arch.lanes),
            "write_en": In(1),
            "write_addr": In(24),
            "write_data": In(8 * arch.lanes),
            "write_count": In(range(arch.lanes + 1)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        banks = []
        for parity in ("even", "odd"):
            m.submodules[parity] = bank = Memory(shape=8 * self._lanes, depth=self._rows, init=[])
            banks.append(bank)
        self._elaborate_read(m, banks)
        self._elaborate_write(m, banks)
        return m

    def _bank_rows(self, address: Value) -> tuple[Value, Value, Value, Value]:
        """Byte address -> (byte within the word, word is in the odd bank, row in the even bank, row in the odd)."""
        offset_bits = (self._lanes - 1).bit_length()
        offset, odd, row = address[:offset_bits], address[offset_bits], address[offset_bits + 1 :]
        return offset, odd, (row + odd)[: len(row)], row

    def _elaborate_read(self, m: Module, banks: list[Memory]) -> None:
        lanes = self._lanes
        offset, odd, even_row, odd_row = self._bank_rows(self.read_addr)
        ports = [bank.read_port() for bank in banks]
        for port, row in zip(ports, (even_row, odd_row), strict=True):
            m.d.comb += [port.en.eq(self.read_en), port.addr.eq(row)]

        # After the memory: low word below high word, then drop `offset` bytes, upper bits of the offset first.
        offset_1 = delay(m, offset, 1, name="read_offset")
        odd_1 = delay(m, odd, 1, name="read_odd")
        even_data, odd_data = (port.data for port in ports)
        split = len(offset) // 2
        pair_1 = Mux(odd_1, Cat(odd_data, even_data), Cat(even_data, odd_data))
        coarse: Value = pair_1
        for bit in range(split, len(offset)):
            coarse = Mux(offset_1[bit], coarse >> (8 << bit), coarse)
        # What is left of the offset is below 2**split bytes: the rest of the pair can no longer be reached.
        pair_2 = Signal(8 * (lanes + (1 << split) - 1), reset_less=True)
        offset_2 = Signal(split, reset_less=True)
        m.d.sync += [pair_2.eq(coarse), offset_2.eq(offset_1[:split])]
        fine: Value = pair_2
        for bit in range(split):
            fine = Mux(offset_2[bit], fine >> (8 << bit), fine)
        data_3 = Signal(8 * lanes, reset_less=True)
        m.d.sync += data_3.eq(fine)
        m.d.comb += self.read_data.eq(data_3)

    def _elaborate_write(self, m: Module, banks: list[Memory]) -> None:
        lanes = self._lanes
        offset, odd, even_row, odd_row = self._bank_rows(self.write_addr)
        split = len(offset) // 2
        enables = Cat(self.write_count > i for i in range(lanes))

        data_1 = Signal(8 * lanes, reset_less=True)
        m.d.sync += data_1.eq(_rotate(self.write_data, lanes, offset, range(split)))
        # Enables of the word pair: byte k of the data is byte offset + k of the pair.
        enables_1 = Signal(2 * lanes, reset_less=True)
        m.d.sync += enables_1.eq(enables << offset)
        valid_1 = delay(m, self.write_en, 1, name="write_en", valid=True)
        offset_1 = delay(m, offset, 1, name="write_offset")
        odd_1 = delay(m, odd, 1, name="write_odd")

        data_2 = Signal(8 * lanes, reset_less=True)
        m.d.sync += data_2.eq(_rotate(data_1, lanes, offset_1, range(split, len(offset))))
        low, high = enables_1[:lanes], enables_1[lanes:]
        for parity, (bank, row) in enumerate(zip(banks, (even_row, odd_row), strict=True)):
            port = bank.write_port(granularity=8)
            enable_2 = Signal(lanes, name=f"enable_{parity}_2")
            mine = Mux(odd_1 == parity, low, high)
            m.d.sync += enable_2.eq(Mux(valid_1, mine, 0))
            m.d.comb += [
                port.en.eq(enable_2),
                port.addr.eq(delay(m, row, 2, name=f"write_row_{parity}")),
                port.data.eq(data_2),
            ]
