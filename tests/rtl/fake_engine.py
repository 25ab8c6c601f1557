# SPDX-License-Identifier: Apache-2.0
"""A compute engine that only remembers: for tests of everything around the real one.

Its compute command copies `ofm_wrap` bytes from `ifm_base` to `ofm_base` and takes `ox_count` cycles; waits and checks
are those of the real engine.
"""

from __future__ import annotations

import random
from collections import deque
from typing import Any

from amaranth.hdl import Module

from esl_ref.arch import Arch
from esl_ref.program.commands import Command, decode
from esl_ref.program.fields import COMMAND_BYTES, ErrorCode
from rtl.engine import Engine
from rtl.op import Cause
from rtl.pipeline import STORE_READ_LATENCY

_WAITS = (("load", Cause.WAIT_LOAD), ("store", Cause.WAIT_STORE), ("compute", Cause.WAIT_COMPUTE))


class FakeEngine(Engine):
    """`act`, `weights`, `table` are its memories; `refuse` the probability that an activation write is not ready."""

    def __init__(self, arch: Arch, refuse: float = 0.0) -> None:
        super().__init__(arch)
        self.arch, self.refuse = arch, refuse
        self.act = bytearray(arch.act_bytes + 4 * arch.lanes)
        self.weights = bytearray(arch.weight_words * arch.word_bytes)
        self.table = bytearray(256)
        self._clear()

    def elaborate(self, platform: object) -> Module:
        return Module()  # nothing drives the outputs: `process` does

    def _clear(self) -> None:
        self.current: tuple[int, Command] | None = None
        self.left, self.done, self._fault = 0, 0, None
        self.reads: deque[bytes | None] = deque([None] * (STORE_READ_LATENCY - 1))

    async def process(self, ctx: Any) -> None:
        rng = random.Random(1)
        signals = (
            self.clear, self.command.valid, self.command.ready, self.command.payload.word, self.command.payload.index,
            self.loads_done, self.stores_done, self.load_valid, self.load_ready, self.load_addr, self.load_data,
            self.load_count, self.weight_valid, self.weight_word, self.weight_lane, self.weight_data,
            self.table_valid, self.table_beat, self.table_data, self.read_valid, self.read_addr,
        )  # fmt: skip
        ctx.set(self.command.ready, 1)
        async for _, reset, *v in ctx.tick().sample(*signals):
            if reset:
                continue
            clear, valid, ready, word, index, loads, stores = v[:7]
            self._write(*v[7:19])
            self._read(ctx, *v[19:])
            if clear:
                self._clear()
            elif valid and ready:
                self.current = (index, decode(word.to_bytes(COMMAND_BYTES, "little"), index))
                self.left = -1
            self._compute(ctx, loads, stores)
            ctx.set(self.load_ready, rng.random() >= self.refuse)

    def _write(self, valid, ready, addr, data, count, w_valid, w_word, w_lane, w_data, t_valid, t_beat, t_data) -> None:
        size, lanes = self.arch.axi_bytes, self.arch.lanes
        if valid and ready:
            self.act[addr : addr + count] = data.to_bytes(lanes, "little")[:count]
        if w_valid:
            at = w_word * self.arch.word_bytes + w_lane * lanes
            self.weights[at : at + lanes] = w_data.to_bytes(lanes, "little")
        if t_valid:
            self.table[t_beat * size : (t_beat + 1) * size] = t_data.to_bytes(size, "little")

    def _read(self, ctx: Any, valid: int, addr: int) -> None:
        self.reads.append(bytes(self.act[addr : addr + self.arch.lanes]) if valid else None)
        data = self.reads.popleft()
        ctx.set(self.read_data_valid, data is not None)
        ctx.set(self.read_data, int.from_bytes(data or b"", "little"))

    def _compute(self, ctx: Any, loads: int, stores: int) -> None:
        cause, completed = Cause.NONE, False
        if self.current is not None and self._fault is None:
            index, command = self.current
            if command["ifm_base"] + command["ifm_wrap"] > self.arch.act_bytes:
                self._fault = (ErrorCode.BAD_ADDRESS, index)
            elif self.left < 0:
                cause = self._blocked(command, {"load": loads, "store": stores, "compute": self.done})
                if cause is Cause.NONE:
                    cause, self.left = Cause.OVERHEAD, command["ox_count"]
            elif self.left > 0:
                cause, self.left = Cause.MAC, self.left - 1
            else:
                cause, completed, self.current = Cause.OVERHEAD, True, None
                source, target, size = command["ifm_base"], command["ofm_base"], command["ofm_wrap"]
                self.act[target : target + size] = self.act[source : source + size]
        ctx.set(self.completed, completed)
        ctx.set(self.computes_done, self.done)
        self.done = (self.done + completed) & 0xFFFF
        ctx.set(self.cause, cause)
        ctx.set(self.idle, self.current is None)
        ctx.set(self.command.ready, self.current is None)
        ctx.set(self.error, self._fault is not None)
        ctx.set(self.error_code, self._fault[0].value if self._fault else 0)
        ctx.set(self.error_index, self._fault[1] if self._fault else 0)

    @staticmethod
    def _blocked(command: Command, counts: dict[str, int]) -> Cause:
        for name, cause in _WAITS:
            if command[f"need_{name}"] and (counts[name] - command[f"wait_{name}"]) & 0x8000:
                return cause
        return Cause.NONE
