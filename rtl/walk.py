# SPDX-License-Identifier: Apache-2.0
"""Parts of the address walkers: nested loops without bubbles, and addresses that follow them by addition alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from amaranth.hdl import Const, Module, Mux, Shape, ShapeLike, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from esl_ref.arch import Arch
from rtl.layouts import COMPUTE_LAYOUT
from rtl.op import op_layout

__all__ = ["Loops", "Step", "Walk", "add_modulo", "decremented", "track"]

View = data.View
Start = Callable[[View], Value]


class Walk(wiring.Component):
    """Base of the walkers: holds the loop state of one command, presents the op to issue, moves on with `advance`.

    Members
    -------
    upcoming : In, the next command, from which `load` initialises the state
    current : In, the command being walked (the upcoming one of the last `load`)
    load, advance : In(1)
        Loading wins, so the next command may be loaded in the cycle of this one's last advance.
    op : Out(op_layout(arch)), valid from the cycle after `load` up to the advance of the op with `end`
    """

    def __init__(self, arch: Arch):
        self.arch = arch
        super().__init__({
            "upcoming": In(COMPUTE_LAYOUT),
            "current": In(COMPUTE_LAYOUT),
            "load": In(1),
            "advance": In(1),
            "op": Out(op_layout(arch)),
        })

    def drive_results(self, m: Module, loops: Loops) -> None:
        """Where results go and what ends with them, for loops over `group`, output rows `oy` and columns `ox`."""
        now, op = self.current, self.op
        m.d.comb += [
            op.out_base.eq(track(loops, "ofm", 24, lambda c: c.ofm_base, {"group": Step(Const(self.arch.lanes))})),
            op.out_offset.eq(track(loops, "out_offset", 24, lambda c: c.ofm_start, {
                "oy": Step(now.ofm_row_step, now.ofm_wrap),
            })),
            op.out_x.eq(track(loops, "out_x", 24, lambda c: Const(0), {"ox": Step(now.ofm_pix_step)})),
            op.group_last.eq(loops.last["group"]),
            op.next_group.eq(loops.group_ends()),
            op.end.eq(loops.all_last()),
        ]  # fmt: skip


def decremented(count: Value) -> Value:
    """count - 1, of which 0 stays 0: a count of zero counts as one, so that no command can run for ever."""
    return (count - (count != 0))[: len(count)]


def add_modulo(value: Value, step: Value, modulus: Value) -> Value:
    """(value + step) mod modulus for value, step < modulus: one conditional subtraction."""
    total = value + step
    return Mux(total >= modulus, (total - modulus)[: len(value)], total[: len(value)])


class Loops:
    """Nested loops as down-counters, outermost first.

    counts    level -> iterations, as a function of the command
    exhausted level -> condition under which the level has just one iteration, whatever its count

    Whether a level is in its first or last iteration is kept in a register of its own, beside the counter: everything
    that issues depends on it in the same cycle, and a comparison would stand at the head of the longest path there is.
    """

    def __init__(
        self, m: Module, walk: Walk, counts: Mapping[str, Start], exhausted: Mapping[str, Value] | None = None
    ):
        self.m, self.walk = m, walk
        self.levels = list(counts)
        self.last: dict[str, Value] = {}
        self.at_start: dict[str, Value] = {}
        self.step: dict[str, Value] = {}
        """level -> this advance moves this level on (and restarts those inside)"""
        final = {level: Signal(name=f"{level}_final") for level in counts}
        for level in counts:
            self.at_start[level] = Signal(name=f"{level}_at_start")
            self.last[level] = final[level] | exhausted[level] if exhausted and level in exhausted else final[level]
        inner_last: Value = walk.advance
        for level in reversed(self.levels):
            self.step[level] = Signal(name=f"step_{level}")
            m.d.comb += self.step[level].eq(inner_last & ~self.last[level])
            inner_last = inner_last & self.last[level]
        for place, (level, count) in enumerate(counts.items()):
            self._count(level, count, self.any_step(self.levels[:place]), final[level])

    def _count(self, level: str, count: Start, restart: Value, final: Signal) -> None:
        """The counter of one level: iterations left after this one, and its flags."""
        m, walk, at_start = self.m, self.walk, self.at_start[level]
        left = Signal(len(Value.cast(count(walk.current))), name=f"{level}_left")
        single = Signal(name=f"{level}_single")

        def begin(iterations: Value, one: Value) -> None:
            m.d.sync += [left.eq(decremented(iterations)), final.eq(one), at_start.eq(1)]

        with m.If(walk.load):
            one = count(walk.upcoming) <= 1
            m.d.sync += single.eq(one)
            begin(count(walk.upcoming), one)
        with m.Elif(restart):
            begin(count(walk.current), single)
        with m.Elif(self.step[level]):
            m.d.sync += [left.eq(left - 1), final.eq(left == 1), at_start.eq(0)]

    def any_step(self, levels: list[str]) -> Value:
        """One of these levels moves on."""
        moves: Value = Value.cast(0)
        for level in levels:
            moves = moves | self.step[level]
        return moves

    def group_ends(self) -> Value:
        """The last op of a group that is not the last; groups are the outermost level."""
        group, *inner = self.levels
        return self.all_last(*inner) & ~self.last[group]

    def all_last(self, *levels: str) -> Value:
        """All of these levels (default: all there are) are in their last iteration."""
        result: Value = Value.cast(1)
        for level in levels or self.levels:
            result = result & self.last[level]
        return result


@dataclass(frozen=True)
class Step:
    """By how much an address moves when a level does; modulo `modulus` if given."""

    by: Value
    modulus: Value | None = None


def track(loops: Loops, name: str, shape: ShapeLike, start: Start, steps: Mapping[str, Step]) -> Signal:
    """Register that equals start + sum over levels of (iteration * step), kept by additions.

    Each level with a step holds the address its current iteration began with; moving a level on adds its step there
    and restarts all levels inside from the sum. The innermost such register is the address.
    """
    m, walk = loops.m, loops.walk
    registers = {level: Signal(Shape.cast(shape), name=f"{name}_{level}") for level in loops.levels if level in steps}
    began: Value = start(walk.current)  # where the innermost level outside the one looked at began
    with m.If(walk.load):
        m.d.sync += [register.eq(start(walk.upcoming)) for register in registers.values()]
    for place, level in enumerate(loops.levels):
        moved = began
        if level in steps:
            began = registers[level]
            moved = _moved(began, steps[level])
        inside = [registers[inner] for inner in loops.levels[place:] if inner in registers]
        with m.Elif(loops.step[level]):
            m.d.sync += [register.eq(moved) for register in inside]
    return list(registers.values())[-1]


def _moved(register: Signal, step: Step) -> Value:
    if step.modulus is None:
        return (register + step.by)[: len(register)]
    return add_modulo(register, step.by, step.modulus)
