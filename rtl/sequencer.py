# SPDX-License-Identifier: Apache-2.0
"""Doorbell to interrupt: start, end, errors, deadlock."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from esl_ref.arch import Arch
from esl_ref.program.fields import ErrorCode
from rtl.fault import FaultSignature
from rtl.pipeline import completion_latency

__all__ = ["Sequencer", "deadlock_cycles"]


def deadlock_cycles(arch: Arch) -> int:
    """Silence that is final: longer than any path inside the machine from an event to the next one it causes.

    The longest is the pipe, in which an engine without a command still may have results; what starts then takes a few
    cycles until it shows.
    """
    return max(64, completion_latency(arch) + 32)


class Sequencer(wiring.Component):
    """CLEAR (one cycle) - RUN - and on an error DRAIN, until the bus is quiet, and CLEAR again.

    More than `silence` cycles without progress are a deadlock.

    Members
    -------
    start : In(1)
        Doorbell; only when not busy.
    faults : In(FaultSignature).array(faults)
        The first counts; of several in one cycle the one with the lowest number.
    finished : In(1)
        END has been seen and everything before it is complete.
    bus_busy : In(1)
        A burst is in flight or offered.
    progress : In(1)
        Something other than a wait goes on.
    waiting_index : In(32)
        Index of the first command in the stream that waits.
    run, stop, flush : Out(1)
        Program runs; bus masters start nothing new; reset all that runs Programs.
    new_program : Out(1)
        With `flush`: a doorbell, and counters start over.
    busy, done, error, error_code, error_index : Out
        STATUS and the first error.
    done_event, error_event : Out(1)
    """

    def __init__(self, faults: int, silence: int):
        self.silence = silence
        super().__init__({
            "start": In(1),
            "faults": In(FaultSignature).array(faults),
            "finished": In(1),
            "bus_busy": In(1),
            "progress": In(1),
            "waiting_index": In(32),
            "run": Out(1),
            "stop": Out(1),
            "flush": Out(1),
            "new_program": Out(1),
            "busy": Out(1),
            "done": Out(1),
            "error": Out(1),
            "error_code": Out(8),
            "error_index": Out(32),
            "done_event": Out(1),
            "error_event": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        failed, code, index = self._first_fault(m)
        m.d.comb += self.busy.eq(1)
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.busy.eq(0)
                with m.If(self.start):
                    m.d.sync += [self.done.eq(0), self.error.eq(0), self.error_code.eq(0), self.error_index.eq(0)]
                    m.next = "CLEAR"
            with m.State("CLEAR"):
                m.d.comb += [self.flush.eq(1), self.new_program.eq(1)]
                m.next = "RUN"
            with m.State("RUN"):
                m.d.comb += self.run.eq(1)
                with m.If(failed):
                    # `stop` goes far: it is a register of its own, not a comparison of states.
                    m.d.sync += [self.error_code.eq(code), self.error_index.eq(index), self.stop.eq(1)]
                    m.next = "DRAIN"
                with m.Elif(self.finished):
                    m.d.comb += self.done_event.eq(1)
                    m.d.sync += self.done.eq(1)
                    m.next = "IDLE"
            with m.State("DRAIN"):
                with m.If(~self.bus_busy):
                    m.d.sync += self.stop.eq(0)
                    m.next = "FLUSH"
            with m.State("FLUSH"):
                m.d.comb += [self.flush.eq(1), self.error_event.eq(1)]
                m.d.sync += self.error.eq(1)
                m.next = "IDLE"
        return m

    def _first_fault(self, m: Module) -> tuple[Signal, Signal, Signal]:
        failed, code, index = Signal(), Signal(8), Signal(32)
        stuck, silence = Signal(), Signal(range(self.silence + 1))
        m.d.sync += [stuck.eq(self.run & ~self.progress), silence.eq(Mux(stuck, silence + 1, 0))]
        with m.If(silence == self.silence):
            m.d.comb += [failed.eq(1), code.eq(ErrorCode.DEADLOCK.value), index.eq(self.waiting_index)]
            m.d.sync += silence.eq(0)
        # A cycle late: no Program is finished in the cycle of a fault, or in the next.
        for number, fault in reversed(list(enumerate(self.faults))):
            valid = Signal(name=f"fault_{number}")
            of = [Signal.like(part, reset_less=True, name=f"fault_{number}_{name}")
                  for part, name in ((fault.code, "code"), (fault.index, "index"))]  # fmt: skip
            m.d.sync += [valid.eq(fault.valid), of[0].eq(fault.code), of[1].eq(fault.index)]
            with m.If(valid):
                m.d.comb += [failed.eq(1), code.eq(of[0]), index.eq(of[1])]
        return failed, code, index
