# SPDX-License-Identifier: Apache-2.0
"""Command fetch: reads the stream in order, checks HEADER and opcodes, deals the words out to the queues."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from esl_ref.arch import Arch
from esl_ref.program.commands import QUEUES
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

__all__ = ["Fetch"]

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
        addr = Signal(32, reset_less=True)
        request = self.client.request
        room = [used + in_flight < self._arch.queue_depth for used in self.used]
        asked = Signal()
        m.d.comb += [
            request.valid.eq(self.enable & ~self.ended & room[0] & room[1] & room[2]),
            request.payload.addr.eq(addr),
            request.payload.beats.eq(self._beats),
            asked.eq(request.valid & request.ready),
        ]
        m.d.sync += in_flight.eq(in_flight + asked - finished)
        with m.If(~self.enable):
            m.d.sync += addr.eq(self.prog_addr)
        with m.Elif(asked):
            m.d.sync += addr.eq(addr + COMMAND_BYTES)

    def _deal(self, m: Module, valid: Value, error: Value, finished: Signal) -> None:
        """Route by the opcode in beat 0; the choice is kept for the beats that follow."""
        number = Signal(range(self._beats))
        first, last = Signal(init=1), Signal(init=self._beats == 1)  # number == 0, the last
        header = Signal(init=1)  # index == 0
        kept = Signal(len(QUEUES))
        queue = Signal(len(QUEUES))
        opcode = self.word[:8]
        live = Signal()
        m.d.comb += [
            live.eq(valid & ~self.ended),
            finished.eq(valid & last),
        ]
        for i, opcodes in enumerate(_OPCODES):
            m.d.comb += queue[i].eq(Mux(first, is_one_of(opcode, opcodes) & ~header, kept[i]))
        with m.If(live):
            m.d.sync += kept.eq(queue)
        with m.If(valid):
            following = Mux(last, 0, number + 1)
            m.d.sync += [number.eq(following), first.eq(last), last.eq(following == self._beats - 1)]
        with m.If(finished):
            m.d.sync += [self.index.eq(self.index + 1), header.eq(0)]
        self._found = Signal(5, reset_less=True)
        self._report(m, live)
        with m.If(live):
            m.d.comb += [write.eq(queue[i] & ~error) for i, write in enumerate(self.write)]
            self._check(m, header, number, first, queue, error)

    def _check(
        self, m: Module, header: Signal, number: Signal, first: Signal, queue: Signal, error: Value
    ) -> None:
        """What is wrong with a beat is reported one cycle later: the comparisons are wide."""

        def differs(name: str, expected: int) -> Value:
            """This beat holds header field `name`, and it is not what it should be."""
            f = _HEADER[name]
            beat, lsb = divmod(f.offset, 8 * self._arch.axi_bytes)
            return header & (number == beat) & (self.word[lsb : lsb + f.width] != expected)

        opcode = self.word[:8]
        begins = ~header & first & ~error
        ends = opcode == Opcode.END.value
        with m.If(begins & ends):
            m.d.sync += self.ended.eq(1)
        m.d.sync += self._found.eq(Cat(
            error,
            differs("opcode", Opcode.HEADER.value) | differs("magic", MAGIC),
            differs("version", FORMAT_VERSION),
            differs("arch_hash", self._arch.hash()),
            begins & ~ends & (queue == 0),
        ))  # fmt: skip

    def _report(self, m: Module, live: Value) -> None:
        """The first of what was found in the beat before."""
        checked, index = Signal(), Signal(32, reset_less=True)
        m.d.sync += [checked.eq(live), index.eq(self.index)]
        codes = (ErrorCode.FETCH_BUS, ErrorCode.BAD_MAGIC, ErrorCode.BAD_VERSION, ErrorCode.WRONG_ARCH,
                 ErrorCode.BAD_OPCODE)  # fmt: skip
        for found, code in reversed(list(zip(self._found, codes, strict=True))):
            with m.If(checked & found):
                raise_fault(m, self.fault, code, index)
