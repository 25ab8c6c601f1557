# SPDX-License-Identifier: Apache-2.0
"""Undominated items: against the definition, in every order of arrival."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from esl_ref.planner.pareto import undominated

COSTS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), max_size=12)


@given(COSTS)
def test_what_is_kept_is_what_the_definition_says(costs):
    def beaten(cost):
        return any(other != cost and all(a <= b for a, b in zip(other, cost, strict=True)) for other in costs)

    assert undominated(costs, lambda cost: cost) == sorted({cost for cost in costs if not beaten(cost)})


def test_of_equals_the_first_is_kept():
    for order in permutations([("a", (1, 2)), ("b", (1, 2)), ("c", (2, 3))]):
        first = next(name for name, cost in order if cost == (1, 2))
        assert undominated(order, lambda item: item[1]) == [(first, (1, 2))]
