# SPDX-License-Identifier: Apache-2.0
"""The issuer: takes commands in order, waits for what they depend on, issues at most one op per cycle."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from esl_ref.arch import Arch
from esl_ref.program.fields import ErrorCode, Opcode
from rtl.delay import hold
from rtl.layouts import COMPUTE_LAYOUT, command_payload
from rtl.op import WEIGHT_BITS, Cause, op_layout
from rtl.register_fifo import RegisterFifo
from rtl.timing import SLOT_GAP, header_gap
from rtl.walk_ahead import WalkAhead

__all__ = ["IN_FLIGHT", "Issuer"]

IN_FLIGHT = 8
"""Commands started and not yet complete. Only commands of a handful of issues each ever have to wait for this."""

_TAGS = data.StructLayout({"index": 32, "tag": 16, "stamp": 1})



class Issuer(wiring.Component):
    """One op, one record word or nothing per cycle; `cause` says which and why.

    A command is held in a decode register while its predecessor issues; it needs 2 cycles there (checks, waits), then
    may issue its first op in the cycle after its predecessor's last.

    The record words of a group may be issued any time from `header_gap` cycles after the previous group's first result
    up to the group's own first result, or the last op of one without: so a group of more issues than that gap loses
    only the record words' own cycles.

    Members
    -------
    command : In, stream of compute commands
    loads_done, stores_done, computes_done : In(16), completed commands so far
    port_taken : In(1), a store read uses the activation SRAM in this cycle
    completed : In(1), the oldest command in flight is complete
    oldest_index, oldest_tag, oldest_stamp : Out, which one that is
    issue : Out(1), `op` of command `current` is issued
    op, current : Out
    new_group : Out(1), it completes the first result of a group
    header, header_index : Out, a record word is read instead, from weight word `header_weight`
    end : Out(1), the last issue of a command
    slot : Out, accumulator slot of the result that `issue` completes
    cause : Out(Cause)
    idle : Out(1)
    error, error_code, error_index : Out, as `Engine`
    """

    def __init__(self, arch: Arch):
        self.arch = arch
        super().__init__({
            "command": In(stream.Signature(command_payload())),
            "loads_done": In(16),
            "stores_done": In(16),
            "computes_done": In(16),
            "port_taken": In(1),
            "completed": In(1),
            "oldest_index": Out(32),
            "oldest_tag": Out(16),
            "oldest_stamp": Out(1),
            "issue": Out(1),
            "op": Out(op_layout(arch)),
            "current": Out(COMPUTE_LAYOUT),
            "new_group": Out(1),
            "header": Out(1),
            "header_index": Out(bits_for(arch.header_words - 1)),
            "header_weight": Out(WEIGHT_BITS),
            "end": Out(1),
            "slot": Out(bits_for(arch.acc_words - 1)),
            "cause": Out(Cause),
            "idle": Out(1),
            "error": Out(1),
            "error_code": Out(8),
            "error_index": Out(32),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # Decode register: the command that issues next.
        self._held = Signal()
        self._upcoming = Signal(COMPUTE_LAYOUT, reset_less=True)
        self._upcoming_index = Signal(32, reset_less=True)
        self._examined = Signal()
        self._able = Signal()  # examined, and nothing speaks against its start but what is before it
        self._refused = Signal()  # examined, waits over, and out of the activation SRAM
        self._waits = {count: Signal(name=f"waits_{count}", reset_less=True) for count in ("load", "store", "compute")}
        # The command that issues.
        self._active = Signal()
        self._index = Signal(32, reset_less=True)
        self._start = Signal()
        self._finish = Signal()
        self._slots_busy = Signal()
        self._there = Signal()  # whether `op` is
        # Found in the cycle before: together they set `error`.
        self._slot_used_1 = Signal()
        self._slot_1 = Signal(bits_for(255), reset_less=True)
        self._refused_1 = Signal()
        self._refused_index_1 = Signal(32, reset_less=True)

        self._elaborate_decode(m)
        m.submodules.in_flight = in_flight = RegisterFifo(_TAGS, IN_FLIGHT)
        self._elaborate_start(m, in_flight)
        self._elaborate_walk(m)
        header_due = self._elaborate_headers(m)
        self._elaborate_issue(m, header_due)
        self._elaborate_slots(m)
        self._elaborate_checks(m)
        return m

    def _elaborate_decode(self, m: Module) -> None:
        upcoming = self._upcoming
        m.d.comb += self.command.ready.eq(~self._held | self._start)
        waits, bad = Signal(), Signal()
        with m.If(self.command.ready):
            # What is taken without `valid` counts for nothing.
            m.d.sync += [
                self._held.eq(self.command.valid),
                *(flag.eq(0) for flag in (self._examined, self._able, self._refused)),
                upcoming.eq(self.command.payload.word),
                self._upcoming_index.eq(self.command.payload.index),
            ]
        with m.Else():
            m.d.sync += [
                self._examined.eq(self._held),
                self._able.eq(self._held & ~waits & ~bad),
                self._refused.eq(self._held & ~waits & bad),
            ]

        def outside(base: Value, wrap: Value) -> Value:
            return base + wrap > self.arch.act_bytes

        m.d.comb += bad.eq(
            outside(upcoming.ifm_base, upcoming.ifm_wrap)
            | outside(upcoming.ofm_base, upcoming.ofm_wrap)
            | ((upcoming.opcode == Opcode.ELTWISE) & outside(upcoming.ifm2_base, upcoming.ifm2_wrap))
        )
        # A count is reached when (count - wanted) mod 2**16 is in the lower half. Once reached it stays so.
        blocked = []
        for name, flag in self._waits.items():
            ahead = Signal(16, name=f"ahead_{name}")
            m.d.comb += ahead.eq(getattr(self, f"{name}s_done") - upcoming[f"wait_{name}"])
            blocked.append(upcoming[f"need_{name}"] & ahead[15])
            m.d.sync += flag.eq(blocked[-1])
        m.d.comb += waits.eq(Cat(blocked).any())

    def _elaborate_start(self, m: Module, in_flight: RegisterFifo) -> None:
        free = ~self._active | self._finish
        room = in_flight.push.ready & ~self.error
        m.d.comb += [
            self._start.eq(self._able & room & free),
            in_flight.push.valid.eq(self._start),
            in_flight.push.payload.index.eq(self._upcoming_index),
            in_flight.push.payload.tag.eq(self._upcoming.tag),
            in_flight.push.payload.stamp.eq(self._upcoming.stamp),
            in_flight.pop.ready.eq(self.completed),
            self.oldest_index.eq(in_flight.pop.payload.index),
            self.oldest_tag.eq(in_flight.pop.payload.tag),
            self.oldest_stamp.eq(in_flight.pop.payload.stamp),
            self.idle.eq(~self._held & ~self._active & (in_flight.level == 0)),
        ]
        with m.If(free):
            # The command, whether it starts or not: none but an active one is looked at.
            m.d.sync += [self._active.eq(self._start), self.current.eq(self._upcoming)]
            m.d.sync += self._index.eq(self._upcoming_index)
        m.d.sync += [self._refused_1.eq(self._refused & free), self._refused_index_1.eq(self._upcoming_index)]

    def _elaborate_walk(self, m: Module) -> None:
        """A held command is walked as soon as its predecessor is: its first op is there when it starts, at least a
        cycle after it was held, and stays until it issues.
        """
        m.submodules.ahead = ahead = WalkAhead(self.arch)
        walked = Signal()  # the held command is, or was
        m.d.comb += [
            ahead.upcoming.eq(self._upcoming),
            ahead.load.eq(self._held & ~walked & ahead.ready),
            ahead.take.eq(self.issue),
            self.op.eq(ahead.op),
            self._there.eq(ahead.valid),
        ]
        with m.If(self._start):
            m.d.sync += walked.eq(0)
        with m.Elif(ahead.load):
            m.d.sync += walked.eq(1)

    def _elaborate_headers(self, m: Module) -> Value:
        """Record words still to be read for the group that issues; returns whether any are."""
        words = self.arch.header_words
        due = Signal()
        index = Signal.like(self.header_index)
        weight = Signal(WEIGHT_BITS, reset_less=True)
        base = Signal(WEIGHT_BITS, reset_less=True)
        next_base = (base + self.current.wgt_step)[:WEIGHT_BITS]
        with m.If(self._start):
            header = self._upcoming.wgt_header
            m.d.sync += [due.eq(1), index.eq(0), base.eq(header), weight.eq(header)]
        with m.Elif(self.issue & self.op.next_group):
            m.d.sync += [due.eq(1), index.eq(0), base.eq(next_base), weight.eq(next_base)]
        with m.Elif(self.header):
            m.d.sync += [due.eq(index != words - 1), index.eq(index + 1), weight.eq(weight + 1)]
        m.d.comb += [self.header_index.eq(index), self.header_weight.eq(weight)]
        return due

    def _elaborate_issue(self, m: Module, header_due: Value) -> None:
        """Decides what this cycle's issue slot does."""
        op = self.op
        first_of_group = Signal()
        closes = op.emit | op.next_group | op.end  # a group does not end with record words unread, whatever it does
        self._emits = emits = self.issue & op.emit
        shadow_in_use = hold(m, emits & first_of_group, header_gap(self.arch) - 1, "shadow_in_use")
        spacing = hold(m, emits, self.arch.post_interval - 1, "spacing")
        reads_header, emits_late = Signal(), Signal()
        m.d.comb += [
            reads_header.eq(header_due & ~shadow_in_use),
            emits_late.eq((closes & header_due) | (op.emit & spacing) | (op.adds & self._slots_busy)),
            self.header.eq(self._active & reads_header),
            self.issue.eq(self._active & self._there & ~reads_header & ~emits_late & ~(op.read & self.port_taken)),
            self.end.eq(self.issue & op.end),
            self._finish.eq(self.end),
            self.new_group.eq(first_of_group),
        ]
        with m.If(self.error):
            m.d.comb += self.cause.eq(Cause.NONE)
        with m.Elif(~self._active):
            m.d.comb += self.cause.eq(self._reason_not_started())
        with m.Elif(reads_header | emits_late | ~self._there):
            m.d.comb += self.cause.eq(Cause.OVERHEAD)
        with m.Elif(op.read & self.port_taken):
            m.d.comb += self.cause.eq(Cause.DMA)
        with m.Else():
            m.d.comb += self.cause.eq(Mux(op.array, Cause.MAC, Cause.VECTOR))

        with m.If(self.header):
            m.d.sync += first_of_group.eq(1)
        with m.Elif(emits):
            m.d.sync += first_of_group.eq(0)

    def _elaborate_slots(self, m: Module) -> None:
        """Counts results for their accumulator slots; a slot past the last is found when a result wants it."""
        uses = self.current.acc_in | self.current.acc_out
        place = Signal(bits_for(255), reset_less=True)
        with m.If(self._start):
            m.d.sync += place.eq(self._upcoming.acc_base)
        with m.Elif(self._emits & (place != 255)):
            m.d.sync += place.eq(place + 1)
        busy = hold(m, self._emits & self.current.acc_out, SLOT_GAP - 1, "slots_busy")
        m.d.comb += [self.slot.eq(place), self._slots_busy.eq(busy)]
        m.d.sync += [self._slot_used_1.eq(self._emits & uses), self._slot_1.eq(place)]

    def _reason_not_started(self) -> Value:
        waits = self._waits
        return Mux(~self._held, Cause.NONE,
               Mux(~self._examined, Cause.OVERHEAD,
               Mux(waits["load"], Cause.WAIT_LOAD,
               Mux(waits["store"], Cause.WAIT_STORE,
               Mux(waits["compute"], Cause.WAIT_COMPUTE, Cause.OVERHEAD)))))  # fmt: skip

    def _elaborate_checks(self, m: Module) -> None:
        """A weight word, line buffer column or slot past the end of its memory is found one cycle after its issue.

        So is a command that must not start, and an older one's error goes before it.
        """
        reads_1 = Signal()
        weight_1 = Signal(WEIGHT_BITS, reset_less=True)
        column_outside_1 = Signal()
        index_1 = Signal(32, reset_less=True)
        m.d.sync += [
            column_outside_1.eq(self.issue & self.op.column_outside),
            reads_1.eq(self.header | (self.issue & self.op.array)),
            weight_1.eq(Mux(self.header, self.header_weight, self.op.weight)),
            index_1.eq(self._index),
        ]
        outside = (reads_1 & (weight_1 >= self.arch.weight_words)) | column_outside_1
        outside |= self._slot_used_1 & (self._slot_1 >= self.arch.acc_words)
        with m.If((outside | self._refused_1) & ~self.error):
            m.d.sync += [self.error.eq(1), self.error_code.eq(ErrorCode.BAD_ADDRESS), self._active.eq(0)]
            m.d.sync += self.error_index.eq(Mux(outside, index_1, self._refused_index_1))
