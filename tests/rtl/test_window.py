# SPDX-License-Identifier: Apache-2.0
"""rtl.window against docs/program.md: DEPTHWISE_WINDOW and the register of DEPTHWISE_TAPS."""

from __future__ import annotations

import numpy as np
import pytest

from esl_ref.arch import Arch
from rtl.window import Window, window_chunks

LANES = 8


def _arch(**fields) -> Arch:
    return Arch(**{"lanes": LANES, "post_lanes": LANES, "window_rows": 3, "window_cols": 4, "line_depth": 8, **fields})


class Model:
    """One group's visits: remembers every row, so that no line buffer is needed to say what a window holds."""

    def __init__(self, arch, pad):
        self.arch, self.pad = arch, np.full(LANES, pad)
        self.slots = {}

    def visit(self, rows, p, c, column):
        """rows[p][c] = vector, rows[p] = None for padding rows. Sets slots."""
        rows_in_column = self.arch.window_rows if column else 1

        def at(column_age, row_age):
            inside = c - column_age >= 0 and p - row_age >= 0 and rows[p - row_age] is not None
            return rows[p - row_age][c - column_age] if inside else self.pad

        count = self.arch.window_rows * self.arch.window_cols if column else LANES
        self.slots = {s: at(*divmod(s, rows_in_column)) for s in range(count)}

    def taps(self, chunk, column):
        """The slots of a chunk that carry weights: {tap: vector}."""
        per_chunk = self.arch.window_rows * self.arch.window_cols_per_chunk if column else LANES
        slots = ((i, chunk * per_chunk + i) for i in range(per_chunk))
        return {i: self.slots[s] for i, s in slots if s in self.slots}


def _group(rng, arch, column, passes, cols, gaps):
    """Cycles of one group of visits and what the taps must be: [(cycle, {tap: vector})]."""
    pad = int(rng.integers(-128, 128))
    model, cycles, expected = Model(arch, pad), [], []
    rows = [None if rng.random() < 0.3 else rng.integers(-128, 128, (cols, LANES)) for _ in range(passes)]
    chunks = window_chunks(arch) if column else 1
    garbage = {"pad": int(rng.integers(256)), "older_valid": int(rng.integers(1 << (arch.window_rows - 1)))}
    cycles.append({})
    for p in range(passes):
        older = [p - a >= 0 and rows[p - a] is not None for a in range(1, arch.window_rows)]
        for c in range(cols):
            if gaps and rng.random() < 0.3:
                cycles.extend([dict(garbage)] * int(rng.integers(1, 4)))
            vector = model.pad if rows[p] is None else rows[p][c]
            cycles[-1] |= {"line_read": column, "line_early": c if column else 5}
            cycles.append({
                "shift": 1, "column": column, "row_start": int(c == 0), "pad": pad & 0xFF,
                "older_valid": sum(v << i for i, v in enumerate(older)), "vector": vector,
            })  # fmt: skip
            model.visit(rows, p, c, column)
            # Fire at random; the next shift may come in the cycle of the last chunk.
            fired = chunks if rng.random() < 0.6 else 1
            expected += [(len(cycles) + j, j, model.taps(j, column)) for j in range(fired)]
            cycles += [{} for _ in range(fired - 1)]
    return cycles, expected


def _run(simulate, flat, arch, groups):
    cycles, expected = [], []
    for group_cycles, group_expected in groups:
        expected += [(n + len(cycles), j, taps) for n, j, taps in group_expected]
        cycles += group_cycles
    cycles.append({})
    for n, j, _ in expected:
        cycles[n] = {**cycles[n], "chunk": j}  # a copy: idle cycles are shared
    for cycle in cycles:
        if "vector" in cycle:
            cycle["vector"] = flat.pack(cycle["vector"], 8)
    trace = simulate(Window(arch), cycles)
    for n, j, taps in expected:
        got = np.array(flat.unpack(trace[n]["taps"], 8, LANES * LANES)).reshape(LANES, LANES)
        for i, vector in taps.items():
            assert got[i].tolist() == [int(v) for v in vector], f"cycle {n}, chunk {j}, tap {i}"
    return len(expected)


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize(
    "fields", [{}, {"window_rows": 2, "window_cols": 2}, {"window_rows": 5, "window_cols": 5}, {"window_rows": 8}]
)
def test_columns_and_single_taps(simulate, flat, fields, gaps):
    """Groups of both modes and any width follow each other; nothing of one shows in the next."""
    rng, arch = np.random.default_rng(7), _arch(**fields)
    groups = [_group(rng, arch, int(rng.random() < 0.7), int(rng.integers(1, 9)), int(cols), gaps)
              for cols in [1, 2, 8, *rng.integers(1, 9, 12)]]  # fmt: skip
    assert _run(simulate, flat, arch, groups) > 50


def test_one_column_map_every_cycle(simulate, flat):
    """Each visit reads the line buffer word that the visit before is writing."""
    rng, arch = np.random.default_rng(1), _arch(window_cols=2)
    assert window_chunks(arch) == 1
    assert _run(simulate, flat, arch, [_group(rng, arch, 1, 20, 1, gaps=False)]) == 20


def test_single_taps_leave_the_line_buffers_alone(simulate, flat):
    """A command may go on with the columns of an earlier one: what lies between must not write them."""
    arch, first, second = _arch(), np.full(LANES, 11), np.full(LANES, 22)
    cycles = [
        {"line_read": 1, "line_early": 3},
        {"shift": 1, "column": 1, "row_start": 1, "vector": flat.pack(first, 8)},
        *[{"shift": 1, "row_start": 1, "vector": flat.pack(np.full(LANES, 99), 8)}] * 3,
        {"line_read": 1, "line_early": 3},
        {"shift": 1, "column": 1, "row_start": 1, "older_valid": 1, "vector": flat.pack(second, 8)},
    ]
    taps = simulate(Window(arch), cycles, tail=1)[-1]["taps"]
    assert flat.unpack(taps, 8, 3 * LANES) == [22] * LANES + [11] * LANES + [0] * LANES
