# SPDX-License-Identifier: Apache-2.0
"""AXI4 write master: several clients, bursts in flight, responses handed back in order."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from esl_ref.arch import Arch
from rtl.axi.link import write_client, write_link
from rtl.axi.splitter import BurstSplitter
from rtl.register_fifo import RegisterFifo

__all__ = ["WriteMaster"]


class WriteMaster(wiring.Component):
    """Client 0 goes first, burst by burst. AW and W go out side by side, neither waits for the other's `ready`; the
    next burst starts when the last beat of this one has left the client. Up to `outstanding` bursts await their B.

    Members
    -------
    client : array of In(write_client)
    link : Out(write_link)
    stop : In(1)
        Start nothing new; fill up the burst under way with beats that write nothing.
    busy : Out(1)
        A burst is under way or awaits its response.
    asking : Out(1)
        A transfer has bursts left to start.
    beat : Out(1)
        A beat is accepted in this cycle.
    """

    def __init__(self, arch: Arch, clients: int):
        self._arch, self._clients = arch, clients
        super().__init__({
            "client": In(write_client(arch.axi_bytes)).array(clients),
            "link": Out(write_link(arch.axi_bytes)),
            "stop": In(1),
            "busy": Out(1),
            "asking": Out(1),
            "beat": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        entry = data.StructLayout({"client": range(self._clients), "last": unsigned(1)})
        m.submodules.order = order = RegisterFifo(entry, self._arch.outstanding)
        left = Signal(9)
        self._more, self._one = Signal(), Signal()  # left != 0, left == 1
        owner = Signal(self._clients)  # one bit each: whose beats go to W
        moved = Signal()
        self._start(m, order, left, owner, moved)
        self._move(m, owner, moved)
        self._respond(m, order)
        w = self.link.w
        m.d.comb += [
            self.busy.eq(self.link.aw.valid | w.valid | self._more | order.pop.valid),
            self.beat.eq(w.valid & w.ready),
        ]
        return m

    def _start(self, m: Module, order: RegisterFifo, left: Signal, owner: Signal, moved: Signal) -> None:
        """Offer the next burst's address and give W to its client. `left` counts beats not yet taken from it."""
        aw = self.link.aw
        free = Signal()
        drained = ~self._more | (self._one & moved)
        m.d.comb += free.eq((~aw.valid | aw.ready) & drained & order.push.ready & ~self.stop)
        with m.If(moved):
            m.d.sync += [left.eq(left - 1), self._more.eq(~self._one), self._one.eq(left == 2)]
        with m.If(aw.ready):
            m.d.sync += aw.valid.eq(0)
        taken = Signal()
        for i, client in enumerate(self.client):
            m.submodules[f"split{i}"] = split = BurstSplitter(self._arch)
            # A transfer is taken when the one before has been cut up whole: its beats are still to come then.
            m.d.comb += [
                split.request.payload.eq(client.request.payload),
                split.request.valid.eq(client.request.valid & ~split.burst.valid),
                client.request.ready.eq(~split.burst.valid),
            ]
            before, taken = taken, Signal(name=f"taken{i}")
            with m.If(before):
                m.d.comb += taken.eq(1)
            with m.If(split.burst.valid):
                m.d.comb += self.asking.eq(1)
            with m.If(~before & split.burst.valid & free):
                burst = split.burst.payload
                m.d.comb += [taken.eq(1), split.burst.ready.eq(1), order.push.valid.eq(1)]
                m.d.comb += [order.push.payload.client.eq(i), order.push.payload.last.eq(burst.last)]
                m.d.sync += [aw.valid.eq(1), aw.payload.addr.eq(burst.addr), aw.payload.len.eq(burst.len)]
                m.d.sync += [left.eq(burst.len + 1), self._more.eq(1), self._one.eq(burst.len == 0), owner.eq(1 << i)]

    def _move(self, m: Module, owner: Signal, moved: Signal) -> None:
        """Beats pass a register, so that one already offered stays as it is when `stop` rises."""
        w = self.link.w
        room, offered = Signal(), Signal()
        m.d.comb += [
            room.eq(~w.valid | w.ready),
            offered.eq(Cat(owner[i] & client.data.valid for i, client in enumerate(self.client)).any()),
            moved.eq(self._more & room & (self.stop | offered)),
        ]
        with m.If(w.ready):
            m.d.sync += w.valid.eq(0)
        with m.If(moved):
            m.d.sync += [w.valid.eq(1), w.payload.last.eq(self._one)]
        # Strobes count from `valid` on: what is not moved may be there already.
        with m.If(room):
            m.d.sync += w.payload.strb.eq(0)
        for i, client in enumerate(self.client):
            m.d.comb += client.data.ready.eq(self._more & room & ~self.stop & owner[i])
            with m.If(room & ~self.stop & owner[i]):
                m.d.sync += [w.payload.data.eq(client.data.payload.data), w.payload.strb.eq(client.data.payload.strb)]

    def _respond(self, m: Module, order: RegisterFifo) -> None:
        b = self.link.b
        m.d.comb += [b.ready.eq(1), order.pop.ready.eq(b.valid)]
        for i, client in enumerate(self.client):
            mine = b.valid & (order.pop.payload.client == i) & ~self.stop
            m.d.comb += [client.done.eq(mine & order.pop.payload.last), client.error.eq(mine & b.payload.resp[1])]
