# SPDX-License-Identifier: Apache-2.0
"""Window walk: DEPTHWISE_WINDOW, group > pass (row visited) > column > chunk; a visit per issue, more when it fires."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Signal, Value

from rtl.op import POSITION, WEIGHT_BITS, Masking
from rtl.walk import Loops, Start, Step, Walk, decremented, track

__all__ = ["WindowWalk"]

_COLUMN_BITS = 15
"""One group's columns beyond the last line buffer column: seen there before anything wraps."""


class WindowWalk(Walk):
    """See `Walk` for the members. A visit that does not fire is one issue, one that does `chunks` issues."""

    def elaborate(self, platform: object) -> Module:
        m = Module()
        now, op, lanes = self.current, self.op, self.arch.lanes
        fires = Signal()
        loops = Loops(m, self, {
            "group": lambda c: c.groups,
            "visited_row": lambda c: c.passes,
            "visited_column": lambda c: c.cols,
            "chunk": lambda c: c.chunks,
        }, exhausted={"chunk": ~fires})
        row_fires = self._countdown(m, loops, "row", "visited_row", lambda c: c.fire_row, now.oy_rows)
        column_fires = self._countdown(m, loops, "column", "visited_column", lambda c: c.fire_col, now.col_stride)
        m.d.comb += fires.eq(row_fires & column_fires)

        row = track(loops, "row", POSITION, lambda c: c.ifm_y0, {"visited_row": Step(Const(1))})
        row_valid = Signal()
        m.d.comb += row_valid.eq((row >= 0) & (row < now.ifm_rows))
        older_valid = Signal(self.arch.window_rows - 1)
        with m.If(self.load):
            m.d.sync += older_valid.eq(self.upcoming.older)
        with m.Elif(loops.step["group"]):
            m.d.sync += older_valid.eq(now.older)
        with m.Elif(loops.step["visited_row"]):
            m.d.sync += older_valid.eq((older_valid << 1) | row_valid)

        visit = ~fires | loops.at_start["chunk"]
        chunk = track(loops, "chunk", WEIGHT_BITS, lambda c: Const(0), {"chunk": Step(Const(1))})
        weight = track(loops, "weight", WEIGHT_BITS, lambda c: c.wgt_first, {
            "group": Step(now.wgt_step), "chunk": Step(Const(1)),
        })  # fmt: skip
        # Line buffer column: groups share theirs, unless they are kept for a later command.
        columns = track(loops, "column", _COLUMN_BITS, lambda c: c.line_base, {
            "group": Step(Mux(now.line_keep, now.cols, 0)), "visited_column": Step(Const(1)),
        })  # fmt: skip
        out_step = Step(Mux(fires, now.ofm_pix_step, 0))
        row_step = Step(Mux(row_fires, now.ofm_row_step, 0), now.ofm_wrap)
        m.d.comb += [
            op.read.eq(visit),
            op.base.eq(track(loops, "ifm", 24, lambda c: c.ifm_base, {"group": Step(now.group_step)})),
            op.offset.eq(track(loops, "offset", 24, lambda c: c.ifm_start, {
                "visited_row": Step(now.ky_step, now.ifm_wrap),
            })),
            op.position.eq(track(loops, "position", POSITION, lambda c: c.ifm_x0, {
                "visited_column": Step(now.kx_step),
            })),
            op.row_valid.eq(row_valid),
            op.masking.eq(Masking.WHOLE),
            op.array.eq(fires),
            op.use_window.eq(1),
            op.weight.eq(weight),
            op.first.eq(visit),
            op.last.eq(loops.last["chunk"]),
            op.shift.eq(visit),
            op.column.eq(columns),
            op.column_outside.eq(now.column & visit & (columns >= self.arch.line_depth)),
            op.row_start.eq(loops.at_start["visited_column"]),
            op.older_valid.eq(older_valid),
            op.chunk.eq(chunk),
            op.emit.eq(fires & loops.last["chunk"]),
            op.adds.eq(fires & loops.last["chunk"] & now.acc_in),
            op.out_base.eq(track(loops, "ofm", 24, lambda c: c.ofm_base, {"group": Step(Const(lanes))})),
            op.out_offset.eq(track(loops, "out_offset", 24, lambda c: c.ofm_start, {"visited_row": row_step})),
            op.out_x.eq(track(loops, "out_x", 24, lambda c: Const(0), {"visited_column": out_step})),
            op.group_last.eq(loops.last["group"]),
            op.next_group.eq(loops.group_ends()),
            op.end.eq(loops.all_last()),
        ]  # fmt: skip
        return m

    def _countdown(self, m: Module, loops: Loops, name: str, level: str, first: Start, stride: Value) -> Value:
        """High in iteration `first` of the level and every `stride` after it, in each iteration of the outer levels."""
        wait = Signal(8, name=f"{name}_wait")
        now = Signal(name=f"{name}_fires")  # wait == 0
        outer = loops.levels[: loops.levels.index(level)]

        def begin(count: Value) -> None:
            m.d.sync += [wait.eq(count), now.eq(count == 0)]

        with m.If(self.load):
            begin(first(self.upcoming))
        with m.Elif(loops.any_step(outer)):
            begin(first(self.current))
        with m.Elif(loops.step[level]):
            m.d.sync += [
                wait.eq(Mux(now, decremented(stride), wait - 1)),
                now.eq(Mux(now, stride <= 1, wait == 1)),
            ]
        return now
