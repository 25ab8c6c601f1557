# SPDX-License-Identifier: Apache-2.0
"""Elementwise sum, difference and product of two operands, each rescaled on the way in."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from esl_ref.arch import Arch
from esl_ref.numerics import Profile
from rtl.delay import delay
from rtl.timing import ELTWISE_LATENCY
from rtl.vectors import signed_elements

__all__ = ["EltwiseUnit"]

# |q - zero| <= 255 and coefficients are below 2**31 in magnitude: products are below 255 * 2**31 < 2**39.
_PRODUCT_BITS = 40


@dataclass(frozen=True)
class _Control:
    """What all lanes share, each aligned with the stage named by its number."""

    half_2: Value
    half_3: Value
    half_less_one_3: Value
    shift_3: Value
    shift_4: Value


class EltwiseUnit(wiring.Component):
    """acc[o] = s(a) +- s(b), or (a - zero_a) * (b - zero_b); operands take turns at one multiplier per lane.

    Latency as given, counted from the second operand. At most one operand per cycle; the second operand of a result
    may come any time after its first, before the next first. Parameters are sampled with the operand they belong to.
    s is the rescaling of docs/program.md (ELTWISE) in the architecture's profile; |s(a)|, |s(b)| and acc must be int32,
    which TFLITE, SINGLE and EVEN grant by themselves: there |s| <= 255 * 2**20.

    Members
    -------
    valid_a, valid_b : in, `vector` is the first, the second operand; never both
    vector : in, int8 of lane `o` in bits [8 o, 8 o + 8)
    mul_a, zero_a, shift_a : in, sampled with `valid_a`: multiplier, zero point and right shift of the first operand
    mul_b, zero_b, shift_b : in, sampled with `valid_b`
    mul, sub : in, sampled with both operands: 1 multiplies; else 1 subtracts the second operand
    out_valid, acc : out, as `MacArray`
    """

    def __init__(self, arch: Arch, latency: int) -> None:
        if latency < ELTWISE_LATENCY:
            raise ValueError(f"latency must be at least {ELTWISE_LATENCY}, not {latency!r}")
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
        tflite = self.arch.profile is Profile.TFLITE
        pad = self.LATENCY - ELTWISE_LATENCY
        # Multiplier, zero point and shift of this cycle's operand, valid bits, and the operation.
        first, second = (delay(m, v, pad, name=n, valid=True) for v, n in ((self.valid_a, "a"), (self.valid_b, "b")))
        mine = Mux(self.valid_b, Cat(self.mul_b, self.zero_b, self.shift_b), Cat(self.mul_a, self.zero_a, self.shift_a))
        mine = delay(m, mine, pad, name="mine")
        mul_q, zero, shift = mine[:31], mine[31:39].as_signed(), mine[39:45]
        mul, sub = delay(m, self.mul, pad, name="mul"), delay(m, self.sub, pad, name="sub")
        vector = delay(m, self.vector, pad, name="vector")

        control = self._control(m, mul, shift)
        first_5 = delay(m, first, 5, name="first")
        second_5 = delay(m, second, 5, name="second", valid=True)
        mul_5, sub_5 = delay(m, mul, 5, name="op_mul"), delay(m, sub & ~mul, 5, name="op_sub")
        accumulators = []
        for lane, byte in enumerate(signed_elements(vector, 8)):
            products_2 = self._products(m, lane, byte, zero, mul_q, mul, first, second)
            rescale = self._rescale_tflite if tflite else self._rescale_once
            s_5 = rescale(m, lane, products_2, control)
            held = Signal(signed(len(s_5)), name=f"held_{lane}", reset_less=True)
            acc = Signal(signed(32), name=f"acc_{lane}", reset_less=True)
            with m.If(first_5):
                m.d.sync += held.eq(s_5)
            m.d.sync += acc.eq(Mux(mul_5, 0, held) + Mux(sub_5, ~s_5, s_5) + sub_5)
            accumulators.append(acc)
        m.d.sync += self.out_valid.eq(second_5)
        m.d.comb += self.acc.eq(Cat(accumulators))
        return m

    def _products(self, m: Module, lane: int, byte: Value, zero: Value, mul_q: Value, mul: Value,
                  first: Value, second: Value) -> tuple[Signal, Signal]:  # fmt: skip
        """Stages 1 and 2: difference to the zero point, and its products with both halves of the coefficient.

        The coefficient is the multiplier, or the other operand's difference times 2**11: rounding and shift by 11 give
        the plain product back. The product is low + high * 2**16.
        """
        difference = Signal(signed(9), name=f"difference_{lane}")
        m.d.comb += difference.eq(byte - zero)
        first_difference = Signal(signed(9), name=f"first_difference_{lane}", reset_less=True)
        with m.If(first):
            m.d.sync += first_difference.eq(difference)
        d_1 = Signal(signed(9), name=f"d_{lane}_1", reset_less=True)
        coefficient_1 = Signal(signed(32), name=f"coefficient_{lane}_1", reset_less=True)
        # 9 bits signed times 16 bits unsigned, and signed.
        low_2 = Signal(signed(25), name=f"low_{lane}_2", reset_less=True)
        high_2 = Signal(signed(25), name=f"high_{lane}_2", reset_less=True)
        with m.If(first | second):  # keep still when idle
            m.d.sync += [d_1.eq(difference), coefficient_1.eq(Mux(mul, first_difference << 11, mul_q))]
        m.d.sync += [low_2.eq(d_1 * coefficient_1[:16]), high_2.eq(d_1 * coefficient_1[16:].as_signed())]
        return low_2, high_2

    def _control(self, m: Module, mul: Value, shift: Value) -> _Control:
        """Shift amounts and rounding constants; when multiplying, those that undo the coefficient's 2**11."""
        profile = self.arch.profile
        total = Signal(6)
        if profile is Profile.TFLITE:
            # Values are at most 255 * 2**20 < 2**28 here, so every shift from 29 up gives 0: 31 stands for all above.
            m.d.comb += total.eq(Mux(mul, 0, Mux(shift[5], 31, shift)))
        elif profile in (Profile.SINGLE, Profile.EVEN):
            # Likewise for products below 2**39 and totals from 40 up.
            m.d.comb += total.eq(Mux(mul, 11, Mux(shift[5], 42, shift[:5] + 11)))
        else:
            m.d.comb += total.eq(Mux(mul, 11, shift))
        total_1 = delay(m, total, 1, name="total")
        half, half_less_one = Signal(42, name="half_2"), Signal(42, name="half_less_one_2")
        m.d.sync += [half.eq((1 << total_1) >> 1), half_less_one.eq(Mux(total_1 == 0, 0, ((1 << total_1) >> 1) - 1))]
        return _Control(
            half_2=half,
            half_3=delay(m, half, 1, name="half"),
            half_less_one_3=delay(m, half_less_one, 1, name="half_less_one"),
            shift_3=delay(m, total_1, 2, name="total_2"),
            shift_4=delay(m, total_1, 3, name="total_3"),
        )

    def _rescale_tflite(self, m: Module, lane: int, products_2: tuple[Signal, Signal], control: _Control) -> Value:
        """Stages 3..5: rdpot(srdhm(d << 20, mul), shift).

        srdhm(d << 20, mul) = (d * mul * 2**20 + 2**30) >> 31 = (d * mul + 2**10) >> 11, and it never saturates.
        rdpot(x, n), ties away from zero, is (x + 2**(n - 1) - (x < 0)) >> n.
        """
        low_2, high_2 = products_2
        rounded_3 = Signal(signed(_PRODUCT_BITS), name=f"rounded_{lane}_3", reset_less=True)
        high_3 = rounded_3[11:].as_signed()
        nudged_4 = Signal(signed(32), name=f"nudged_{lane}_4", reset_less=True)
        s_5 = Signal(signed(29), name=f"s_{lane}_5", reset_less=True)
        m.d.sync += [
            # The constant lies in bits that high * 2**16 leaves empty.
            rounded_3.eq(low_2 + Cat(Const(1 << 10, 16), high_2).as_signed()),
            nudged_4.eq(high_3 + Mux(high_3 < 0, control.half_less_one_3[:31], control.half_3[:31])),
            s_5.eq(nudged_4 >> control.shift_4[:5]),
        ]
        return s_5

    def _rescale_once(self, m: Module, lane: int, products_2: tuple[Signal, Signal], control: _Control) -> Value:
        """Stages 3..5: (d * mul + half) >> total, the shift in two halves; half is 0 in the profiles that floor."""
        low_2, high_2 = products_2
        single = self.arch.profile in (Profile.SINGLE, Profile.EVEN)
        # half <= 2**41 and |product| < 2**39: the sum is in 43 bits.
        biased_3 = Signal(signed(43 if single else _PRODUCT_BITS), name=f"biased_{lane}_3", reset_less=True)
        coarse_4 = Signal(signed(len(biased_3)), name=f"coarse_{lane}_4", reset_less=True)
        s_5 = Signal(signed(32), name=f"s_{lane}_5", reset_less=True)
        m.d.sync += [
            biased_3.eq(low_2 + (high_2 << 16) + (control.half_2 if single else Const(0, 1))),
            coarse_4.eq(biased_3 >> Cat(Const(0, 3), control.shift_3[3:])),
            s_5.eq(coarse_4 >> control.shift_4[:3]),
        ]
        return s_5
