# SPDX-License-Identifier: Apache-2.0
"""AXI4 read master: several clients, bursts in flight, beats handed back in order."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from esl_ref.arch import Arch
from rtl.axi.link import read_client, read_link
from rtl.axi.splitter import BurstSplitter
from rtl.register_fifo import RegisterFifo

__all__ = ["ReadMaster"]


class ReadMaster(wiring.Component):
    """Client 0 goes first, burst by burst. All bursts carry one ID, so beats return in the order of the addresses and
    a FIFO of `outstanding` client numbers says whose they are. A client must be able to take all it asks for sooner or
    later without any other client's beats, because R is shared.

    Members
    -------
    client : array of In(read_client)
    link : Out(read_link)
    stop : In(1)
        Start nothing new; take the beats of bursts in flight and drop them.
    busy : Out(1)
        An address is offered or a burst is in flight.
    asking : Out(1)
        A transfer has bursts left to start.
    beat : Out(1)
        A beat is accepted in this cycle.
    """

    def __init__(self, arch: Arch, clients: int):
        self._arch, self._clients = arch, clients
        super().__init__({
            "client": In(read_client(arch.axi_bytes)).array(clients),
            "link": Out(read_link(arch.axi_bytes)),
            "stop": In(1),
            "busy": Out(1),
            "asking": Out(1),
            "beat": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.order = order = RegisterFifo(range(self._clients), self._arch.outstanding)
        self._issue(m, order)
        self._receive(m, order)
        m.d.comb += self.busy.eq(self.link.ar.valid | order.pop.valid)
        return m

    def _issue(self, m: Module, order: RegisterFifo) -> None:
        ar = self.link.ar
        free = Signal()
        m.d.comb += free.eq((~ar.valid | ar.ready) & order.push.ready & ~self.stop)
        with m.If(ar.ready):
            m.d.sync += ar.valid.eq(0)
        taken = Signal()
        for i, client in enumerate(self.client):
            m.submodules[f"split{i}"] = split = BurstSplitter(self._arch)
            wiring.connect(m, wiring.flipped(client.request), split.request)
            before, taken = taken, Signal(name=f"taken{i}")
            with m.If(before):
                m.d.comb += taken.eq(1)
            with m.If(split.burst.valid):
                m.d.comb += self.asking.eq(1)
            with m.If(~before & split.burst.valid & free):
                m.d.comb += [taken.eq(1), split.burst.ready.eq(1)]
                m.d.comb += [order.push.valid.eq(1), order.push.payload.eq(i)]
                m.d.sync += [
                    ar.valid.eq(1),
                    ar.payload.addr.eq(split.burst.payload.addr),
                    ar.payload.len.eq(split.burst.payload.len),
                ]

    def _receive(self, m: Module, order: RegisterFifo) -> None:
        r = self.link.r
        for i, client in enumerate(self.client):
            m.d.comb += [client.data.payload.data.eq(r.payload.data), client.data.payload.error.eq(r.payload.resp[1])]
            with m.If(order.pop.valid & (order.pop.payload == i)):
                m.d.comb += [client.data.valid.eq(r.valid & ~self.stop), r.ready.eq(client.data.ready | self.stop)]
        m.d.comb += [
            self.beat.eq(r.valid & r.ready),
            order.pop.ready.eq(self.beat & r.payload.last),
        ]
