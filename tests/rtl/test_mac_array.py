# SPDX-License-Identifier: Apache-2.0
"""rtl.mac_array against numpy, with idle cycles, both operand sources and the extremes of int8."""

from __future__ import annotations

import numpy as np
import pytest

from esl_ref.arch import Arch
from rtl.mac_array import MacArray


def _arch(lanes: int) -> Arch:
    return Arch(lanes=lanes, post_lanes=lanes, window_rows=3, window_cols=3)


def _cycles(rng, flat, lanes, count, extreme=False):
    """Random operand cycles and the results due: [(cycle of the last operands, acc per lane)]."""
    cycles, results, acc, fresh = [], [], None, True
    draw = (lambda shape: rng.choice([-128, 127], shape)) if extreme else (lambda shape: rng.integers(-128, 128, shape))
    for n in range(count):
        vector, taps, weights = draw(lanes), draw((lanes, lanes)), draw((lanes, lanes))
        valid, window, last = rng.random() < 0.7, int(rng.random() < 0.5), rng.random() < 0.4
        cycles.append({
            "valid": int(valid), "first": int(fresh) if valid else int(rng.integers(2)), "last": int(last),
            "use_window": window, "vector": flat.pack_bytes(vector), "taps": flat.pack_bytes(taps),
            "weights": flat.pack_bytes(weights),
        })  # fmt: skip
        if valid:
            x = taps if window else np.repeat(vector[:, None], lanes, axis=1)
            products = (x.astype(int) * weights.T).sum(axis=0)
            acc = products if fresh else acc + products
            fresh = bool(last)
            if last:
                results.append((n, [int(v) for v in acc]))
    return cycles, results


@pytest.mark.parametrize("lanes", [8, 16])
@pytest.mark.parametrize("extreme", [False, True])
def test_sums(simulate, flat, lanes, extreme):
    dut = MacArray(_arch(lanes))
    cycles, results = _cycles(np.random.default_rng(lanes), flat, lanes, 60, extreme)
    trace = simulate(dut, cycles, tail=dut.LATENCY)
    got = [(n - dut.LATENCY, flat.unpack(out["acc"], 32, lanes)) for n, out in enumerate(trace) if out["out_valid"]]
    assert got == results and len(results) > 5


def test_all_products_most_positive(simulate, flat):
    """lanes * 128 * 128 per cycle is the largest tree sum: it must not wrap at any level."""
    lanes = 8
    dut, ones = MacArray(_arch(lanes)), np.full((lanes, lanes), -128)
    cycle = {"valid": 1, "vector": flat.pack_bytes(ones[0]), "weights": flat.pack_bytes(ones)}
    trace = simulate(dut, [{**cycle, "first": 1}, {**cycle, "last": 1}], tail=dut.LATENCY)
    assert flat.unpack(trace[1 + dut.LATENCY]["acc"], 32, lanes) == [2 * lanes * 128 * 128] * lanes
