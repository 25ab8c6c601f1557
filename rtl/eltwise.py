# SPDX-License-Identifier: Apache-2.0
"""Elementwise sum, difference and product of two operands, each rescaled on the way in."""

from __future__ import annotations

from amaranth.hdl import Module, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from esl_ref.arch import Arch

__all__ = ["EltwiseUnit"]


class EltwiseUnit(wiring.Component):
    """acc[o] = s(a) +- s(b), or (a - zero_a) * (b - zero_b); operands take turns at one multiplier per lane.

    Latency as given, counted from the second operand. At most one operand per cycle; the second operand of a result may
    come any time after its first, before the next first. The parameters are sampled together with the operand they belong to.

    Members
    -------
    valid_a, valid_b : in, `vector` is the first, the second operand; never both
    vector : in, int8 of lane `o` in bits [8 o, 8 o + 8)
    mul_a, zero_a, shift_a : in, sampled with `valid_a`: multiplier, zero point and right shift of the first operand
    mul_b, zero_b, shift_b : in, sampled with `valid_b`
    mul, sub : in, sampled with `valid_b`: 1 multiplies; 1 subtracts the second operand
    out_valid, acc : out, as `MacArray`
    """

    def __init__(self, arch: Arch, latency: int) -> None:
        self.arch = arch
        self.LATENCY = latency
        super().__init__({
            "valid_a": In(1), "valid_b": In(1), "vector": In(8 * arch.lanes),
            "mul_a": In(31), "mul_b": In(31), "zero_a": In(signed(8)), "zero_b": In(signed(8)),
            "shift_a": In(6), "shift_b": In(6), "mul": In(1), "sub": In(1),
            "out_valid": Out(1), "acc": Out(32 * arch.lanes),
        })  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        m = Module()
        return m
