# SPDX-License-Identifier: Apache-2.0
"""Window walk against docs/program.md: visits, firing, the order of results, which rows line buffers may give."""

from __future__ import annotations

import random
from collections.abc import Iterator

from esl_ref.program.commands import Command
from rtl.walk_window import WindowWalk
from tests.helpers.random_commands import make_case
from tests.rtl.test_engine import TINY
from tests.rtl.walk_bench import offset_of, result_address, walk_all


def window_loops(c: Command, lanes: int, rows: int) -> Iterator[dict[str, int]]:
    """What every op of the command should say."""
    for g in range(c["groups"]):
        oy = 0
        for p in range(c["passes"]):
            ox = 0
            row_fires = p >= c["fire_row"] and (p - c["fire_row"]) % c["oy_rows"] == 0
            inside = [age <= p and 0 <= c["ifm_y0"] + p - age < c["ifm_rows"] for age in range(rows)]
            for col in range(c["cols"]):
                fires = row_fires and col >= c["fire_col"] and (col - c["fire_col"]) % c["col_stride"] == 0
                for j in range(c["chunks"] if fires else 1):
                    expected = {
                        "read": j == 0,
                        "shift": j == 0,
                        "array": fires,
                        "last": j == c["chunks"] - 1 if fires else 1,
                        "emit": fires and j == c["chunks"] - 1,
                        "end": (g, p, col) == (c["groups"] - 1, c["passes"] - 1, c["cols"] - 1)
                        and (not fires or j == c["chunks"] - 1),
                    }
                    if j == 0:
                        expected |= {
                            "base": c["ifm_base"] + g * c["group_step"],
                            "offset": offset_of(c, "ifm_start", "ifm_wrap", (p, "ky_step")),
                            "position": c["ifm_x0"] + col * c["kx_step"],
                            "row_valid": inside[0],
                            "row_start": col == 0,
                            "column": col,
                            "older_valid": sum(valid << age for age, valid in enumerate(inside[1:])),
                        }
                    if fires:
                        expected |= {"weight": c["wgt_first"] + g * c["wgt_step"] + j, "chunk": j, "first": j == 0}
                    if expected["emit"]:
                        expected["out"] = result_address(c, lanes, g, oy, ox)
                    yield expected
                ox += fires
            oy += row_fires


def test_ops_are_those_of_the_loops() -> None:
    commands = [make_case("window", random.Random(seed).randint, seed, TINY).command for seed in range(80, 86)]
    for command, ops in zip(commands, walk_all(WindowWalk(TINY), commands), strict=True):
        wanted = list(window_loops(command, TINY.lanes, TINY.window_rows))
        assert len(ops) == len(wanted)
        for number, (op, expected) in enumerate(zip(ops, wanted, strict=True)):
            got = {name: getattr(op, name) for name in expected if name != "out"}
            if "out" in expected:
                got["out"] = op.out_base + op.out_offset + op.out_x
            assert got == expected, f"op {number} of {dict(command.fields)}"
