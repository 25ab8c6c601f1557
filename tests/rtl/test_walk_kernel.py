# SPDX-License-Identifier: Apache-2.0
"""Kernel walk against the nested loops of docs/program.md."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from esl_ref.program.commands import Command
from esl_ref.program.fields import Opcode
from rtl.walk_kernel import KernelWalk
from tests.helpers.random_commands import make_case
from tests.rtl.test_engine import TINY
from tests.rtl.walk_bench import offset_of, result_address, walk_all

Expected = dict[str, int]


def kernel_loops(c: Command, lanes: int) -> Iterator[Expected]:
    """What every op of the command should say."""
    conv, pool, taps = (c.opcode is o for o in (Opcode.CONV, Opcode.POOL, Opcode.DEPTHWISE_TAPS))
    pixels = [
        (g, oy, ox) for g in range(c["groups"]) for oy in range(c["oy_count"]) for ox in range(c["ox_count"])
    ]  # fmt: skip
    kernel = [
        (ky, kx, k) for ky in range(c["ky_count"]) for kx in range(c["kx_count"]) for k in range(c["chunks"])
    ]  # fmt: skip
    for g, oy, ox in pixels:
        for n, (ky, kx, chunk) in enumerate(kernel):
            last = n == len(kernel) - 1
            fires = (n + 1) % lanes == 0 or last
            word = n if conv else n // lanes
            row = c["ifm_y0"] + oy * c["oy_rows"] + ky * c["ky_rows"]
            position = c["ifm_x0"] + ox * c["ox_step"] + kx * c["kx_step"] + chunk * lanes
            expected = {
                "read": 1,
                "base": c["ifm_base"] + g * c["group_step"],
                "offset": offset_of(c, "ifm_start", "ifm_wrap", (oy, "oy_step"), (ky, "ky_step")),
                "position": position,
                "row_valid": 0 <= row < c["ifm_rows"],
                "last_access": chunk == c["chunks"] - 1,
                "array": conv or (taps and fires),
                "pool": pool,
                "shift": taps,
                "first": n // lanes == 0 if taps else n == 0,
                "last": last,
                "emit": last,
                "group_last": g == c["groups"] - 1,
                "end": last and (g, oy, ox) == pixels[-1],
            }
            if expected["array"]:
                expected["weight"] = c["wgt_first"] + g * c["wgt_step"] + word
            if last:
                expected["out"] = result_address(c, lanes, g, oy, ox)
            yield expected


@pytest.mark.parametrize("kind", ["conv", "taps", "pool"])
def test_ops_are_those_of_the_loops(kind: str) -> None:
    commands = [make_case(kind, random.Random(seed).randint, seed, TINY).command for seed in range(60, 64)]
    for command, ops in zip(commands, walk_all(KernelWalk(TINY), commands), strict=True):
        wanted = list(kernel_loops(command, TINY.lanes))
        assert len(ops) == len(wanted)
        for number, (op, expected) in enumerate(zip(ops, wanted, strict=True)):
            got = {name: getattr(op, name) for name in expected if name != "out"}
            if "out" in expected:
                got["out"] = op.out_base + op.out_offset + op.out_x
            assert got == expected, f"op {number} of {dict(command.fields)}"
