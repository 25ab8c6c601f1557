# SPDX-License-Identifier: Apache-2.0
"""Performance counters: every cycle of a Program has exactly one cause."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from esl_ref.registers import COUNTERS
from rtl.load_types import Destination
from rtl.op import Cause

__all__ = ["CAUSES", "NAMES", "Counters"]

NAMES = tuple(name for name, _ in COUNTERS)
CAUSES = NAMES[1:11]
"""The counters of which CYCLES is the sum."""


class Counters(wiring.Component):
    """32-bit counters, cleared by reset, running while `run`; they count one cycle late.

    A cycle's cause is the compute engine's; where that has no command, it is STALL_FETCH, and once END has been seen
    whatever END still waits for: stores (STALL_WRITE_BACK), loads (as a compute command would), results in the pipe
    (OVERHEAD).

    Members
    -------
    run : In(1)
    cause : In(Cause)
        Of the compute engine.
    ended : In(1)
        END has been seen.
    loading, storing, computing : In(1)
        Load, store and compute commands are incomplete (storing: or records).
    arrived, destination : In(1), In(Destination)
        A data beat of a load came in.
    read_beat, write_beat : In(1)
    retired : In(3)
        Commands that complete in this cycle, one bit per queue.
    value : Out(32).array(len(COUNTERS))
    following : Out(32).array(len(COUNTERS))
        What `value` will be in the next cycle: with all cycles before this one.
    """

    def __init__(self) -> None:
        super().__init__({
            "run": In(1),
            "cause": In(Cause),
            "ended": In(1),
            "loading": In(1),
            "storing": In(1),
            "computing": In(1),
            "arrived": In(1),
            "destination": In(Destination),
            "read_beat": In(1),
            "write_beat": In(1),
            "retired": In(3),
            "value": Out(32).array(len(COUNTERS)),
            "following": Out(32).array(len(COUNTERS)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        cause = Signal(len(CAUSES))
        self._classify(m, cause)
        retired = Signal(2)
        m.d.comb += retired.eq(self.retired[0] + self.retired[1] + self.retired[2])
        steps: dict[str, Value] = {name: cause[i] for i, name in enumerate(CAUSES)}
        steps |= {"CYCLES": self.run, "READ_BEATS": self.read_beat, "WRITE_BEATS": self.write_beat, "COMMANDS": retired}
        for i, name in enumerate(NAMES):
            # What makes a cycle's cause is known late in it.
            step = Signal(len(Value.cast(steps[name])), name=f"step_{name}")
            m.d.sync += [step.eq(Mux(self.run, steps[name], 0)), self.value[i].eq(self.following[i])]
            m.d.comb += self.following[i].eq(self.value[i] + step)
        return m

    def _classify(self, m: Module, cause: Signal) -> None:
        def count(name: str) -> None:
            m.d.comb += cause[CAUSES.index(name)].eq(1)

        def waiting_for_load() -> None:
            with m.If(self.arrived & (self.destination == Destination.ROWS)):
                count("STALL_ACTIVATIONS")
            with m.Elif(self.arrived):
                count("STALL_WEIGHTS")
            with m.Else():
                count("STALL_MEMORY")

        with m.Switch(self.cause):
            for of_engine, name in _DIRECT.items():
                with m.Case(of_engine):
                    count(name)
            with m.Case(Cause.WAIT_LOAD):
                waiting_for_load()
            with m.Default():
                with m.If(~self.ended):
                    count("STALL_FETCH")
                with m.Elif(self.computing):
                    count("OVERHEAD")
                with m.Elif(self.storing):
                    count("STALL_WRITE_BACK")
                with m.Elif(self.loading):
                    waiting_for_load()
                with m.Else():
                    count("STALL_FETCH")


_DIRECT = {
    Cause.MAC: "MAC_ACTIVE",
    Cause.VECTOR: "VECTOR_ACTIVE",
    Cause.OVERHEAD: "OVERHEAD",
    Cause.WAIT_STORE: "STALL_WRITE_BACK",
    Cause.WAIT_COMPUTE: "STALL_DEPENDENCY",
    Cause.DMA: "STALL_DMA",
}
