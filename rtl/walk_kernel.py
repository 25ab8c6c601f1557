# SPDX-License-Identifier: Apache-2.0
"""Kernel walk: CONV, DEPTHWISE_TAPS and POOL, group > oy > ox > ky > kx > chunk, one access per issue."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Signal, Value

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
        first = self._first_of_pixel(m, new_pixel)
        fires, fired = self._taps(m, new_pixel, same_pixel, last)
        weight = self._weight(m, loops, new_pixel, same_pixel & (convolves | fires))
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
        ]  # fmt: skip
        self.drive_results(m, loops)
        return m

    def _first_of_pixel(self, m: Module, new_pixel: Value) -> Signal:
        """Whether nothing of this pixel has been walked yet."""
        first = Signal()
        with m.If(self.load | new_pixel):
            m.d.sync += first.eq(1)
        with m.Elif(self.advance):
            m.d.sync += first.eq(0)
        return first

    def _taps(self, m: Module, new_pixel: Value, same_pixel: Value, last: Value) -> tuple[Value, Signal]:
        """DEPTHWISE_TAPS fires after every lanes-th tap and after the last: (fires now, has fired for this pixel)."""
        lanes = self.arch.lanes
        tap = Signal(range(lanes))
        full = Signal()  # tap == lanes - 1
        fired = Signal()
        fires = full | last
        with m.If(self.load | new_pixel):
            m.d.sync += [tap.eq(0), full.eq(0), fired.eq(0)]
        with m.Elif(same_pixel):
            m.d.sync += [tap.eq(tap + 1), full.eq(tap == lanes - 2), fired.eq(fired | fires)]
        return fires, fired

    def _weight(self, m: Module, loops: Loops, new_pixel: Value, following: Value) -> Signal:
        """The weight word: the next one where `following`, the group's first again with each new pixel."""
        group_weight = Signal(WEIGHT_BITS)
        weight = Signal(WEIGHT_BITS)
        next_group_weight = (group_weight + self.current.wgt_step)[:WEIGHT_BITS]
        with m.If(self.load):
            m.d.sync += [group_weight.eq(self.upcoming.wgt_first), weight.eq(self.upcoming.wgt_first)]
        with m.Elif(loops.step["group"]):
            m.d.sync += [group_weight.eq(next_group_weight), weight.eq(next_group_weight)]
        with m.Elif(new_pixel):
            m.d.sync += weight.eq(group_weight)
        with m.Elif(following):
            m.d.sync += weight.eq(weight + 1)
        return weight
