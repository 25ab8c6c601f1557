# SPDX-License-Identifier: Apache-2.0
"""The weight ring: chunks in use never overlap, staying chunks are loaded once, places come free in time."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
from hypothesis import given

from esl_ref.compiler.weights import Constants, place


class _Chunk:
    """Just what `place` asks of a chunk."""

    def __init__(self, name: int, words: int) -> None:
        self.key, self.words = (name, 0, 1), words


def _uses(sizes: list[int], order: list[int]) -> list[Any]:
    return [_Chunk(i % len(sizes), sizes[i % len(sizes)]) for i in order]


@given(
    st.lists(st.integers(1, 20), min_size=1, max_size=8),
    st.lists(st.integers(0, 7), min_size=1, max_size=40),
    st.integers(0, 40),
)
def test_every_use_finds_its_chunk(sizes: list[int], order: list[int], cut: int) -> None:
    uses, capacity = _uses(sizes, order), 48
    memory: list[int | None] = [None] * capacity
    last_reader = [-1] * capacity
    for index, (use, p) in enumerate(zip(uses, place(uses, capacity, [min(cut, len(uses))]), strict=True)):
        span = range(p.word, p.word + use.words)
        assert 0 <= p.word and p.word + use.words <= capacity
        if p.load:
            assert p.free_after == max(last_reader[w] for w in span) < index
            for w in span:
                memory[w] = use.key[0]
        assert all(memory[w] == use.key[0] for w in span)
        for w in span:
            last_reader[w] = index


def test_a_group_that_fits_loads_each_chunk_once() -> None:
    uses = _uses([5, 6, 7], list(range(3)) * 10)
    assert sum(p.load for p in place(uses, 20)) == 3


def test_a_group_that_does_not_fit_keeps_what_it_can() -> None:
    uses = _uses([5, 5, 5, 5, 5], list(range(5)) * 10)
    loads = sum(p.load for p in place(uses, 22))
    assert loads <= 2 + 3 * 10  # two of them stay, the rest share the room of two
    assert sum(p.load for p in place(uses, 25)) == 5


def test_equal_constants_are_stored_once() -> None:
    constants = Constants()
    first, second = constants.add(b"abc"), constants.add(b"defg")
    assert constants.add(b"abc") == first
    assert second % Constants.ALIGN == 0
    assert constants.bytes()[second : second + 4] == b"defg"
