# SPDX-License-Identifier: Apache-2.0
"""Replays a golden-vector package from cocotb: for benches that have cocotb and a memory model of their own.

    replay = Replay(package_folder, memory, write=axil_write, read=axil_read, irq=dut.irq)
    report = await replay.run_all()      # raises AssertionError at the first divergence

`memory` is anything with `__setitem__` and `__getitem__` on byte slices (a bytearray, cocotbext-axi's sparse memory),
`write(address, value)` and `read(address)` are coroutines on the AXI4-Lite link. Needs only the package's replay.txt
and hex files, and this file.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

__all__ = ["Replay", "Tensor"]


class Tensor:
    """One `tensor` statement: where its bytes are, and which coordinates they have."""

    def __init__(self, name: str, address: str, *numbers: str) -> None:
        self.name, self.address = name, int(address, 16)
        self.rows, self.row_bytes, self.pitch, self.width, self.channels = map(int, numbers)

    def bytes(self) -> Iterator[tuple[int, tuple[int, int, int]]]:
        """(address, (y, x, channel)) of every element."""
        for element in range(self.rows * self.row_bytes):
            row, column = divmod(element, self.row_bytes)
            pixel, channel = divmod(element, self.channels)
            yield self.address + row * self.pitch + column, (*divmod(pixel, self.width), channel)


class Replay:
    """Carries out `replay.txt`. `until_irq` waits for the interrupt; the default awaits a rising edge of `irq`."""

    def __init__(
        self, package: str | Path, memory: Any, *, write: Callable[[int, int], Awaitable[Any]],
        read: Callable[[int], Awaitable[int]], irq: Any = None,
        until_irq: Callable[[int], Awaitable[Any]] | None = None,
    ) -> None:  # fmt: skip
        self.package, self.memory, self.write, self.read = Path(package), memory, write, read
        self.until_irq = until_irq or _edge_of(irq)
        self.word, self.arch_hash = 8, 0
        self.run, self.tensors, self.expected = "", [], {}  # type: ignore[var-annotated]
        self.passed: list[str] = []

    async def run_all(self) -> list[str]:
        """Every run of the package; the names of those that passed. AssertionError at the first that does not."""
        for line in (self.package / "replay.txt").read_text().splitlines():
            verb, *words = line.split()
            await getattr(self, f"_{verb}")(*words)
        return self.passed

    async def _package(self, version: str, arch_hash: str, word: str) -> None:
        assert version == "1", f"script format {version}"
        self.arch_hash, self.word = int(arch_hash, 16), int(word)
        found = await self.read(0x8) | await self.read(0xC) << 32
        assert found == self.arch_hash, f"package for architecture {self.arch_hash:016x}, design is {found:016x}"

    async def _run(self, name: str) -> None:
        self.run, self.tensors, self.expected = name, [], {}

    async def _fill(self, size: str, word: str) -> None:
        self.memory[0 : int(size)] = bytes.fromhex(word)[::-1] * (int(size) // self.word)

    async def _tensor(self, *words: str) -> None:
        self.tensors.append(Tensor(*words))

    def _data(self, name: str) -> bytes:
        lines = (self.package / name).read_text().split()[1:]
        return b"".join(bytes.fromhex(line)[::-1] for line in lines)

    async def _image(self, name: str, address: str, *_: str) -> None:
        data = self._data(name)
        self.memory[int(address, 16) : int(address, 16) + len(data)] = data

    async def _expect(self, name: str, address: str, *_: str) -> None:
        self.expected.update(enumerate(self._data(name), int(address, 16)))

    async def _bus(self, *_: str) -> None:
        """Bus lists are for monitors; this class compares memory."""

    async def _write(self, address: str, value: str) -> None:
        await self.write(int(address, 16), int(value, 16))

    async def _start(self, address: str, limit: str) -> None:
        await self.write(int(address, 16), 1)
        await self.until_irq(int(limit))

    async def _read(self, address: str, mask: str, value: str) -> None:
        found = await self.read(int(address, 16)) & int(mask, 16)
        assert found == int(value, 16), f"{self.run}: register 0x{address} reads 0x{found:x}, expected 0x{value}"

    async def _compare(self, *_: str) -> None:
        for tensor in self.tensors:
            for address, (y, x, c) in tensor.bytes():
                want, got = self.expected[address], self.memory[address : address + 1][0]
                assert want == got, (
                    f"{self.run}: tensor {tensor.name} y={y} x={x} channel={c} expected={want} actual={got}"
                )
        self.passed.append(self.run)

    async def _end(self) -> None:
        pass


def _edge_of(irq: Any) -> Callable[[int], Awaitable[Any]]:
    async def wait(limit: int) -> None:
        from cocotb.triggers import RisingEdge

        if not int(irq.value):
            await RisingEdge(irq)

    return wait
