# SPDX-License-Identifier: Apache-2.0
"""External memory for Amaranth's simulator: latency, random stalls, injected errors, and the rules of AXI4 checked."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

SLVERR, DECERR = 2, 3
PAGE = 4096


async def accepted(ctx: Any, ready: Any) -> None:
    """Wait for the clock edge at which `ready` is up. Unlike `until`, may be abandoned by a background testbench."""
    while not (await ctx.tick().sample(ready))[2]:
        pass


def link_pins(link: Any, *channels: str) -> SimpleNamespace:
    """Pins of a read_link or write_link: `pins.ar.valid`, `pins.ar.addr`, ..."""
    pins = SimpleNamespace()
    for name in channels:
        channel = getattr(link, name)
        fields = {key: channel.payload[key] for key, _ in channel.payload.shape()}
        setattr(pins, name, SimpleNamespace(valid=channel.valid, ready=channel.ready, **fields))
    return pins


def top_pins(top: Any, *channels: str) -> SimpleNamespace:
    """The same of the flat ports of `Accelerator`."""
    names = {
        "ar": ("addr", "len"), "r": ("data", "resp", "last"),
        "aw": ("addr", "len"), "w": ("data", "strb", "last"), "b": ("resp",),
    }  # fmt: skip
    pins = SimpleNamespace()
    for name in channels:
        ports = {key: getattr(top, f"m_axi_{name}{key}") for key in ("valid", "ready", *names[name])}
        setattr(pins, name, SimpleNamespace(**ports))
    return pins


@dataclass
class Behaviour:
    """How the memory behaves. Errors: burst number -> response; ranges: (low, high) of addresses answered DECERR."""

    latency: int = 4
    stall: float = 0.0
    seed: int = 1
    read_errors: dict[int, int] = field(default_factory=dict)
    write_errors: dict[int, int] = field(default_factory=dict)
    ranges: tuple[tuple[int, int], ...] = ()

    def response(self, errors: dict[int, int], number: int, addr: int, size: int) -> int:
        bad = any(low <= addr < high for low, high in self.ranges) or addr >= size
        return errors.get(number, DECERR if bad else 0)


class Held:
    """Checks that a `valid` stays up, payload unchanged, until `ready`."""

    def __init__(self, name: str) -> None:
        self.name, self.waiting = name, None

    def see(self, valid: int, ready: int, payload: tuple[int, ...]) -> None:
        if self.waiting is not None:
            assert valid, f"{self.name}VALID dropped"
            assert payload == self.waiting, f"{self.name} payload changed from {self.waiting} to {payload}"
        self.waiting = payload if valid and not ready else None


def check_burst(addr: int, length: int, axi_bytes: int, burst_beats: int) -> None:
    end = addr + (length + 1) * axi_bytes
    assert addr % axi_bytes == 0, f"unaligned burst at {addr:#x}"
    assert addr // PAGE == (end - 1) // PAGE, f"burst at {addr:#x} of {length + 1} beats crosses 4 KiB"
    assert length < burst_beats, f"{length + 1} beats"


class ReadMemory:
    """Serves AR and R. `bursts` lists (address, beats) as asked for; `beats` the cycle of every beat taken."""

    def __init__(self, data: bytearray, axi_bytes: int, behaviour: Behaviour, burst_beats: int = 256) -> None:
        self.data, self.axi_bytes, self.behaviour, self.burst_beats = data, axi_bytes, behaviour, burst_beats
        self.bursts: list[tuple[int, int]] = []
        self.beats: list[int] = []
        self.most_in_flight = 0

    def process(self, pins: SimpleNamespace) -> Any:
        ar, r, rng = pins.ar, pins.r, random.Random(self.behaviour.seed)

        async def run(ctx: Any) -> None:
            queue: deque[tuple[int, int, int, int]] = deque()  # ready cycle, data, resp, last
            held, cycle, offered, in_flight = Held("AR"), 0, False, 0
            async for _, reset, valid, ready, addr, length, taken in ctx.tick().sample(
                ar.valid, ar.ready, ar.addr, ar.len, r.ready
            ):
                if reset:
                    continue
                cycle += 1
                held.see(valid, ready, (addr, length))
                if valid and ready:
                    in_flight += 1
                    queue.extend(self._burst(addr, length, cycle))
                if offered and taken:
                    self.beats.append(cycle)
                    in_flight -= queue.popleft()[3]
                    offered = False
                self.most_in_flight = max(self.most_in_flight, in_flight)
                if not offered and queue and queue[0][0] <= cycle and rng.random() >= self.behaviour.stall:
                    offered = True
                    _, data, resp, last = queue[0]
                    ctx.set(r.data, data)
                    ctx.set(r.resp, resp)
                    ctx.set(r.last, last)
                ctx.set(r.valid, offered)
                ctx.set(ar.ready, rng.random() >= self.behaviour.stall)

        return run

    def _burst(self, addr: int, length: int, cycle: int) -> list[tuple[int, int, int, int]]:
        check_burst(addr, length, self.axi_bytes, self.burst_beats)
        resp = self.behaviour.response(self.behaviour.read_errors, len(self.bursts), addr, len(self.data))
        self.bursts.append((addr, length + 1))
        beats = []
        for i in range(length + 1):
            at = addr + i * self.axi_bytes
            word = int.from_bytes(self.data[at : at + self.axi_bytes], "little") if not resp else 0
            beats.append((cycle + self.behaviour.latency - 1, word, resp, int(i == length)))
        return beats


class WriteMemory:
    """Serves AW, W and B. `bursts` lists (address, beats); `beats` the cycle of every beat."""

    def __init__(self, data: bytearray, axi_bytes: int, behaviour: Behaviour, burst_beats: int = 256) -> None:
        self.data, self.axi_bytes, self.behaviour, self.burst_beats = data, axi_bytes, behaviour, burst_beats
        self.bursts: list[tuple[int, int]] = []
        self.beats: list[int] = []
        self.answered = 0

    def process(self, pins: SimpleNamespace) -> Any:
        aw, w, b, rng = pins.aw, pins.w, pins.b, random.Random(self.behaviour.seed + 1)

        async def run(ctx: Any) -> None:
            addresses: deque[tuple[int, int, int]] = deque()
            data: deque[tuple[int, int, int]] = deque()
            answers: deque[tuple[int, int]] = deque()
            held_aw, held_w, cycle, offered = Held("AW"), Held("W"), 0, False
            signals = (aw.valid, aw.ready, aw.addr, aw.len, w.valid, w.ready, w.data, w.strb, w.last, b.ready)
            async for _, reset, *sampled in ctx.tick().sample(*signals):
                if reset:
                    continue
                aw_valid, aw_ready, addr, length, w_valid, w_ready, word, strb, last, b_ready = sampled
                cycle += 1
                held_aw.see(aw_valid, aw_ready, (addr, length))
                held_w.see(w_valid, w_ready, (word, strb, last))
                if aw_valid and aw_ready:
                    check_burst(addr, length, self.axi_bytes, self.burst_beats)
                    resp = self.behaviour.response(self.behaviour.write_errors, len(self.bursts), addr, len(self.data))
                    self.bursts.append((addr, length + 1))
                    addresses.append((addr, length, resp))
                if w_valid and w_ready:
                    self.beats.append(cycle)
                    data.append((word, strb, last))
                if addresses and len(data) > addresses[0][1]:
                    answers.append((cycle + self.behaviour.latency, self._commit(*addresses.popleft(), data)))
                if offered and b_ready:
                    answers.popleft()
                    self.answered += 1
                    offered = False
                if not offered and answers and answers[0][0] <= cycle and rng.random() >= self.behaviour.stall:
                    offered = True
                    ctx.set(b.resp, answers[0][1])
                ctx.set(b.valid, offered)
                ctx.set(aw.ready, rng.random() >= self.behaviour.stall)
                ctx.set(w.ready, rng.random() >= self.behaviour.stall)

        return run

    def _commit(self, addr: int, length: int, resp: int, data: deque[tuple[int, int, int]]) -> int:
        for i in range(length + 1):
            word, strb, last = data.popleft()
            assert last == (i == length), f"WLAST {last} in beat {i} of {length + 1}"
            for byte in range(self.axi_bytes):
                if strb >> byte & 1 and not resp:
                    self.data[addr + i * self.axi_bytes + byte] = word >> 8 * byte & 0xFF
        return resp
