# SPDX-License-Identifier: Apache-2.0
"""Accumulator slots against a list of vectors: results added and kept as close together as the issuer lets them."""

from __future__ import annotations

import random

from esl_ref.arch import load
from rtl.accumulate import Accumulate
from rtl.timing import ACCUMULATE_LATENCY, SLOT_GAP

TINY = load("tiny").with_depths(acc_words=5)
INT32 = 1 << 32


def random_vectors(rng: random.Random, cycles: int) -> list[dict]:
    """One result or none per cycle; nothing is added less than SLOT_GAP cycles after something was kept."""
    plan, kept_at = [], -SLOT_GAP
    for cycle in range(cycles):
        add = cycle >= TINY.acc_words and cycle - kept_at >= SLOT_GAP and rng.random() < 0.6
        # Every slot is written once before any is added.
        keep = cycle < TINY.acc_words or rng.random() < 0.4
        valid = cycle < TINY.acc_words or rng.random() < 0.8
        slot = cycle if cycle < TINY.acc_words else rng.randrange(TINY.acc_words)
        values = [rng.randrange(-(1 << 30), 1 << 30) for _ in range(TINY.lanes)]
        plan.append({"valid": valid, "add": add, "keep": keep, "slot": slot, "values": values})
        kept_at = cycle if valid and keep else kept_at
    return plan


def test_sums_and_slots(simulate, flat) -> None:
    plan = random_vectors(random.Random(4), 400)
    cycles = [
        {
            "valid": int(now["valid"]), "add": int(now["add"]), "keep": int(now["keep"]), "slot": now["slot"],
            "acc": flat.pack(now["values"], 32), "slot_early": later["slot"],
        }
        for now, later in zip(plan, [*plan[1:], plan[0]], strict=True)
    ]  # fmt: skip
    trace = simulate(Accumulate(TINY), [{"slot_early": plan[0]["slot"]}, *cycles], tail=ACCUMULATE_LATENCY)
    slots = [[0] * TINY.lanes for _ in range(TINY.acc_words)]
    for cycle, step in enumerate(plan, start=1):
        old = slots[step["slot"]] if step["add"] else [0] * TINY.lanes
        total = [(a + b) % INT32 for a, b in zip(step["values"], old, strict=True)]
        if step["valid"]:
            got = [v % INT32 for v in flat.unpack(trace[cycle + ACCUMULATE_LATENCY]["out_acc"], 32, TINY.lanes)]
            assert got == total, f"cycle {cycle}"
            if step["keep"]:
                slots[step["slot"]] = total
