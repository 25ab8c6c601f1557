# SPDX-License-Identifier: Apache-2.0
"""Programs and memories that are broken, each with the error code and the command that it must stop with."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from esl_ref.program.fields import COMMAND_BYTES, LAYOUTS, ErrorCode, Opcode
from sim.jobs import Job
from sim.runner import DECERR, SLVERR, BusMemory, Fault

__all__ = ["Broken", "broken", "changed", "find", "refusing"]

Broken = tuple[str, Job, ErrorCode, int]
"""Name, job, code, index of the command."""


def find(job: Job, *opcodes: Opcode) -> int:
    """Index of the last command with one of these opcodes."""
    return max(i for i, c in enumerate(job.program.commands) if c.opcode in opcodes)


def patched(job: Job, index: int, raw: bytes, offset: int = 0) -> Job:
    """The same job with other bytes in command `index`."""
    return dataclasses.replace(job, patches={job.bases().commands + index * COMMAND_BYTES + offset: raw})


def changed(job: Job, index: int, **fields: int) -> Job:
    """The same job with other fields in command `index`."""
    return patched(job, index, job.program.commands[index].replace(**fields).encode())


def refusing(job: Job, low: int, high: int, response: int = SLVERR) -> Job:
    """The same job on a memory that answers bursts starting in bytes `low` to `high` - 1 with an error."""
    fault = Fault("range", addresses=(low, high), response=response)
    return dataclasses.replace(job, memory=BusMemory(fault=fault))


def _buffers(good: Job) -> list[tuple[str, int, str]]:
    """Name, index of a command, and prefix of the fields of a row buffer that it reads or writes."""
    conv, add = find(good, Opcode.CONV), find(good, Opcode.ELTWISE)
    return [
        ("conv ifm", conv, "ifm"), ("conv ofm", conv, "ofm"), ("store", find(good, Opcode.STORE_ROWS), "buf"),
        ("load", find(good, Opcode.LOAD_ROWS), "buf"), ("pool ofm", find(good, Opcode.POOL), "ofm"),
        ("window ifm", find(good, Opcode.DEPTHWISE_WINDOW), "ifm"), ("second operand", add, "ifm2"),
    ]  # fmt: skip


def _far_addresses(good: Job) -> Iterator[Broken]:
    """Row buffers, weights and line buffers at every power of two beyond their memory: each bit of a check counts."""
    commands, machine = good.program.commands, good.program.arch
    window, weights = find(good, Opcode.DEPTHWISE_WINDOW), find(good, Opcode.LOAD_WEIGHTS)
    places = [(name, index, f"{prefix}_base", machine.act_bytes) for name, index, prefix in _buffers(good)]
    places += [("weights", weights, "word", machine.weight_words), ("lines", window, "line_base", machine.line_depth)]
    for name, index, field, size in places:
        (layout,) = (f for f in LAYOUTS[commands[index].opcode] if f.name == field)
        more = {"column": 1} if field == "line_base" else {}
        for bit in range((size - 1).bit_length(), layout.width):
            there = changed(good, index, **{field: 1 << bit}, **more)
            yield f"{name} at 2**{bit}", there, ErrorCode.BAD_ADDRESS, index


def corrupt_programs(good: Job) -> Iterator[Broken]:
    """Commands that no compiler emits."""
    conv, window = find(good, Opcode.CONV), find(good, Opcode.DEPTHWISE_WINDOW)
    weights = find(good, Opcode.LOAD_WEIGHTS)
    machine = good.program.arch
    yield "magic", changed(good, 0, magic=1), ErrorCode.BAD_MAGIC, 0
    yield "no header", patched(good, 0, bytes([Opcode.END])), ErrorCode.BAD_MAGIC, 0
    yield "version", changed(good, 0, version=99), ErrorCode.BAD_VERSION, 0
    yield "another machine", changed(good, 0, arch_hash=machine.hash() ^ 1), ErrorCode.WRONG_ARCH, 0
    for index in (1, conv, len(good.program.commands) - 1):
        yield f"opcode {index}", patched(good, index, b"\x7f"), ErrorCode.BAD_OPCODE, index
    for name, index, prefix in _buffers(good):
        wrap = good.program.commands[index][f"{prefix}_wrap"]
        beyond = {f"{prefix}_base": machine.act_bytes - wrap + 1}
        yield name, changed(good, index, **beyond), ErrorCode.BAD_ADDRESS, index
    yield "a second header", patched(good, conv, bytes([Opcode.HEADER])), ErrorCode.BAD_OPCODE, conv
    beyond = {"column": 1, "line_base": machine.line_depth - good.program.commands[window]["cols"] + 1}
    yield "line buffers", changed(good, window, **beyond), ErrorCode.BAD_ADDRESS, window
    beyond = {"word": machine.weight_words - good.program.commands[weights]["words"] + 1}
    yield "weights", changed(good, weights, **beyond), ErrorCode.BAD_ADDRESS, weights
    for name, index, field in (("weights read", conv, "wgt_first"), ("records read", window, "wgt_header")):
        yield name, changed(good, index, **{field: machine.weight_words}), ErrorCode.BAD_ADDRESS, index
    slots = {"acc_out": 1, "acc_base": machine.acc_words - 1}
    yield "accumulator slots", changed(good, window, **slots), ErrorCode.BAD_ADDRESS, window
    load = good.program.commands[weights]
    for name, field, other in (
        ("lanes", "last_lanes", load["last_lanes"] + 1), ("bytes", "size", load["size"] - 1),
        ("records", "record_words", load["group_words"] + 1),
    ):  # fmt: skip
        yield f"{name} of weights", changed(good, weights, **{field: other}), ErrorCode.BAD_PATTERN, weights


def failing_buses(good: Job) -> Iterator[Broken]:
    """Memory that answers with errors."""
    bases, commands = good.bases(), good.program.commands
    weights, store = find(good, Opcode.LOAD_WEIGHTS), find(good, Opcode.STORE_ROWS)
    middle = len(commands) // 2
    at = bases.commands + middle * COMMAND_BYTES
    yield "fetch", refusing(good, at, at + 8), ErrorCode.FETCH_BUS, middle
    at = bases.base[0] + commands[weights]["offset"]  # the memory looks at the addresses of bursts
    yield "load", refusing(good, at, at + 8), ErrorCode.LOAD_BUS, weights
    yield "load, nobody there", refusing(good, at, at + 8, DECERR), ErrorCode.LOAD_BUS, weights
    at = bases.base[2]
    yield "store", refusing(good, at, at + 8), ErrorCode.STORE_BUS, store


def broken(good: Job) -> list[Broken]:
    """Ways to break a job that runs; its Program must have commands of every kind."""
    return [*corrupt_programs(good), *_far_addresses(good), *failing_buses(good)]
