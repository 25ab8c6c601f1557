# SPDX-License-Identifier: Apache-2.0
"""Pooling: the sum or the largest of the bytes of each lane."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from esl_ref.arch import Arch

__all__ = ["PoolUnit"]


class PoolUnit(wiring.Component):
    """acc[o] = sum or maximum over the taps of byte `o` of `vector`; one tap per cycle, latency as given.

    Members
    -------
    valid, first, last : in, as `MacArray`: a tap, the first, the last of a result
    sum : in, 1 adds the taps, 0 takes the largest (stable from `first` to `last`)
    vector : in, int8 of lane `o` in bits [8 o, 8 o + 8)
    out_valid, acc : out, as `MacArray`
    """

    def __init__(self, arch: Arch, latency: int) -> None:
        self.arch = arch
        self.LATENCY = latency
        super().__init__({
            "valid": In(1), "first": In(1), "last": In(1), "sum": In(1), "vector": In(8 * arch.lanes),
            "out_valid": Out(1), "acc": Out(32 * arch.lanes),
        })  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        m = Module()
        return m
