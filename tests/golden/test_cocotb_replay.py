# SPDX-License-Identifier: Apache-2.0
"""The cocotb replay class against the ESL machine behind the same registers, without a simulator."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from esl_ref.machine import Machine
from esl_ref.program.image import Bases
from golden.bench.esl_golden_replay import Replay
from golden.content import Content


class _Device:
    """Registers and memory of an accelerator that is the ESL machine."""

    def __init__(self, content: Content) -> None:
        self.content, self.memory, self.registers = content, bytearray(1 << 18), {}
        digest = content.arch.hash()
        self.registers |= {0x8: digest & 0xFFFFFFFF, 0xC: digest >> 32, 0x14: 0, 0x18: 0}

    async def write(self, address: int, value: int) -> None:
        self.registers[address] = value
        if address == 0x10:
            base = tuple(self.registers[0x40 + 4 * i] for i in range(8))
            bases = Bases(self.registers[0x28], base, len(self.memory))
            entry = next(e for e in self.content.entries if self.memory.startswith(e.program.commands[0].encode())
                         and self.memory[96 * len(e.program.commands) - 96] == 2)  # fmt: skip
            Machine(self.content.arch).run(entry.program, self.memory, bases)
            self.registers[0x14] = 2

    async def read(self, address: int) -> int:
        return self.registers[address]

    async def done(self, limit: int) -> None:
        assert limit > 0


def test_replays_every_run(head: Content, head_package: Path) -> None:
    device = _Device(head)
    replay = Replay(head_package, device.memory, write=device.write, read=device.read, until_irq=device.done)
    assert asyncio.run(replay.run_all()) == ["p0.v0", "t0.v0"]


def test_names_the_first_divergence(head: Content, head_package: Path, copied) -> None:
    folder = copied(head_package)
    path = folder / "vectors/v0/p0/expected.fc6.hex"
    lines = path.read_text().splitlines()
    lines[2] = lines[2][:-1] + ("0" if lines[2][-1] != "0" else "1")
    path.write_text("\n".join(lines) + "\n")
    device = _Device(head)
    replay = Replay(folder, device.memory, write=device.write, read=device.read, until_irq=device.done)
    with pytest.raises(AssertionError, match="p0.v0: tensor fc6 y=0 x=0 channel=8"):
        asyncio.run(replay.run_all())
