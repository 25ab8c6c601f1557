# SPDX-License-Identifier: Apache-2.0
"""Operand walk: ELTWISE, group > oy > ox > first and second operand."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Value

from rtl.op import POSITION, Masking
from rtl.walk import Loops, Step, Walk, track

__all__ = ["OperandWalk"]


class OperandWalk(Walk):
    """See `Walk` for the members."""

    def elaborate(self, platform: object) -> Module:
        m = Module()
        now, op = self.current, self.op
        loops = Loops(m, self, {
            "group": lambda c: c.groups,
            "oy": lambda c: c.oy_count,
            "ox": lambda c: c.ox_count,
            "operand": lambda c: Const(2),
        })
        second = loops.last["operand"]

        def operand(name: str, prefix: str, row_step: Value, pix_step: Value, group_step: Value):
            base = track(loops, f"{name}_base", 24, lambda c: c[f"{prefix}_base"], {"group": Step(group_step)})
            offset = track(loops, f"{name}_offset", 24, lambda c: c[f"{prefix}_start"], {
                "oy": Step(row_step, now[f"{prefix}_wrap"]),
            })  # fmt: skip
            return base, offset, track(loops, f"{name}_x", POSITION, lambda c: Const(0), {"ox": Step(pix_step)})

        a = operand("a", "ifm", now.oy_step, now.ox_step, now.group_step)
        b = operand("b", "ifm2", now.ifm2_row_step, now.ifm2_pix_step, now.ifm2_group_step)
        m.d.comb += [
            op.read.eq(1),
            op.base.eq(Mux(second, b[0], a[0])),
            op.offset.eq(Mux(second, b[1], a[1])),
            op.position.eq(Mux(second, b[2], a[2])),
            op.masking.eq(Masking.NONE),
            op.operand_a.eq(~second),
            op.operand_b.eq(second),
            op.emit.eq(second),
            op.adds.eq(second & now.acc_in),
        ]  # fmt: skip
        self.drive_results(m, loops)
        return m
