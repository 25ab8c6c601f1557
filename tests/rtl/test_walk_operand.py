# SPDX-License-Identifier: Apache-2.0
"""Operand walk against the nested loops of docs/program.md."""

from __future__ import annotations

import random

from rtl.walk_operand import OperandWalk
from tests.helpers.random_commands import make_case
from tests.rtl.test_engine import TINY
from tests.rtl.walk_bench import offset_of, result_address, walk_all


def test_operands_take_turns() -> None:
    commands = [make_case("eltwise", random.Random(seed).randint, seed, TINY).command for seed in range(70, 75)]
    for c, ops in zip(commands, walk_all(OperandWalk(TINY), commands), strict=True):
        pixels = [
            (g, oy, ox) for g in range(c["groups"]) for oy in range(c["oy_count"]) for ox in range(c["ox_count"])
        ]  # fmt: skip
        assert len(ops) == 2 * len(pixels)
        for (g, oy, ox), a, b in zip(pixels, ops[::2], ops[1::2], strict=True):
            at_a = c["ifm_base"] + offset_of(c, "ifm_start", "ifm_wrap", (oy, "oy_step"))
            at_b = c["ifm2_base"] + offset_of(c, "ifm2_start", "ifm2_wrap", (oy, "ifm2_row_step"))
            assert (a.operand_a, a.operand_b, a.emit, a.end) == (1, 0, 0, 0)
            assert a.base + a.offset + a.position == at_a + ox * c["ox_step"] + g * c["group_step"]
            assert (b.operand_a, b.operand_b, b.emit) == (0, 1, 1)
            assert b.base + b.offset + b.position == at_b + ox * c["ifm2_pix_step"] + g * c["ifm2_group_step"]
            assert b.out_base + b.out_offset + b.out_x == result_address(c, TINY.lanes, g, oy, ox)
            assert b.group_last == (g == c["groups"] - 1)
        assert ops[-1].end
