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
from rtl.load_align import LoadAlign
from rtl.load_arrive import LoadArrive
from rtl.load_issue import LoadIssue
from rtl.load_types import Destination, arriving_layout, load_layout, placed_layout
from rtl.load_walk import LoadWalk
from rtl.register_fifo import RegisterFifo
from rtl.surface import BasesSignature

__all__ = ["LOADS_AHEAD", "Loader"]

LOADS_AHEAD = 2
"""Loads whose addresses may be out while an earlier one's data arrives."""


class Loader(wiring.Component):
    """A command's addresses follow its predecessor's at once when its waits allow, so consecutive loads leave no gap on
    the bus. The last piece of a load is written three cycles after R accepted its last beat, unless the SRAM write port
    is taken, or more than one piece ends in that beat.

    Members
    -------
    command : In stream of command_payload()
    counts : In(CountsSignature)
    bases : In(BasesSignature)
    client : Out(read_client)
    placed : Out stream of placed_layout()
    completed : Out(1)
        Pulse: the oldest load's last piece is being written.
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
        m.submodules.coming = coming = RegisterFifo(arriving_layout(), LOADS_AHEAD)
        m.submodules.arrive = arrive = LoadArrive(self._arch)
        m.submodules.walk = walk = LoadWalk(self._arch)
        m.submodules.align = align = LoadAlign(self._arch)
        for outer, inner in (
            (self.command, issue.command), (self.counts, issue.counts), (self.bases, issue.bases),
            (self.client.request, issue.request), (self.client.data, arrive.beats), (self.placed, align.placed),
        ):  # fmt: skip
            wiring.connect(m, wiring.flipped(outer), inner)
        wiring.connect(m, issue.load, ahead.push)
        wiring.connect(m, ahead.pop, walk.load)
        wiring.connect(m, coming.pop, arrive.load)
        wiring.connect(m, arrive.out, align.beats)
        wiring.connect(m, walk.piece, align.piece)
        load, request = issue.load.payload, issue.request
        m.d.comb += [
            # What arrives is never more than what is yet to be taken apart, so there is room.
            coming.push.valid.eq(request.valid & request.ready),
            coming.push.payload.destination.eq(load.destination),
            coming.push.payload.index.eq(load.index),
            coming.push.payload.beats.eq(request.payload.beats),
            self.completed.eq(self.placed.valid & self.placed.ready & self.placed.payload.last),
            self.arrived.eq(arrive.arrived),
            self.destination.eq(arrive.destination),
            self.waiting.eq(issue.waiting),
        ]
        # The oldest load's fault first.
        for source in (issue.fault, arrive.fault, walk.fault):
            with m.If(source.valid):
                m.d.comb += [
                    self.fault.valid.eq(1), self.fault.code.eq(source.code), self.fault.index.eq(source.index)
                ]  # fmt: skip
        return m
