# SPDX-License-Identifier: Apache-2.0
"""A small DMA engine with the accelerator's ports, so that harness and runner are tested without the accelerator.

It copies `LENGTH` beats from `SOURCE` to `TARGET`, adding `ADD` to every beat, in bursts of up to `BURST` beats that
stop at 4 KiB boundaries. The register `DEFECT` makes it one of several wrong engines, for the tests of the checker.
"""

from __future__ import annotations

from amaranth import Cat, Elaboratable, Module, Mux, Signal, unsigned
from amaranth.back import verilog
from amaranth.lib.memory import Memory

SOURCE, TARGET, LENGTH, ADD, CONTROL, STATUS, DEFECT = range(0, 28, 4)
NONE, DROPPING, CROSSING, EARLY_LAST, IMPATIENT, SILENT = range(6)
START, ACKNOWLEDGE = 1, 2
DONE, FAILED, BUSY = 1, 2, 4
BURST = 256


class ToyDma(Elaboratable):
    def __init__(self, data_width: int = 64) -> None:
        self._beat_bytes_log2 = (data_width // 8).bit_length() - 1
        shapes = {
            "irq": 1,
            "s_axil_awaddr": 12, "s_axil_awvalid": 1, "s_axil_awready": 1, "s_axil_wdata": 32, "s_axil_wstrb": 4,
            "s_axil_wvalid": 1, "s_axil_wready": 1, "s_axil_bresp": 2, "s_axil_bvalid": 1, "s_axil_bready": 1,
            "s_axil_araddr": 12, "s_axil_arvalid": 1, "s_axil_arready": 1, "s_axil_rdata": 32, "s_axil_rresp": 2,
            "s_axil_rvalid": 1, "s_axil_rready": 1,
            "m_axi_rid": 1, "m_axi_rdata": data_width, "m_axi_rresp": 2, "m_axi_rlast": 1, "m_axi_rvalid": 1,
            "m_axi_rready": 1, "m_axi_wdata": data_width, "m_axi_wstrb": data_width // 8, "m_axi_wlast": 1,
            "m_axi_wvalid": 1, "m_axi_wready": 1, "m_axi_bid": 1, "m_axi_bresp": 2, "m_axi_bvalid": 1,
            "m_axi_bready": 1,
        }  # fmt: skip
        address = {"id": 1, "addr": 32, "len": 8, "size": 3, "burst": 2, "prot": 3, "valid": 1, "ready": 1}
        for channel in ("ar", "aw"):
            for name, width in address.items():
                shapes[f"m_axi_{channel}{name}"] = width
        self.ports = {name: Signal(width, name=name) for name, width in shapes.items()}

    def elaborate(self, platform):
        m = Module()
        regs = self._registers(m)
        self._engine(m, regs)
        return m

    def _registers(self, m):
        """AXI4-Lite subordinate: one access at a time, no wait states beyond one cycle."""
        p = self.ports
        regs = {offset: Signal(32, name=f"reg_{offset:02x}") for offset in (SOURCE, TARGET, LENGTH, ADD, DEFECT)}
        start, done, failed, busy = (Signal(name=name) for name in ("start", "done", "failed", "busy"))
        take = Signal()
        m.d.comb += [
            take.eq(p["s_axil_awvalid"] & p["s_axil_wvalid"] & ~p["s_axil_bvalid"]),
            p["s_axil_awready"].eq(take),
            p["s_axil_wready"].eq(take),
            p["s_axil_arready"].eq(~p["s_axil_rvalid"]),
            p["irq"].eq(done),
        ]
        m.d.sync += start.eq(0)
        with m.If(p["s_axil_bready"]):
            m.d.sync += p["s_axil_bvalid"].eq(0)
        with m.If(p["s_axil_rready"]):
            m.d.sync += p["s_axil_rvalid"].eq(0)
        with m.If(take):
            m.d.sync += p["s_axil_bvalid"].eq(1)
            with m.Switch(p["s_axil_awaddr"]):
                for offset, reg in regs.items():
                    with m.Case(offset):
                        m.d.sync += reg.eq(p["s_axil_wdata"])
                with m.Case(CONTROL):
                    m.d.sync += start.eq(p["s_axil_wdata"][0])
                    with m.If(p["s_axil_wdata"][1]):
                        m.d.sync += [done.eq(0), failed.eq(0)]
        with m.If(p["s_axil_arvalid"] & p["s_axil_arready"]):
            m.d.sync += p["s_axil_rvalid"].eq(1)
            with m.Switch(p["s_axil_araddr"]):
                for offset, reg in regs.items():
                    with m.Case(offset):
                        m.d.sync += p["s_axil_rdata"].eq(reg)
                with m.Case(STATUS):
                    m.d.sync += p["s_axil_rdata"].eq(Cat(done, failed, busy))
        return regs | {"start": start, "done": done, "failed": failed, "busy": busy}

    def _engine(self, m, regs):
        p, shift = self.ports, self._beat_bytes_log2
        source, target, left = Signal(32), Signal(32), Signal(32)
        m.submodules.buffer = buffer = Memory(shape=unsigned(len(p["m_axi_rdata"])), depth=BURST, init=[])
        fill, drain = buffer.write_port(), buffer.read_port()
        beats, count, parity = Signal(9), Signal(9), Signal()

        def room(address):
            """Beats up to the next 4 KiB boundary."""
            return (4096 >> shift) - address[shift:12]

        def smallest(a, b):
            return Mux(a < b, a, b)

        defect = regs[DEFECT]
        rooms = Mux(defect == CROSSING, BURST, smallest(room(source), room(target)))
        m.d.comb += beats.eq(smallest(smallest(left, BURST), rooms))
        for channel, address in (("ar", source), ("aw", target)):
            m.d.comb += [
                p[f"m_axi_{channel}addr"].eq(address),
                p[f"m_axi_{channel}len"].eq(beats - 1),
                p[f"m_axi_{channel}size"].eq(shift),
                p[f"m_axi_{channel}burst"].eq(1),
            ]
        m.d.comb += [
            p["m_axi_wstrb"].eq(-1),
            p["m_axi_wdata"].eq(drain.data),
            p["m_axi_wlast"].eq(count == beats - Mux(defect == EARLY_LAST, 2, 1)),
            p["m_axi_bready"].eq(1),
            fill.data.eq(p["m_axi_rdata"] + regs[ADD]),
            fill.addr.eq(count),
            drain.addr.eq(count),
        ]
        with m.FSM():
            with m.State("IDLE"):
                with m.If(regs["start"]):
                    m.d.sync += [
                        source.eq(regs[SOURCE]), target.eq(regs[TARGET]), left.eq(regs[LENGTH]), regs["busy"].eq(1),
                    ]  # fmt: skip
                    m.next = "READ-ADDRESS"
            with m.State("READ-ADDRESS"):
                m.d.sync += parity.eq(~parity)
                m.d.comb += p["m_axi_arvalid"].eq(parity | (defect != DROPPING))
                with m.If(p["m_axi_arvalid"] & p["m_axi_arready"]):
                    m.d.sync += count.eq(0)
                    m.next = "READ"
            with m.State("READ"):
                m.d.comb += [p["m_axi_rready"].eq(1), fill.en.eq(p["m_axi_rvalid"])]
                with m.If(p["m_axi_rvalid"]):
                    m.d.sync += count.eq(count + 1)
                    with m.If(p["m_axi_rresp"][1]):
                        m.d.sync += regs["failed"].eq(1)
                    with m.If(p["m_axi_rlast"]):
                        m.next = "WRITE-ADDRESS"
            with m.State("WRITE-ADDRESS"):
                m.d.comb += p["m_axi_awvalid"].eq(1)
                m.d.sync += count.eq(0)
                with m.If(p["m_axi_awready"]):
                    m.next = "FETCH"
            with m.State("FETCH"):
                m.next = "WRITE"
            with m.State("WRITE"):
                m.d.comb += p["m_axi_wvalid"].eq(1)
                with m.If(p["m_axi_wready"]):
                    m.d.sync += count.eq(count + 1)
                    m.next = "FETCH"
                    with m.If(count == beats - 1):
                        m.next = "RESPONSE"
            with m.State("RESPONSE"):
                self._finish_burst(m, regs, beats, source, target, left)
        return m

    def _finish_burst(self, m, regs, beats, source, target, left):
        p, shift = self.ports, self._beat_bytes_log2
        with m.If(p["m_axi_bvalid"] | (regs[DEFECT] == IMPATIENT)):
            moved = beats << shift
            m.d.sync += [source.eq(source + moved), target.eq(target + moved), left.eq(left - beats)]
            m.next = "READ-ADDRESS"
            with m.If(p["m_axi_bresp"][1]):
                m.d.sync += regs["failed"].eq(1)
            with m.If((left == beats) | regs["failed"] | (p["m_axi_bvalid"] & p["m_axi_bresp"][1])):
                m.d.sync += [regs["done"].eq(regs[DEFECT] != SILENT), regs["busy"].eq(0)]
                m.next = "IDLE"


def toy_verilog(data_width: int = 64) -> str:
    """Verilog of the engine as module `esl_accel`."""
    toy = ToyDma(data_width)
    return verilog.convert(
        toy, name="esl_accel", ports=list(toy.ports.values()), emit_src=False, strip_internal_attrs=True
    )
