# SPDX-License-Identifier: Apache-2.0
"""LOAD_WEIGHTS, LOAD_TABLE, LOAD_ROWS: addresses run ahead of the data, across commands."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from esl_ref.arch import Arch
from rtl.axi.link import read_client
from rtl.decode import CountsSignature
from rtl.fault import FaultSignature
from rtl.layouts import command_payload
from rtl.load_issue import LoadIssue
from rtl.load_receive import LoadReceive, placed_layout
from rtl.load_types import Destination, load_layout
from rtl.register_fifo import RegisterFifo
from rtl.surface import BasesSignature

__all__ = ["LOADS_AHEAD", "Loader"]

LOADS_AHEAD = 2
"""Loads whose addresses may be out while an earlier one's data arrives."""


class Loader(wiring.Component):
    """A command's addresses follow its predecessor's at once when its waits allow, so consecutive loads leave no gap on
    the bus. The last beat of a load is written two cycles after R accepted it, unless the SRAM write port is taken.

    Members
    -------
    command : In stream of command_payload()
    counts : In(CountsSignature)
    bases : In(BasesSignature)
    client : Out(read_client)
    placed : Out stream of placed_layout()
    completed : Out(1)
        Pulse: the oldest load's last byte is being written.
    arrived, destination : Out(1), Out(Destination)
        A beat of that kind was accepted from the bus in this cycle.
    waiting : Out(1)
        The command at the head is held back by its waits.
    fault : Out(FaultSignature)
    """

    def __init__(self, arch: Arch):
        self._arch = arch
        super().__init__({
            "command": In(stream.Signature(command_payload())),
            "counts": In(CountsSignature),
            "bases": In(BasesSignature),
            "client": Out(read_client(arch.axi_bytes)),
            "placed": Out(stream.Signature(placed_layout(arch))),
            "completed": Out(1),
            "arrived": Out(1),
            "destination": Out(Destination),
            "waiting": Out(1),
            "fault": Out(FaultSignature),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.issue = issue = LoadIssue(self._arch)
        m.submodules.ahead = ahead = RegisterFifo(load_layout(), LOADS_AHEAD)
        m.submodules.receive = receive = LoadReceive(self._arch)
        for outer, inner in (
            (self.command, issue.command), (self.counts, issue.counts), (self.bases, issue.bases),
            (self.client.request, issue.request), (self.client.data, receive.beats), (self.placed, receive.placed),
        ):  # fmt: skip
            wiring.connect(m, wiring.flipped(outer), inner)
        wiring.connect(m, issue.load, ahead.push)
        wiring.connect(m, ahead.pop, receive.load)
        m.d.comb += [
            self.completed.eq(self.placed.valid & self.placed.ready & self.placed.payload.last),
            self.arrived.eq(receive.arrived),
            self.destination.eq(receive.destination),
            self.waiting.eq(issue.waiting),
            self.fault.valid.eq(issue.fault.valid | receive.fault.valid),
        ]
        with m.If(receive.fault.valid):
            m.d.comb += [self.fault.code.eq(receive.fault.code), self.fault.index.eq(receive.fault.index)]
        with m.Else():
            m.d.comb += [self.fault.code.eq(issue.fault.code), self.fault.index.eq(issue.fault.index)]
        return m
