# SPDX-License-Identifier: Apache-2.0
"""The multiplier array: `lanes` output lanes of `lanes` int8 multipliers, an adder tree and an int32 accumulator each."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from esl_ref.arch import Arch
from rtl.timing import mac_latency

__all__ = ["MacArray"]


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
        return m
