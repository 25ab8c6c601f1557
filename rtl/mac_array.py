# SPDX-License-Identifier: Apache-2.0
"""The multiplier array: per output lane, `lanes` int8 multipliers, an adder tree and an int32 accumulator."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from esl_ref.arch import Arch
from rtl.delay import delay
from rtl.timing import TREE_STAGES, mac_latency
from rtl.vectors import elements, signed_elements

__all__ = ["MacArray"]


def _levels_per_stage(lanes: int) -> list[int]:
    """Adder levels before each register of the tree, the widest stages first: [2, 1, 1] for 16 lanes."""
    levels = (lanes - 1).bit_length()
    return [(levels + TREE_STAGES - 1 - stage) // TREE_STAGES for stage in range(TREE_STAGES)]


def _balanced_sum(terms: list[Value]) -> Value:
    if len(terms) == 1:
        return terms[0]
    half = len(terms) // 2
    return _balanced_sum(terms[:half]) + _balanced_sum(terms[half:])


class MacArray(wiring.Component):
    """acc[o] (+)= sum over i < lanes of x[i][o] * w[o][i], one weight word per cycle.

    Latency `mac_latency(arch)`, throughput one weight word per cycle. Idle cycles (`valid` low) may lie anywhere.

    Members
    -------
    valid : in, the operands of this cycle count
    first : in, they start a new sum
    last : in, they end it
    use_window : in, x[i][o] is byte `i * lanes + o` of `taps`, else byte `i` of `vector`
    vector : in, `lanes` bytes for all output lanes
    taps : in, tap-slot major: byte `i * lanes + o` is slot `i` of channel `o`
    weights : in, byte `o * lanes + i` is multiplier `i` of lane `o`
    out_valid : out, `acc` is the sum of a `last`
    acc : out, int32 of lane `o` in bits [32 o, 32 o + 32)
    """

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        self.LATENCY = mac_latency(arch)
        lanes = arch.lanes
        super().__init__({
            "valid": In(1), "first": In(1), "last": In(1), "use_window": In(1),
            "vector": In(8 * lanes), "taps": In(8 * lanes * lanes), "weights": In(8 * lanes * lanes),
            "out_valid": Out(1), "acc": Out(32 * lanes),
        })  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lanes = self.arch.lanes
        x, w = self._operands(m)
        sums = [self._tree(m, o, [x[i * lanes + o] for i in range(lanes)], w[o * lanes : (o + 1) * lanes])
                for o in range(lanes)]  # fmt: skip
        self._accumulate(m, sums)
        return m

    def _operands(self, m: Module) -> tuple[list[Value], list[Value]]:
        """Stage 1: operand registers, x slot major, w lane major. When idle they keep still, and so do the products."""
        lanes = self.arch.lanes
        x_1, w_1 = (Signal(8 * lanes * lanes, name=name, reset_less=True) for name in ("x_1", "w_1"))
        broadcast = Cat(byte.replicate(lanes) for byte in elements(self.vector, 8))
        with m.If(self.valid):
            m.d.sync += [x_1.eq(Mux(self.use_window, self.taps, broadcast)), w_1.eq(self.weights)]
        return signed_elements(x_1, 8), signed_elements(w_1, 8)

    def _tree(self, m: Module, lane: int, x: list[Value], w: list[Value]) -> Value:
        """Stages 2..5: the sum of one lane's products.

        A product of two int8 is in [-16256, 16384], within 16 bits; a sum of n = 2**k of them is in
        [-16256 n, 16384 n], within 16 + k bits.
        """
        terms: list[Value] = []
        for i, (x_i, w_i) in enumerate(zip(x, w, strict=True)):
            product = Signal(signed(16), name=f"product_{lane}_{i}", reset_less=True)
            m.d.sync += product.eq(x_i * w_i)
            terms.append(product)
        width = 16
        for stage, levels in enumerate(_levels_per_stage(self.arch.lanes), start=1):
            width += levels
            partial = []
            for i in range(0, len(terms), 1 << levels):
                register = Signal(signed(width), name=f"sum_{lane}_{stage}_{i >> levels}", reset_less=True)
                m.d.sync += register.eq(_balanced_sum(terms[i : i + (1 << levels)]))
                partial.append(register)
            terms = partial
        (total,) = terms
        return total

    def _accumulate(self, m: Module, sums: list[Value]) -> None:
        """Stage 6. That no accumulator leaves int32 is proved per layer when the Program is compiled."""
        before = self.LATENCY - 1
        valid = delay(m, self.valid, before, name="valid", valid=True)
        first = delay(m, self.first, before, name="first")
        last = delay(m, self.valid & self.last, before, name="last", valid=True)
        accumulators = []
        for lane, total in enumerate(sums):
            acc = Signal(signed(32), name=f"acc_{lane}", reset_less=True)
            with m.If(valid):
                m.d.sync += acc.eq(Mux(first, 0, acc) + total)
            accumulators.append(acc)
        m.d.sync += self.out_valid.eq(last)
        m.d.comb += self.acc.eq(Cat(accumulators))
