# SPDX-License-Identifier: Apache-2.0
"""The accelerator: Verilog module `esl_accel`, with the port names other people's tools expect."""

from __future__ import annotations

from collections.abc import Iterator

from amaranth.hdl import Module, Signal, Value, ValueLike
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from esl_ref.arch import Arch
from rtl.axi.link import INCR, PROTECTION, full_size
from rtl.axi.lite import ADDR_BITS
from rtl.control import Control
from rtl.engine import Engine

__all__ = ["ID_BITS", "TOP", "Accelerator"]

TOP = "esl_accel"
ID_BITS = 1


def _master_ports(axi_bytes: int) -> dict[str, wiring.Member]:
    ports: dict[str, wiring.Member] = {}
    for channel in ("ar", "aw"):
        ports |= {
            f"{channel}id": Out(ID_BITS), f"{channel}addr": Out(32), f"{channel}len": Out(8), f"{channel}size": Out(3),
            f"{channel}burst": Out(2), f"{channel}prot": Out(3), f"{channel}valid": Out(1), f"{channel}ready": In(1),
        }  # fmt: skip
    ports |= {
        "rid": In(ID_BITS), "rdata": In(8 * axi_bytes), "rresp": In(2), "rlast": In(1), "rvalid": In(1),
        "rready": Out(1),
        "wdata": Out(8 * axi_bytes), "wstrb": Out(axi_bytes), "wlast": Out(1), "wvalid": Out(1), "wready": In(1),
        "bid": In(ID_BITS), "bresp": In(2), "bvalid": In(1), "bready": Out(1),
    }  # fmt: skip
    return {f"m_axi_{name}": member for name, member in ports.items()}


def _slave_ports() -> dict[str, wiring.Member]:
    ports = {
        "awaddr": In(ADDR_BITS), "awvalid": In(1), "awready": Out(1),
        "wdata": In(32), "wstrb": In(4), "wvalid": In(1), "wready": Out(1),
        "bresp": Out(2), "bvalid": Out(1), "bready": In(1),
        "araddr": In(ADDR_BITS), "arvalid": In(1), "arready": Out(1),
        "rdata": Out(32), "rresp": Out(2), "rvalid": Out(1), "rready": In(1),
    }  # fmt: skip
    return {f"s_axil_{name}": member for name, member in ports.items()}


class Accelerator(wiring.Component):
    """One clock `clk`, synchronous reset `rst`, both of domain `sync`.

    Members
    -------
    irq : Out(1)
        High while an enabled interrupt is pending.
    m_axi_* : AXI4 master
        Bursts of full-width beats, INCR, ID 0, unprivileged, non-secure data; in-order answers.
    s_axil_* : AXI4-Lite slave
        The registers of `esl_ref.registers`.
    """

    def __init__(self, arch: Arch, engine: Engine | None = None):
        self.arch = arch
        self._engine = Engine(arch) if engine is None else engine
        super().__init__({"irq": Out(1), **_master_ports(arch.axi_bytes), **_slave_ports()})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.engine = self._engine
        m.submodules.control = control = Control(self.arch, self._engine)
        m.d.comb += self.irq.eq(control.irq)
        self._connect_master(m, control)
        self._connect_slave(m, control)
        return m

    def _connect_master(self, m: Module, control: Control) -> None:
        for prefix, channel in (("m_axi_ar", control.read.ar), ("m_axi_aw", control.write.aw)):
            self._drive(m, prefix, channel)
            self._port(m, prefix, "id", 0)
            self._port(m, prefix, "size", full_size(self.arch.axi_bytes))
            self._port(m, prefix, "burst", INCR)
            self._port(m, prefix, "prot", PROTECTION)
        self._drive(m, "m_axi_w", control.write.w)
        self._take(m, "m_axi_r", control.read.r)
        self._take(m, "m_axi_b", control.write.b)

    def _connect_slave(self, m: Module, control: Control) -> None:
        lite = control.lite
        self._take(m, "s_axil_aw", lite.aw, "addr")
        self._take(m, "s_axil_w", lite.w)
        self._take(m, "s_axil_ar", lite.ar, "addr")
        self._drive(m, "s_axil_b", lite.b, "resp")
        self._drive(m, "s_axil_r", lite.r)

    def _port(self, m: Module, prefix: str, name: str, value: ValueLike) -> None:
        m.d.comb += getattr(self, prefix + name).eq(value)

    def _fields(self, prefix: str, channel: stream.Interface, field: str) -> Iterator[tuple[Signal, Value]]:
        """Ports beside payload fields; a payload without fields goes by the name `field`."""
        if isinstance(channel.payload, data.View):
            for name, _ in channel.payload.shape():
                yield getattr(self, prefix + name), channel.payload[name]
        else:
            yield getattr(self, prefix + field), channel.payload

    def _drive(self, m: Module, prefix: str, channel: stream.Interface, field: str = "") -> None:
        """A channel that leaves the accelerator."""
        m.d.comb += [port.eq(value) for port, value in self._fields(prefix, channel, field)]
        self._port(m, prefix, "valid", channel.valid)
        m.d.comb += channel.ready.eq(getattr(self, f"{prefix}ready"))

    def _take(self, m: Module, prefix: str, channel: stream.Interface, field: str = "") -> None:
        """A channel that enters it."""
        m.d.comb += [value.eq(port) for port, value in self._fields(prefix, channel, field)]
        m.d.comb += channel.valid.eq(getattr(self, f"{prefix}valid"))
        self._port(m, prefix, "ready", channel.ready)
