# SPDX-License-Identifier: Apache-2.0
"""Address stage: adds up the parts of an issued access in two pipeline steps and finds which bytes are padding."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from esl_ref.arch import Arch
from rtl.layouts import COMPUTE_LAYOUT
from rtl.op import Masking, op_layout

__all__ = ["LATENCY", "AddressStage"]

LATENCY = 2
"""Cycles from issue to the SRAM address."""


class AddressStage(wiring.Component):
    """From an issued op, or a store read in its place, to SRAM addresses and the range of bytes that are real.

    Members
    -------
    op, current, issue : In, the op issued in this cycle and its command
    store_valid, store_addr : In, a store read, which takes the place of the op's read
    read_en, read_addr : Out, LATENCY cycles later
    low, high : Out, with them: bytes [low, high) of the vector are real, the others `pad_value`
    out_addr : Out, with them: where the op's result goes
    """

    def __init__(self, arch: Arch):
        self.arch = arch
        super().__init__({
            "op": In(op_layout(arch)),
            "current": In(COMPUTE_LAYOUT),
            "issue": In(1),
            "store_valid": In(1),
            "store_addr": In(24),
            "read_en": Out(1),
            "read_addr": Out(24),
            "low": Out(range(arch.lanes + 1)),
            "high": Out(range(arch.lanes + 1)),
            "out_addr": Out(24),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._elaborate_addresses(m)
        self._elaborate_range(m)
        return m

    def _elaborate_addresses(self, m: Module) -> None:
        op = self.op
        read_1 = Signal()
        origin_1 = Signal(24, reset_less=True)
        offset_1 = Signal(24, reset_less=True)
        position_1 = Signal(24, reset_less=True)
        out_1 = [Signal(24, reset_less=True, name=f"out_{part}_1") for part in ("base", "offset", "x")]
        m.d.sync += [
            read_1.eq(self.store_valid | (self.issue & op.read)),
            origin_1.eq(Mux(self.store_valid, self.store_addr, op.base)),
            offset_1.eq(Mux(self.store_valid, 0, op.offset)),
            position_1.eq(Mux(self.store_valid, 0, op.position)),
            *(to.eq(part) for to, part in zip(out_1, (op.out_base, op.out_offset, op.out_x), strict=True)),
        ]
        out_addr_2 = Signal(24, reset_less=True)
        read_addr_2 = Signal(24, reset_less=True)
        read_en_2 = Signal()
        m.d.sync += [
            read_en_2.eq(read_1),
            read_addr_2.eq(origin_1 + offset_1 + position_1),
            out_addr_2.eq(out_1[0] + out_1[1] + out_1[2]),
        ]
        m.d.comb += [
            self.read_en.eq(read_en_2),
            self.read_addr.eq(read_addr_2),
            self.out_addr.eq(out_addr_2),
        ]

    def _elaborate_range(self, m: Module) -> None:
        op, lanes = self.op, self.arch.lanes
        masking_1 = Signal(Masking, reset_less=True)
        row_valid_1 = Signal(reset_less=True)
        limit_1 = Signal(7, reset_less=True)  # bytes of the access that are used at all
        missing_1 = Signal(signed(25), reset_less=True)  # bytes before the row starts, if positive
        remaining_1 = Signal(signed(26), reset_less=True)  # bytes up to the row's end, if positive
        m.d.sync += [
            masking_1.eq(op.masking),
            row_valid_1.eq(op.row_valid),
            limit_1.eq(Mux(op.last_access, self.current.last_bytes, lanes)),
            missing_1.eq(-op.position),
            remaining_1.eq(self.current.ifm_row_bytes - op.position),
        ]

        def clipped(value: Value, most: Value | int) -> Value:
            """value limited to 0 ... most."""
            return Mux(value < 0, 0, Mux(value > most, most, value))

        first_real = (missing_1 <= 0) & (remaining_1 > 0)
        low_2 = Signal(range(lanes + 1), reset_less=True)
        high_2 = Signal(range(lanes + 1), reset_less=True)
        with m.Switch(masking_1):
            with m.Case(Masking.BYTES):
                limit = Mux(limit_1 > lanes, lanes, limit_1)
                m.d.sync += [
                    low_2.eq(clipped(missing_1, lanes)),
                    high_2.eq(Mux(row_valid_1, clipped(remaining_1, Value.cast(limit).as_unsigned()), 0)),
                ]
            with m.Case(Masking.WHOLE):
                m.d.sync += [low_2.eq(0), high_2.eq(Mux(row_valid_1 & first_real, lanes, 0))]
            with m.Default():
                m.d.sync += [low_2.eq(0), high_2.eq(lanes)]
        m.d.comb += [self.low.eq(low_2), self.high.eq(high_2)]
