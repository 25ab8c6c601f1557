# SPDX-License-Identifier: Apache-2.0
"""Kernel walk: CONV, DEPTHWISE_TAPS and POOL, group > oy > ox > ky > kx > chunk, one access per issue."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Signal

from esl_ref.program.fields import Opcode
from rtl.op import POSITION, WEIGHT_BITS, Masking
from rtl.walk import Loops, Step, Walk, track

__all__ = ["KernelWalk"]

PIXEL = ("group", "oy", "ox")
KERNEL = ("ky", "kx", "chunk")


class KernelWalk(Walk):
    """See `Walk` for the members."""

    def elaborate(self, platform: object) -> Module:
        m = Module()
        now, op, lanes = self.current, self.op, self.arch.lanes
        loops = Loops(m, self, {
            "group": lambda c: c.groups,
            "oy": lambda c: c.oy_count,
            "ox": lambda c: c.ox_count,
            "ky": lambda c: c.ky_count,
            "kx": lambda c: c.kx_count,
            "chunk": lambda c: c.chunks,
        })
        convolves = Signal()
        pools = Signal()
        with m.If(self.load):
            opcode = self.upcoming.opcode
            m.d.sync += [convolves.eq(opcode == Opcode.CONV), pools.eq(opcode == Opcode.POOL)]
        last = loops.all_last(*KERNEL)
        new_pixel = loops.any_step([*PIXEL])
        same_pixel = loops.any_step([*KERNEL])

        row = track(loops, "row", POSITION, lambda c: c.ifm_y0, {
            "oy": Step(now.oy_rows), "ky": Step(now.ky_rows),
        })
        first = Signal()
        with m.If(self.load | new_pixel):
            m.d.sync += first.eq(1)
        with m.Elif(self.advance):
            m.d.sync += first.eq(0)

        # DEPTHWISE_TAPS fires after every lanes-th tap and after the last.
        tap = Signal(range(lanes))
        full = Signal()  # tap == lanes - 1
        fired = Signal()
        fires = full | last
        with m.If(self.load | new_pixel):
            m.d.sync += [tap.eq(0), full.eq(0), fired.eq(0)]
        with m.Elif(same_pixel):
            m.d.sync += [tap.eq(tap + 1), full.eq(tap == lanes - 2), fired.eq(fired | fires)]

        # Weight words follow each other within a pixel and start again with the next.
        group_weight = Signal(WEIGHT_BITS)
        weight = Signal(WEIGHT_BITS)
        next_group_weight = (group_weight + now.wgt_step)[:WEIGHT_BITS]
        with m.If(self.load):
            m.d.sync += [group_weight.eq(self.upcoming.wgt_first), weight.eq(self.upcoming.wgt_first)]
        with m.Elif(loops.step["group"]):
            m.d.sync += [group_weight.eq(next_group_weight), weight.eq(next_group_weight)]
        with m.Elif(new_pixel):
            m.d.sync += weight.eq(group_weight)
        with m.Elif(same_pixel & (convolves | fires)):
            m.d.sync += weight.eq(weight + 1)

        m.d.comb += [
            op.read.eq(1),
            op.base.eq(track(loops, "ifm", 24, lambda c: c.ifm_base, {"group": Step(now.group_step)})),
            op.offset.eq(track(loops, "offset", 24, lambda c: c.ifm_start, {
                "oy": Step(now.oy_step, now.ifm_wrap), "ky": Step(now.ky_step, now.ifm_wrap),
            })),
            op.position.eq(track(loops, "position", POSITION, lambda c: c.ifm_x0, {
                "ox": Step(now.ox_step), "kx": Step(now.kx_step), "chunk": Step(Const(lanes)),
            })),
            op.row_valid.eq((row >= 0) & (row < now.ifm_rows)),
            op.last_access.eq(loops.last["chunk"]),
            op.masking.eq(Mux(convolves, Masking.BYTES, Masking.WHOLE)),
            op.array.eq(~pools & (convolves | fires)),
            op.use_window.eq(~convolves),
            op.weight.eq(weight),
            op.pool.eq(pools),
            op.first.eq(Mux(convolves | pools, first, ~fired)),
            op.last.eq(last),
            op.shift.eq(~convolves & ~pools),
            op.emit.eq(last),
            op.adds.eq(last & now.acc_in),
            op.out_base.eq(track(loops, "ofm", 24, lambda c: c.ofm_base, {"group": Step(Const(lanes))})),
            op.out_offset.eq(track(loops, "out_offset", 24, lambda c: c.ofm_start, {
                "oy": Step(now.ofm_row_step, now.ofm_wrap),
            })),
            op.out_x.eq(track(loops, "out_x", 24, lambda c: Const(0), {"ox": Step(now.ofm_pix_step)})),
            op.group_last.eq(loops.last["group"]),
            op.next_group.eq(loops.group_ends()),
            op.end.eq(loops.all_last()),
        ]  # fmt: skip
        return m
