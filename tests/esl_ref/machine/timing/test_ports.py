# SPDX-License-Identifier: Apache-2.0
"""Sets of cycles against plain Python sets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from esl_ref.machine.timing.ports import Cycles

BLOCK = st.tuples(
    st.integers(0, 20), st.integers(0, 3), st.integers(1, 4), st.integers(0, 9), st.integers(2, 5), st.integers(1, 2)
)


def build(blocks: list[tuple[int, int, int, int, int, int]]) -> tuple[Cycles, set[int]]:
    """Blocks one after another, rows never overlapping."""
    cycles, plain, end = Cycles(), set(), 0
    for gap, rows, columns, rest, pitch, width in blocks:
        first, row_pitch = end + gap, columns * pitch + rest
        cycles.add(first, rows, columns, row_pitch, pitch, width)
        block = {
            first + r * row_pitch + c * pitch + w for r in range(rows) for c in range(columns) for w in range(width)
        }
        plain |= block
        end = max(block, default=end - 1) + 1
    return cycles, plain


@given(st.lists(BLOCK, max_size=4), st.integers(0, 60), st.integers(0, 30))
def test_queries_equal_a_plain_set(blocks, low, length):
    cycles, plain = build(blocks)
    inside = {c for c in plain if low <= c <= low + length}
    assert cycles.within(low) == {c for c in plain if c >= low}
    assert cycles.any_in(low, low + length) or not inside
    assert cycles.within(low, low + length) == inside


@given(st.lists(st.integers(0, 100), unique=True).map(sorted))
def test_any_increasing_cycles(ordered):
    cycles = Cycles()
    cycles.add_ordered(ordered)
    assert cycles.within(0) == set(ordered)


def test_taking_back():
    cycles = Cycles()
    cycles.add(0, 2, 3, 10, 2)
    mark = cycles.mark()
    cycles.add_ordered([40, 42, 45], width=2)
    assert cycles.within(5) == {10, 12, 14, 40, 41, 42, 43, 45, 46}
    cycles.forget(mark)
    assert cycles.within(0) == {0, 2, 4, 10, 12, 14}
