# SPDX-License-Identifier: Apache-2.0
"""One lane of the post-processor: int32 accumulator to the output scale, in the architecture's rounding profile.

`esl_ref.numerics.requantise` and docs/program.md (Post-processor) define the values; the tests compare with both.

    stage  TFLITE                              SINGLE, EVEN, MUL_ADD_SHIFT, POW2
    1      x = acc + bias                      the same; MUL_ADD_SHIFT: x = acc
    2      x << max(shift, 0)                  four partial products
    3      four partial products               sum of the middle two
    4      sum of the middle two, round        product
    5      product, high half                  + constant
    6      saturate, + half of 2**right        >> total, multiples of 8
    7      >> right                            >> total, rest
    8      saturate to 10 bits                 the same
    9      sign of AVERAGE                     the same
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from esl_ref.numerics import Profile
from rtl.delay import delay
from rtl.timing import REQUANTISE_LATENCY

__all__ = ["OUT_BITS", "Requantiser"]

OUT_BITS = 10
"""Of the saturated result. v >= 511 gives v + zero_out >= 383 and v <= -511 gives v + zero_out <= -384 for any int8
zero point, beyond every int8 clamp: the clamp to [low, high] cannot tell v from what it was saturated to."""


class Requantiser(wiring.Component):
    """v = requantise(acc + bias, multiplier, shift), or the quotient of rounding AVERAGE, saturated to OUT_BITS bits.

    Free-flowing, latency `REQUANTISE_LATENCY`, one value per cycle. Legal values: acc + bias (AVERAGE: |acc| + bias) is
    int32, for TFLITE and AVERAGE also when shifted left by `shift`. -31 <= shift <= 30 for TFLITE, SINGLE, EVEN and
    AVERAGE; -31 <= shift <= 0 for MUL_ADD_SHIFT and POW2 (whose multiplier is 1).

    MUL_ADD_SHIFT is floor((acc * multiplier + bias) / 2**-shift): the record's bias is what NE16 and Deeploy add to the
    product, the layer's bias times the multiplier with the rounding constant.

    Members
    -------
    acc, bias, multiplier, shift : in, sampled together
    average : in, rounding AVERAGE instead of the profile's
    once : in, rounding ONCE instead of TFLITE's two; other profiles have no use for it
    out : out, saturated result
    """

    LATENCY = REQUANTISE_LATENCY

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        super().__init__({
            "acc": In(signed(32)), "bias": In(signed(32)), "multiplier": In(signed(32)), "shift": In(signed(8)),
            "average": In(1), "once": In(1), "out": Out(signed(OUT_BITS)),
        })  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        m = Module()
        flip = Signal()
        m.d.comb += flip.eq(self.average & (self.acc < 0))
        x_1 = self._add_bias(m, flip)
        scaled_7 = self._round_twice(m, x_1) if self.profile is Profile.TFLITE else self._round_once(m, x_1)

        saturated_8 = Signal(signed(OUT_BITS), reset_less=True)
        fits = scaled_7[OUT_BITS - 1 :].as_signed()  # all sign bits
        sign = scaled_7[-1]
        limit = Cat((~sign).replicate(OUT_BITS - 1), sign).as_signed()
        m.d.sync += saturated_8.eq(Mux((fits == 0) | (fits == -1), scaled_7, limit))
        # What AVERAGE negates is at least 0, so at most 511.
        out_9 = Signal(signed(OUT_BITS), reset_less=True)
        m.d.sync += out_9.eq(Mux(delay(m, flip, 8, name="flip"), -saturated_8, saturated_8))
        m.d.comb += self.out.eq(out_9)
        return m

    def _add_bias(self, m: Module, flip: Value) -> Value:
        """Stage 1: acc + bias; for AVERAGE |acc| + bias, as (acc ^ flip) + bias + flip."""
        x_1 = Signal(signed(32), reset_less=True)
        bias = Mux(self.average, self.bias, 0) if self.profile is Profile.MUL_ADD_SHIFT else self.bias
        m.d.sync += x_1.eq(Mux(flip, ~self.acc, self.acc) + bias + flip)
        return x_1

    def _product(self, m: Module, x: Value, multiplier: Value, rounding: Value) -> Value:
        """x * multiplier + rounding * 2**30, three stages after x; `rounding` comes one stage after x.

        x * m = (xh * mh << 32) + (xh * ml + xl * mh << 16) + xl * ml with xl, ml unsigned and xh, mh signed 16 bits.
        The outer two do not overlap. Each of the middle two is in [-2**15 (2**16 - 1), (2**15 - 1)(2**16 - 1)]: 33 bits
        hold their sum, with the constant too.
        """
        (xl, xh), (ml, mh) = ((v[:16], v[16:].as_signed()) for v in (x, multiplier))
        ll, hh = Signal(32, reset_less=True), Signal(signed(32), reset_less=True)
        hl, lh = Signal(signed(32), reset_less=True), Signal(signed(32), reset_less=True)
        m.d.sync += [ll.eq(xl * ml), hl.eq(xh * ml), lh.eq(xl * mh), hh.eq(xh * mh)]
        outer, middle = Signal(64, reset_less=True), Signal(signed(33), reset_less=True)
        m.d.sync += [outer.eq(Cat(ll, hh)), middle.eq(hl + lh + (rounding << 14))]
        product = Signal(signed(64), reset_less=True)
        m.d.sync += product.eq(Cat(outer[:16], (outer[16:].as_signed() + middle)[:48]))
        return product

    def _round_twice(self, m: Module, x_1: Value) -> Value:
        """TFLITE: srdhm(x << left, multiplier), then rdpot by right. AVERAGE floors both times, ONCE the first time if
        there is a second.

        rdpot(h, n), ties away from zero, is (h + 2**(n - 1) - (h < 0)) >> n for n > 0. One rounding, half up, by 31 + n
        is ((p >> 31) + 2**(n - 1)) >> n: what the first shift cuts off is less than the last bit of the half.
        """
        average_1, shift_1 = delay(m, self.average, 1, name="average"), delay(m, self.shift, 1, name="shift")
        once_2 = delay(m, self.once, 2, name="once")
        x_2, right_2 = Signal(signed(32), reset_less=True), Signal(5, reset_less=True)
        m.d.sync += [x_2.eq(x_1 << Mux(shift_1 < 0, 0, shift_1[:5])), right_2.eq(Mux(shift_1 < 0, -shift_1, 0))]
        multiplier_2 = delay(m, self.multiplier, 2, name="multiplier")
        nearest_3 = delay(m, ~average_1, 2, name="nearest")
        once_3 = delay(m, once_2 & (right_2 != 0), 1, name="once_2")
        product_5 = self._product(m, x_2, multiplier_2, nearest_3 & ~once_3)

        right_4 = delay(m, right_2, 2, name="right")
        half_5, half_less_one_5 = Signal(31, reset_less=True), Signal(31, reset_less=True)
        nudging = delay(m, nearest_3, 1, name="nudging") & (right_4 != 0)
        half, once_4 = (1 << right_4) >> 1, delay(m, once_3, 1, name="once_3")
        m.d.sync += [half_5.eq(Mux(nudging, half, 0)), half_less_one_5.eq(Mux(nudging, half - ~once_4, 0))]

        # The high half is int32, except 2**31 from MIN * MIN, which saturates. With half, below 2**31 + 2**30: 33 bits.
        high_5 = product_5[31:].as_signed()
        saturated_5 = Mux(~high_5[32] & high_5[31], (1 << 31) - 1, high_5)
        nudged_6, scaled_7 = Signal(signed(33), reset_less=True), Signal(signed(33), reset_less=True)
        m.d.sync += nudged_6.eq(saturated_5 + Mux(high_5[32], half_less_one_5, half_5))
        m.d.sync += scaled_7.eq(nudged_6 >> delay(m, right_4, 2, name="right_4"))
        return scaled_7

    def _round_once(self, m: Module, x_1: Value) -> Value:
        """SINGLE, EVEN, MUL_ADD_SHIFT, POW2: (x * multiplier + constant) >> total.

        total is 31 - shift for SINGLE, EVEN and AVERAGE, else -shift: 0..62. The constant is half of 2**total, the bias
        for MUL_ADD_SHIFT, 0 for AVERAGE. |product| <= 2**62 and constant <= 2**61: 64 bits.
        """
        average_1, shift_1 = delay(m, self.average, 1, name="average"), delay(m, self.shift, 1, name="shift")
        product_4 = self._product(m, x_1, delay(m, self.multiplier, 1, name="multiplier"), Const(0, 1))

        total_2 = Signal(6, reset_less=True)
        scaled = self.profile in (Profile.SINGLE, Profile.EVEN)
        m.d.sync += total_2.eq((31 if scaled else Mux(average_1, 31, 0)) - shift_1)
        total_3, average_3 = delay(m, total_2, 1, name="total_2"), delay(m, average_1, 2, name="average_1")
        constant_4 = Signal(signed(63), reset_less=True)
        constant = delay(m, self.bias, 3, name="bias") if self.profile is Profile.MUL_ADD_SHIFT else (1 << total_3) >> 1
        m.d.sync += constant_4.eq(Mux(average_3, 0, constant))

        names = ("biased", "coarse", "scaled")
        biased_5, coarse_6, scaled_7 = (Signal(signed(64), name=name, reset_less=True) for name in names)
        total_5 = delay(m, total_3, 2, name="total_3")
        eights_5, rest_6 = Cat(Const(0, 3), total_5[3:]), delay(m, total_5[:3], 1, name="total_5")
        m.d.sync += [biased_5.eq(product_4 + constant_4), coarse_6.eq(biased_5 >> eights_5)]
        rounded_6 = coarse_6 >> rest_6
        if self.profile is Profile.EVEN:
            # Nothing but zeros cut off, half of 2**total being in it already: a tie, rounded up. Even is the bit below.
            clean_6 = Signal(reset_less=True)
            cut_5 = biased_5 & ((1 << eights_5) - 1)
            m.d.sync += clean_6.eq(~delay(m, average_3, 2, name="average_3") & (cut_5 == 0))
            tie_6 = clean_6 & ((coarse_6[:8] & ((1 << rest_6) - 1)) == 0)
            rounded_6 = Cat(rounded_6[0] & ~tie_6, rounded_6[1:]).as_signed()
        m.d.sync += scaled_7.eq(rounded_6)
        return scaled_7
