# SPDX-License-Identifier: Apache-2.0
"""rtl.pool against numpy: sums and maxima mixed, at the array's latency."""

from __future__ import annotations

import numpy as np
import pytest

from esl_ref.arch import Arch
from rtl.pool import PoolUnit

ARCH = Arch(lanes=8, post_lanes=8, window_rows=3)


@pytest.mark.parametrize("latency", [1, 6])
def test_sum_and_maximum(simulate, flat, latency):
    rng = np.random.default_rng(latency)
    cycles, results = [], []
    for _ in range(80):
        add, taps = int(rng.integers(2)), rng.integers(-128, 128, (int(rng.integers(1, 6)), 8))
        for k, tap in enumerate(taps):
            while rng.random() < 0.2:
                cycles.append({"valid": 0, "first": 1, "last": 1, "vector": flat.pack_bytes(tap)})
            cycles.append({
                "valid": 1, "first": int(k == 0), "last": int(k == len(taps) - 1), "sum": add,
                "vector": flat.pack_bytes(tap),
            })  # fmt: skip
        reduced = taps.sum(axis=0) if add else taps.max(axis=0)
        results.append((len(cycles) - 1 + latency, [int(v) for v in reduced]))
    trace = simulate(PoolUnit(ARCH, latency), cycles, tail=latency)
    assert [(n, flat.unpack(o["acc"], 32, 8)) for n, o in enumerate(trace) if o["out_valid"]] == results


def test_largest_window_keeps_its_sign(simulate, flat):
    """255 x 255 taps of -128 need 24 bits; the simulated tail of that sum is enough to see the width."""
    taps = 2000
    cycle = {"valid": 1, "sum": 1, "vector": flat.pack([-128] * 8, 8)}
    cycles = [{**cycle, "first": 1}, *[cycle] * (taps - 2), {**cycle, "last": 1}]
    trace = simulate(PoolUnit(ARCH, 1), cycles, tail=1)
    assert flat.unpack(trace[-1]["acc"], 32, 8) == [-128 * taps] * 8


def test_latency_is_checked():
    with pytest.raises(ValueError, match="latency must be at least 1, not 0"):
        PoolUnit(ARCH, 0)
