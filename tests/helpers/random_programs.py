# SPDX-License-Identifier: Apache-2.0
"""Random Programs of many small commands with as few waits as are legal: traffic for queues, bus and SRAM ports.

Commands move whole regions of the SRAM. Waits are found by the ESL machine itself: it is run until it reports no
hazard, and every hazard adds the wait for the command it names.
"""

from __future__ import annotations

import dataclasses
import random
from functools import lru_cache

import numpy as np

from esl_ref.arch import Arch
from esl_ref.machine import CommandHazard, Machine
from esl_ref.program.commands import Command, queue_of
from esl_ref.program.dense import WordPattern, load_command
from esl_ref.program.fields import Opcode
from esl_ref.program.image import Program, Surface, default_bases, header_command
from tests.helpers.dense import whole_words

__all__ = ["random_program"]

REGION = 512
RECORD = 9


@lru_cache(maxsize=64)
def random_program(seed: int, arch: Arch, length: int = 40) -> tuple[Program, dict[str, np.ndarray]]:
    """A legal Program of `length` random commands between loads and stores of everything, and its input."""
    rng = random.Random(seed)
    regions = arch.act_bytes // REGION
    weights = _weights(seed, arch)
    words = len(weights) // arch.word_bytes
    body = [_load(r, 1, r * REGION, rng) for r in range(regions)]
    while len(body) < regions + length:
        body += _random_commands(rng, arch, regions, words)
    body += [_store(r, 2, r * REGION, rng) for r in range(regions)]
    stream = (header_command(arch), load_command(words, whole_words(arch), arch), *body, Command(Opcode.END, {}))
    stream = tuple(c.replace(tag=i % 7, stamp=int(rng.random() < 0.2)) if c.opcode >= Opcode.LOAD_WEIGHTS else c
                   for i, c in enumerate(stream))  # fmt: skip
    size = regions * REGION
    surfaces = (
        Surface("x", 1, 0, (size,), size, 1, size, direction="in"),
        Surface("y", 2, 0, (size,), size, 1, size, direction="out"),
    )
    program = Program(arch, stream, weights, surfaces, scratch_bytes=size, name=f"traffic {seed}")
    inputs = {"x": np.random.default_rng(seed).integers(-128, 128, size, np.int8)}
    return _with_waits(program, inputs), inputs


def _with_waits(program: Program, inputs: dict[str, np.ndarray]) -> Program:
    commands = list(program.commands)
    for _ in range(4 * len(commands)):
        candidate = dataclasses.replace(program, commands=tuple(commands))
        bases = default_bases(candidate)
        try:
            Machine(program.arch).run(candidate, candidate.memory_image(inputs, bases), bases)
        except CommandHazard as hazard:
            if hazard.other < 0:
                raise
            kind = queue_of(commands[hazard.other].opcode)
            before = sum(queue_of(c.opcode) == kind for c in commands[: hazard.other + 1])
            commands[hazard.index] = commands[hazard.index].replace(**{f"need_{kind}": 1, f"wait_{kind}": before})
        else:
            return candidate
    raise AssertionError("hazards that waits do not cure")


def _weights(seed: int, arch: Arch) -> bytes:
    """Two groups of records and 1 x 1 weights for up to 4 chunks."""
    data = np.random.default_rng(seed + 1)
    lanes, words = arch.lanes, arch.header_words + 4
    blob = data.integers(-128, 128, (2, words, lanes, lanes), np.int8)
    records = np.zeros((2, lanes, arch.header_words * lanes), np.int8)
    records[..., 0:2] = data.integers(-128, 128, (2, lanes, 2))
    records[..., 7], records[..., 8] = 0x55, -6
    blob[:, : arch.header_words] = records.reshape(2, lanes, arch.header_words, lanes).transpose(0, 2, 1, 3)
    return blob.tobytes()


def _rows(region: int, base: int, offset: int, rng: random.Random) -> dict[str, int]:
    """A region as 1, 2, 4 or 8 rows, which leaves it dense on both sides."""
    rows = rng.choice((1, 2, 4, 8))
    size = REGION // rows
    return {"base": base, "offset": offset, "buf_base": region * REGION, "buf_wrap": REGION, "row_step": size % REGION,
            "rows": rows, "row_bytes": size}  # fmt: skip


