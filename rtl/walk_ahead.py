# SPDX-License-Identifier: Apache-2.0
"""Walks commands ahead of their issue, so that what issues is decided on registers and not on the ends of loops."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.data import View
from amaranth.lib.wiring import In, Out

from esl_ref.arch import Arch
from esl_ref.program.fields import Opcode
from rtl.layouts import COMPUTE_LAYOUT
from rtl.op import op_layout
from rtl.register_fifo import RegisterFifo
from rtl.walk import Walk
from rtl.walk_kernel import KernelWalk
from rtl.walk_operand import OperandWalk
from rtl.walk_window import WindowWalk

__all__ = ["OPS_AHEAD", "WalkAhead"]


OPS_AHEAD = 3
"""Ops walked and not issued. Two of them in flow leave one in reserve for the cycle in which the walkers change over to
the next command; it is made up for by each command's record words, which issue without an op."""


class WalkAhead(wiring.Component):
    """The ops of one command after the other, through a FIFO: with only a register the walkers would have to move on
    in the cycle in which its op issues, and the ends of their loops would hang on the decision to issue.

    Members
    -------
    upcoming : In, the next command
    load : In(1), walk it; only while `ready`. Its first op is there two cycles later
    ready : Out(1), all ops of the command before have left the walkers
    valid, op : Out, the next op to issue: there whenever a command is active that `Issuer` started
    take : In(1), it issues in this cycle
    """

    def __init__(self, arch: Arch):
        self.arch = arch
        super().__init__({
            "upcoming": In(COMPUTE_LAYOUT),
            "load": In(1),
            "ready": Out(1),
            "valid": Out(1),
            "op": Out(op_layout(arch)),
            "take": In(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        walking, advance = Signal(), Signal()
        m.submodules.ops = ops = RegisterFifo(op_layout(self.arch), OPS_AHEAD)
        self._walk(m, advance, ops.push.payload)
        m.d.comb += [
            self.ready.eq(~walking),
            advance.eq(walking & ops.push.ready),
            ops.push.valid.eq(walking),
            self.valid.eq(ops.pop.valid),
            self.op.eq(ops.pop.payload),
            ops.pop.ready.eq(self.take),
        ]
        with m.If(self.load):
            m.d.sync += walking.eq(1)
        with m.Elif(advance & ops.push.payload.end):
            m.d.sync += walking.eq(0)
        return m

    def _walk(self, m: Module, advance: Signal, walked: View) -> None:
        """Walkers by kind of command, and the op of the one that walks."""
        walks: list[Walk] = [KernelWalk(self.arch), WindowWalk(self.arch), OperandWalk(self.arch)]
        opcodes = {1: Opcode.DEPTHWISE_WINDOW, 2: Opcode.ELTWISE}  # of those walks; the first has all others
        kinds = Signal(len(walks))  # one bit each: which of them walks
        current = Signal(COMPUTE_LAYOUT, reset_less=True)
        with m.If(self.load):
            m.d.sync += current.eq(self.upcoming)
            with m.Switch(self.upcoming.opcode):
                for number, opcode in opcodes.items():
                    with m.Case(opcode):
                        m.d.sync += kinds.eq(1 << number)
                with m.Default():
                    m.d.sync += kinds.eq(1)
        for number, walk in enumerate(walks):
            m.submodules[f"walk_{number}"] = walk
            m.d.comb += [
                walk.upcoming.eq(self.upcoming),
                walk.current.eq(current),
                walk.load.eq(self.load),
                walk.advance.eq(advance & kinds[number]),
            ]
        with m.Switch(kinds):
            for number, walk in enumerate(walks[1:], start=1):
                with m.Case(1 << number):
                    m.d.comb += walked.eq(walk.op)
            with m.Default():
                m.d.comb += walked.eq(walks[0].op)
