# SPDX-License-Identifier: Apache-2.0
"""Command fetch: reads the stream in order, checks HEADER and opcodes, deals the words out to the queues."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from esl_ref.arch import Arch
from esl_ref.program.fields import (
    COMMAND_BYTES,
    COMPUTE_OPCODES,
    FORMAT_VERSION,
    LAYOUTS,
    LOAD_OPCODES,
    MAGIC,
    STORE_OPCODES,
    ErrorCode,
    Opcode,
)  # fmt: skip
from rtl.axi.link import read_client
from rtl.decode import is_one_of
from rtl.fault import FaultSignature, raise_fault

__all__ = ["QUEUES", "Fetch"]

QUEUES = ("load", "store", "compute")
_OPCODES = (LOAD_OPCODES, STORE_OPCODES, COMPUTE_OPCODES)
_HEADER = {f.name: f for f in LAYOUTS[Opcode.HEADER]}


class Fetch(wiring.Component):
    """A command is asked for only when every queue has room for all commands on their way, so its beats never wait
    and a command costs the bus its own beats, no more. A queue word is a beat. Up to `queue_depth` commands behind END
    may be read; they and their bus errors are ignored.

    Members
    -------
    enable : In(1)
        Fetch from `prog_addr` onward, which must not change while enabled.
    client : Out(read_client)
    used : In(...).array(3)
        Commands in each queue's RAM.
    write : Out(1).array(3)
        Push `word` to a queue.
    word, index : Out(8 * axi_bytes), Out(32)
        Word, and index in the stream of its command.
    ended : Out(1)
        END has been seen: nothing more comes.
    fault : Out(FaultSignature)
    """

    def __init__(self, arch: Arch):
        self._arch = arch
        self._beats = COMMAND_BYTES // arch.axi_bytes
        super().__init__({
            "enable": In(1),
            "prog_addr": In(32),
            "client": Out(read_client(arch.axi_bytes)),
            "used": In(range(arch.queue_depth + 1)).array(len(QUEUES)),
            "write": Out(1).array(len(QUEUES)),
            "word": Out(8 * arch.axi_bytes),
            "index": Out(32),
            "ended": Out(1),
            "fault": Out(FaultSignature),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        finished = Signal()
        self._request(m, finished)
        beat = self.client.data
        m.d.comb += [self.word.eq(beat.payload.data), beat.ready.eq(1)]
        self._deal(m, beat.valid, beat.payload.error, finished)
        return m

    def _request(self, m: Module, finished: Signal) -> None:
        in_flight = Signal(range(self._arch.queue_depth + 1))
        offset = Signal(32)
        request = self.client.request
        room = [used + in_flight < self._arch.queue_depth for used in self.used]
        asked = Signal()
        m.d.comb += [
            request.valid.eq(self.enable & ~self.ended & room[0] & room[1] & room[2]),
            request.payload.addr.eq(self.prog_addr + offset),
            request.payload.beats.eq(self._beats),
            asked.eq(request.valid & request.ready),
        ]
        m.d.sync += in_flight.eq(in_flight + asked - finished)
        with m.If(asked):
            m.d.sync += offset.eq(offset + COMMAND_BYTES)

    def _deal(self, m: Module, valid: Value, error: Value, finished: Signal) -> None:
        """Route by the opcode in beat 0; the choice is kept for the beats that follow."""
        number = Signal(range(self._beats))
        kept = Signal(len(QUEUES))
        queue = Signal(len(QUEUES))
        opcode = self.word[:8]
        live = Signal()
        m.d.comb += [
            queue.eq(kept),
            live.eq(valid & ~self.ended),
            finished.eq(valid & (number == self._beats - 1)),
        ]
        with m.If(live & (number == 0)):
            for i, opcodes in enumerate(_OPCODES):
                m.d.comb += queue[i].eq(is_one_of(opcode, opcodes) & (self.index != 0))
            m.d.sync += kept.eq(queue)
        with m.If(valid):
            m.d.sync += number.eq(Mux(finished, 0, number + 1))
        with m.If(finished):
            m.d.sync += self.index.eq(self.index + 1)
        with m.If(live):
            m.d.comb += [write.eq(queue[i] & ~error) for i, write in enumerate(self.write)]
            self._check(m, number, queue, error)

    def _check(self, m: Module, number: Signal, queue: Signal, error: Value) -> None:
        def refuse(code: ErrorCode) -> None:
            raise_fault(m, self.fault, code, self.index)

        def differs(name: str, expected: int) -> Value:
            """This beat holds header field `name`, and it is not what it should be."""
            f = _HEADER[name]
            beat, lsb = divmod(f.offset, 8 * self._arch.axi_bytes)
            return (self.index == 0) & (number == beat) & (self.word[lsb : lsb + f.width] != expected)

        opcode = self.word[:8]
        with m.If(error):
            refuse(ErrorCode.FETCH_BUS)
        with m.Elif(differs("opcode", Opcode.HEADER.value) | differs("magic", MAGIC)):
            refuse(ErrorCode.BAD_MAGIC)
        with m.Elif(differs("version", FORMAT_VERSION)):
            refuse(ErrorCode.BAD_VERSION)
        with m.Elif(differs("arch_hash", self._arch.hash())):
            refuse(ErrorCode.WRONG_ARCH)
        with m.Elif((self.index != 0) & (number == 0)):
            with m.If(opcode == Opcode.END.value):
                m.d.sync += self.ended.eq(1)
            with m.Elif(queue == 0):
                refuse(ErrorCode.BAD_OPCODE)
