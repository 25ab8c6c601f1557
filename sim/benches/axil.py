# SPDX-License-Identifier: Apache-2.0
"""AXI4-Lite manager for the few register accesses around a run. Bounded: a silent subordinate is an error."""

from __future__ import annotations

from cocotb.triggers import RisingEdge

__all__ = ["AxiLiteManager"]

MAX_WAIT_CYCLES = 1000


class AxiLiteManager:
    """Register reads and writes over ports named `s_axil_*` of `dut`, clocked by `dut.clk`."""

    def __init__(self, dut) -> None:
        self._dut = dut
        for name in ("awvalid", "wvalid", "arvalid"):
            self._port(name).value = 0
        for name in ("bready", "rready"):
            self._port(name).value = 1

    def _port(self, name: str):
        return getattr(self._dut, f"s_axil_{name}")

    async def write(self, address: int, value: int, strobe: int = 0xF) -> int:
        """Write one 32-bit register; returns the response (0 = OKAY, 2 = SLVERR)."""
        self._port("awaddr").value = address
        self._port("wdata").value = value & 0xFFFF_FFFF
        self._port("wstrb").value = strobe
        waiting = {"aw", "w"}
        for channel in waiting:
            self._port(f"{channel}valid").value = 1
        for _ in range(MAX_WAIT_CYCLES):
            await RisingEdge(self._dut.clk)
            answered = self._port("bvalid").value == 1
            for channel in sorted(waiting):
                if self._port(f"{channel}ready").value == 1:
                    self._port(f"{channel}valid").value = 0
                    waiting.discard(channel)
            if answered and not waiting:
                return int(self._port("bresp").value)
        raise TimeoutError(f"register write to {address:#x} was not answered in {MAX_WAIT_CYCLES} cycles")

    async def read(self, address: int) -> tuple[int, int]:
        """Read one 32-bit register; returns (value, response)."""
        self._port("araddr").value = address
        self._port("arvalid").value = 1
        for _ in range(MAX_WAIT_CYCLES):
            await RisingEdge(self._dut.clk)
            if self._port("arready").value == 1:
                self._port("arvalid").value = 0
            if self._port("rvalid").value == 1:
                return int(self._port("rdata").value), int(self._port("rresp").value)
        raise TimeoutError(f"register read of {address:#x} was not answered in {MAX_WAIT_CYCLES} cycles")
