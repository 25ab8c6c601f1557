# SPDX-License-Identifier: Apache-2.0
"""From accumulators to bytes in SRAM: bias, requantise, zero point, clamp, table, in slices of `post_lanes`."""

from __future__ import annotations

from amaranth.hdl import Module, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from esl_ref.arch import Arch
from rtl.timing import post_latency

__all__ = ["PostProcessor"]


class PostProcessor(wiring.Component):
    """One result vector every `arch.post_interval` cycles; slice `k` (lanes k * post_lanes ...) is written
    `post_latency(arch) + k` cycles after `valid`.

    Requantisation records are loaded into shadow registers by the header port and taken over with the first result of a
    group (`new_group`); the next group's may be loaded from `header_gap(arch)` cycles after the last operands of that result
    went into the array.

    Members
    -------
    valid : in, a result; the other inputs of this list are sampled with it
    acc : in, int32 of lane `o` in bits [32 o, 32 o + 32)
    new_group : in, first result of a group: from here on use the records loaded last
    out_addr : in, SRAM byte address of lane 0
    out_lanes : in, lanes to write, 1..lanes
    zero_out, low, high : in, output zero point and clamp
    rounding : in, `esl_ref.program.fields.Rounding`
    table_en : in, pass the bytes through the table
    last : in, last result of a command
    header_we, header_index, header : in, write word `header_index` of the group's `header_words` record words
    table_we, table_addr, table_data : in, write entries `table_addr ... + axi_bytes - 1`; `table_addr` is a multiple of axi_bytes
    write_valid, write_addr, write_data, write_lanes : out, bytes [0, write_lanes) of `write_data` go to `write_addr ...`
    done : out, pulse in the cycle of the last slice of a `last` result, whether or not that slice writes
    """

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        self.LATENCY = post_latency(arch)
        lanes, post_lanes = arch.lanes, arch.post_lanes
        super().__init__({
            "valid": In(1), "acc": In(32 * lanes), "new_group": In(1), "out_addr": In(24), "out_lanes": In(7),
            "zero_out": In(signed(8)), "low": In(signed(8)), "high": In(signed(8)), "rounding": In(2), "table_en": In(1),
            "last": In(1),
            "header_we": In(1), "header_index": In(bits_for(arch.header_words - 1)), "header": In(8 * lanes * lanes),
            "table_we": In(1), "table_addr": In(8), "table_data": In(8 * arch.axi_bytes),
            "write_valid": Out(1), "write_addr": Out(24), "write_data": Out(8 * post_lanes),
            "write_lanes": Out(bits_for(post_lanes)), "done": Out(1),
        })  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        m = Module()
        return m
