# SPDX-License-Identifier: Apache-2.0
"""STORE_ROWS: row buffer to external memory."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from esl_ref.arch import Arch
from esl_ref.program.fields import ErrorCode, Opcode
from rtl.axi.link import write_client
from rtl.decode import CountsSignature, fields, waits
from rtl.fault import FaultSignature, raise_fault
from rtl.layouts import command_payload
from rtl.register_fifo import RegisterFifo
from rtl.store_beats import StoreBeats
from rtl.store_walk import StoreWalk
from rtl.surface import BasesSignature, buffer_overflows, external_address, misaligned, whole_beats

__all__ = ["STORES_AHEAD", "Storer"]

STORES_AHEAD = 4
"""Stores that may await their last write response, the one being sent included."""


class Storer(wiring.Component):
    """The next command starts while write responses of its predecessors are on their way.

    Members
    -------
    command : In stream of command_payload()
    counts : In(CountsSignature)
    bases : In(BasesSignature)
    client : Out(write_client)
    read_valid, read_addr, read_data_valid, read_data
        SRAM read, see StoreWalk.
    completed : Out(1)
        Pulse: the oldest store's last write response has arrived.
    waiting : Out(1)
        The command at the head is held back by its waits.
    fault : Out(FaultSignature)
        BAD_ADDRESS, STORE_BUS.
    """

    def __init__(self, arch: Arch, read_latency: int):
        self._arch, self._read_latency = arch, read_latency
        super().__init__({
            "command": In(stream.Signature(command_payload())),
            "counts": In(CountsSignature),
            "bases": In(BasesSignature),
            "client": Out(write_client(arch.axi_bytes)),
            "read_valid": Out(1),
            "read_addr": Out(24),
            "read_data_valid": In(1),
            "read_data": In(8 * arch.lanes),
            "completed": Out(1),
            "waiting": Out(1),
            "fault": Out(FaultSignature),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.walk = walk = StoreWalk(self._arch, self._read_latency)
        m.submodules.beats = beats = StoreBeats(self._arch)
        m.submodules.unanswered = unanswered = RegisterFifo(unsigned(32), STORES_AHEAD)
        wiring.connect(m, walk.vectors, beats.vectors)
        wiring.connect(m, beats.beats, wiring.flipped(self.client.data))
        m.d.comb += [
            self.read_valid.eq(walk.read_valid),
            self.read_addr.eq(walk.read_addr),
            walk.read_data_valid.eq(self.read_data_valid),
            walk.read_data.eq(self.read_data),
        ]
        self._issue(m, walk, beats, unanswered)
        return m

    def _issue(self, m: Module, walk: StoreWalk, beats: StoreBeats, unanswered: RegisterFifo) -> None:
        """Take, check, then start bus side, SRAM side and bookkeeping in the same cycle."""
        bad, blocked, empty, start = Signal(), Signal(), Signal(), Signal()
        index = Signal(32)
        word = self.command.payload.word
        request = self.client.request
        m.d.comb += [
            blocked.eq(waits(word, self.counts)),
            self.waiting.eq(self.command.valid & blocked),
            unanswered.push.payload.eq(index),
            unanswered.pop.ready.eq(self.client.done),
            self.completed.eq(self.client.done),
        ]
        with m.If(self.client.error):
            raise_fault(m, self.fault, ErrorCode.STORE_BUS, unanswered.pop.payload)
        with m.FSM():
            with m.State("TAKE"):
                m.d.comb += self.command.ready.eq(~blocked)
                with m.If(self.command.valid & ~blocked):
                    m.d.sync += index.eq(self.command.payload.index)
                    self._latch(m, walk, beats, bad)
                    m.next = "CHECK"
            with m.State("CHECK"):
                m.d.sync += empty.eq(request.payload.beats == 0)
                with m.If(bad & ~self.client.error):
                    raise_fault(m, self.fault, ErrorCode.BAD_ADDRESS, index)
                with m.If(~bad):
                    m.next = "START"
            with m.State("START"):
                others = walk.rows.ready & beats.extent.ready & unanswered.push.ready
                with m.If(empty):
                    # In order: complete when all before it are.
                    alone = ~unanswered.pop.valid
                    m.d.comb += [start.eq(alone), self.completed.eq(alone | self.client.done)]
                with m.Else():
                    m.d.comb += [request.valid.eq(others), start.eq(others & request.ready)]
                    m.d.comb += [walk.rows.valid.eq(start), beats.extent.valid.eq(start)]
                    m.d.comb += unanswered.push.valid.eq(start)
                with m.If(start):
                    m.next = "TAKE"

    def _latch(self, m: Module, walk: StoreWalk, beats: StoreBeats, bad: Signal) -> None:
        arch, f = self._arch, fields(self.command.payload.word, Opcode.STORE_ROWS)
        rows, extent, request = walk.rows.payload, beats.extent.payload, self.client.request.payload
        m.d.sync += [
            bad.eq(misaligned(f, arch) | buffer_overflows(f, arch)),
            request.addr.eq(external_address(f, self.bases)),
            request.beats.eq(f.rows * whole_beats(f.row_bytes, arch)),
            rows.rows.eq(f.rows),
            rows.row_bytes.eq(f.row_bytes),
            rows.first.eq(f.buf_base + f.buf_start),
            rows.step.eq(f.row_step),
            rows.limit.eq(f.buf_base + f.buf_wrap),
            rows.wrap.eq(f.buf_wrap),
            extent.rows.eq(f.rows),
            extent.row_bytes.eq(f.row_bytes),
        ]