def _load(region: int, base: int, offset: int, rng: random.Random) -> Command:
    return Command(Opcode.LOAD_ROWS, _rows(region, base, offset, rng))


def _store(region: int, base: int, offset: int, rng: random.Random) -> Command:
    return Command(Opcode.STORE_ROWS, _rows(region, base, offset, rng))


def _random_commands(rng: random.Random, arch: Arch, regions: int, words: int) -> list[Command]:
    kind = rng.choice(("load", "store", "weights", "pool", "pool", "conv", "conv", "eltwise", "sum"))
    if kind == "load":
        return [_load(rng.randrange(regions), 1, REGION * rng.randrange(regions), rng)]
    if kind == "store":
        return [_store(rng.randrange(regions), rng.choice((2, 3)), REGION * rng.randrange(regions), rng)]
    if kind == "weights":
        return [_load_weights(rng, arch, words)]
    command = _compute("conv" if kind == "sum" else kind, rng, arch, regions)
    return _partial_sums(command, rng, arch) if kind == "sum" else [command]


def _load_weights(rng: random.Random, arch: Arch, words: int) -> Command:
    """Some of the words again, or others made of fewer bytes, behind those that the compute commands read."""
    first = rng.randrange(words)
    if rng.random() < 0.5:
        count = rng.randint(1, words - first)
        return load_command(count, whole_words(arch), arch, offset=first * arch.word_bytes, word=first)
    group = rng.randint(1, 6)
    pattern = WordPattern(
        group, rng.randint(0, group), rng.randint(1, group), rng.randint(1, arch.lanes), rng.randint(1, arch.lanes),
        rng.randint(1, arch.lanes),
    )  # fmt: skip
    return load_command(rng.randint(1, min(words, arch.weight_words - words)), pattern, arch, word=words)


def _partial_sums(command: Command, rng: random.Random, arch: Arch) -> list[Command]:
    """The command three times: its sums into slots, added to and kept, added to and written."""
    groups = command["groups"]
    command = command.replace(oy_count=min(command["oy_count"], arch.acc_words // groups))
    base = rng.randint(0, arch.acc_words - groups * command["oy_count"])
    flags = ({"acc_out": 1}, {"acc_in": 1, "acc_out": 1}, {"acc_in": 1})
    return [command.replace(acc_base=base, **f) for f in flags]


def _compute(kind: str, rng: random.Random, arch: Arch, regions: int) -> Command:
    """Vectors of one region to another."""
    source, second, target = rng.sample(range(regions), 3)
    lanes = arch.lanes
    groups, chunks = rng.choice((1, 1, 2)), rng.choice((1, 1, 2, 3, 4)) if kind == "conv" else 1
    widest = max(groups, chunks) * lanes
    count = rng.randint(1, REGION // widest)
    common = {
        "low": -128, "high": 127, "groups": groups, "last_lanes": rng.randint(1, lanes), "oy_count": count,
        "ox_count": 1, "ifm_base": source * REGION, "ifm_wrap": REGION, "ofm_base": target * REGION,
        "ofm_wrap": REGION, "ofm_row_step": groups * lanes, "ofm_pix_step": 0, "wgt_header": 0,
        "wgt_step": arch.header_words + 4, "oy_step": widest, "group_step": 0 if kind == "conv" else lanes,
    }  # fmt: skip
    if kind == "eltwise":
        return Command(Opcode.ELTWISE, {
            **common, "ifm2_base": second * REGION, "ifm2_wrap": REGION, "ifm2_row_step": widest,
            "ifm2_group_step": lanes, "mul_a": 1 << 30, "mul_b": 3 << 29, "shift_a": 18, "shift_b": 18,
        })  # fmt: skip
    kernel = {"ifm_rows": 1, "ifm_row_bytes": widest, "ky_count": 1, "kx_count": 1, "chunks": chunks,
              "last_bytes": lanes, "wgt_first": arch.header_words}  # fmt: skip
    return Command(Opcode.CONV if kind == "conv" else Opcode.POOL, {
        **common, **kernel, **({} if kind == "conv" else {"last_bytes": 0, "wgt_first": 0}),
    })  # fmt: skip
