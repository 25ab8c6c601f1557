# SPDX-License-Identifier: Apache-2.0
"""Fronts of segments joined: every undominated combination is there, and nothing else."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from esl_ref.compiler.model import Choice
from esl_ref.planner.joint import Rated
from esl_ref.planner.points import joined

_PLAN = st.builds(
    lambda height, scratch, cycles, traffic: Rated(Choice(()), height, height + scratch, cycles, traffic, cycles, 1),
    *(st.integers(0, 6) for _ in range(4)),
)


@given(st.lists(st.lists(_PLAN, min_size=1, max_size=4), min_size=1, max_size=3))
def test_joined_is_the_front_of_all_combinations(fronts: list[list[Rated]]) -> None:
    every = set()
    for plans in product(*fronts):
        arena = max(p.height for p in plans)
        scratch = max(p.on_chip - p.height for p in plans)
        every.add((arena, arena + scratch, sum(p.cycles for p in plans), sum(p.traffic for p in plans)))
    best = {c for c in every if not any(o != c and all(a <= b for a, b in zip(o, c, strict=True)) for o in every)}
    assert {p.costs() for p in joined(fronts)} == best
